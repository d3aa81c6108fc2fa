"""What an augmentation does: it changes a sentence, or the tokens that are read in its place."""

import random
from abc import ABC
from typing import NamedTuple, Optional, Sequence

from allennlp.common import Registrable
from allennlp.data import Token, Tokenizer

from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import ConfigError


class Reading(NamedTuple):
    """
    How a reader makes tokens.

    # Parameters

    tokenizer : `Tokenizer`
    mask : `Token`
        What an encoder reads for a hidden token.
    """

    tokenizer: Tokenizer
    mask: Token


class Augmentation(Registrable, ABC):
    """
    Changes training sentences, by chance. A subclass overrides `change`, or `change_tokens`, or both. What it returns
    depends on its arguments and on what `prepare` got alone, so that an epoch can be drawn again.
    """

    def prepare(self, sentences: Sequence[Sentence], reading: Reading) -> None:
        """
        Take what is needed of the training data, before the first epoch.

        # Parameters

        sentences : `Sequence[Sentence]`
            The training data with gold; in distributed training the share of this process.
        reading : `Reading`
        """

    def change(self, sentence: Sentence, draw: random.Random) -> Sentence:
        """
        A changed copy of a labelled sentence, or the sentence itself. Its entities have to be right.

        # Parameters

        sentence : `Sentence`
        draw : `random.Random`
            The source of all chance.
        """
        return sentence

    def change_tokens(self, sentence: Sentence, tokens: list[Token], draw: random.Random) -> list[Token]:
        """
        What is read in place of the tokens of a sentence: as many, with the same characters. Text and gold stay.

        # Parameters

        sentence : `Sentence`
        tokens : `list[Token]`
            At least one; they are not changed in place.
        draw : `random.Random`
        """
        return tokens


def checked_probability(name: str, value: float) -> float:
    """The value of an option; `ConfigError` if it is no probability."""
    if not 0.0 <= value <= 1.0:
        raise ConfigError(f"augmentation.{name} is {value}, but has to be from 0 to 1")
    return value


def lone_entities(entities: Optional[Sequence[Entity]]) -> list[Entity]:
    """Those of the entities that overlap no other, in the order of the text."""
    kept: list[Entity] = []
    last_is_alone, reached = False, -1  # the end of what came before
    for entity in sorted(set(entities or ())):
        if entity.start < reached and last_is_alone:
            kept.pop()
        last_is_alone = entity.start >= reached
        if last_is_alone:
            kept.append(entity)
        reached = max(reached, entity.end)
    return kept
