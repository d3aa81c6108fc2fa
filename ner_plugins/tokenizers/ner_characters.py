"""A tokenizer with one token per character."""

import sys
from typing import Any

from allennlp.data.tokenizers import Token, Tokenizer

from ner_plugins.segmentation.characters import replace_surrogates
from ner_plugins.tokenizers.ner_tokenizer import NerTokenizer


@Tokenizer.register("ner_characters")
class NerCharacterTokenizer(NerTokenizer):
    """
    Splits a text into its code points. Spaces, control characters and combining marks are tokens too, so that token i
    is character i. (The tokens of AllenNLP's own `character` tokenizer have no end.)
    """

    def tokenize(self, text: str) -> list[Token]:
        """One token per code point."""
        length = len(text)
        # Interned: a corpus of millions of tokens has a few thousand different ones. `map`: half the time of a loop.
        characters = map(sys.intern, replace_surrogates(text))
        return list(map(Token, characters, range(length), range(1, length + 1)))

    def _to_params(self) -> dict[str, Any]:
        return {"type": "ner_characters"}
