"""The augmentation `hide_tokens`: a mask, or other tokens, where the encoder reads those of the text."""

import copy
import random
from typing import Literal, Sequence

from allennlp.data import Token

from ner_plugins.dataset_readers.augmentation.augmentation import Augmentation, Reading, checked_probability
from ner_plugins.entities import Sentence
from ner_plugins.tokenizers.ner_characters import NerCharacterTokenizer

Where = Literal["outside", "inside", "everywhere"]
Replacement = Literal["mask", "random"]


@Augmentation.register("hide_tokens")
class HiddenTokens(Augmentation):
    """
    Lets the encoder read a mask, or a token drawn from the training data, in place of some tokens, outside of entities
    or inside of them. Text, gold and the number of tokens stay, so all labels are right: inside, the model has to tell
    an entity by what is around it; outside, by itself. The words of a lexicon stay.

    # Parameters

    probability : `float`, optional (default=`0.1`)
        Of replacing each token.
    where : `str`, optional (default=`"outside"`)
        `outside` of all entities, `inside` of any, or `everywhere`.
    replacement : `str`, optional (default=`"mask"`)
        `mask`: the mask piece of a pretrained encoder, the unknown token of a vocabulary. `random`: a token of the
        training data.

    # Raises

    `ConfigError` if `probability` is out of range.
    """

    def __init__(
        self, probability: float = 0.1, where: Where = "outside", replacement: Replacement = "mask"
    ) -> None:
        self.probability = checked_probability("hide_tokens.probability", probability)
        self.where, self.replacement = where, replacement
        self._reading = Reading(NerCharacterTokenizer(), Token("[MASK]"))
        self._texts: Sequence[str] = ()

    def prepare(self, sentences: Sequence[Sentence], reading: Reading) -> None:
        """Keep the texts to draw from."""
        self._reading = reading
        self._texts = [sentence.text for sentence in sentences if sentence.text]

    def change_tokens(self, sentence: Sentence, tokens: list[Token], draw: random.Random) -> list[Token]:
        """The tokens, some of them replaced."""
        return [
            self._hidden(token, draw) if self._may_hide(token, sentence) and draw.random() < self.probability else token
            for token in tokens
        ]

    def _may_hide(self, token: Token, sentence: Sentence) -> bool:
        start = token.idx
        if start is None or not token.text:
            return False
        end = token.idx_end if token.idx_end is not None else start + len(token.text)
        is_inside = any(entity.start < end and start < entity.end for entity in sentence.entities or ())
        return self.where == "everywhere" or is_inside == (self.where == "inside")

    def _hidden(self, token: Token, draw: random.Random) -> Token:
        hidden = copy.copy(self._reading.mask)
        if self.replacement == "random" and self._texts:
            others = self._reading.tokenizer.tokenize(draw.choice(self._texts))
            hidden = copy.copy(draw.choice(others)) if others else hidden
        hidden.idx, hidden.idx_end = token.idx, token.idx_end
        return hidden
