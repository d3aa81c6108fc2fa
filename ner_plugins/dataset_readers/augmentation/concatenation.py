"""The augmentation `concatenate`: two sentences in one."""

import random
from dataclasses import replace
from typing import Optional, Sequence

from ner_plugins.dataset_readers.augmentation.augmentation import Augmentation, Reading, checked_probability
from ner_plugins.entities import Sentence
from ner_plugins.errors import ConfigError
from ner_plugins.segmentation.characters import continues


@Augmentation.register("concatenate")
class Concatenation(Augmentation):
    """
    Appends another training sentence, drawn by chance, with its entities. A weight is the lower of both.

    # Parameters

    probability : `float`, optional (default=`0.2`)
        For each sentence.
    separator : `Optional[str]`, optional (default=`None`)
        The text in between. `None`: a space if both sides are letters or digits of a script with spaces, otherwise
        nothing.
    max_characters : `int`, optional (default=`256`)
        A sentence that would get longer stays as it is.

    # Raises

    `ConfigError` if `probability` is out of range or `max_characters` is below 1.
    """

    def __init__(
        self, probability: float = 0.2, separator: Optional[str] = None, max_characters: int = 256
    ) -> None:
        self.probability = checked_probability("concatenate.probability", probability)
        if max_characters < 1:
            raise ConfigError(f"augmentation.concatenate.max_characters is {max_characters}, but has to be 1 or more")
        self.separator, self.max_characters = separator, max_characters
        self._sentences: Sequence[Sentence] = ()

    def prepare(self, sentences: Sequence[Sentence], reading: Reading) -> None:
        """Keep the sentences that can be appended."""
        self._sentences = [one for one in sentences if one.text and not continues(one.text[0])]

    def change(self, sentence: Sentence, draw: random.Random) -> Sentence:
        """The sentence, with another one after it by chance."""
        if not self._sentences or draw.random() >= self.probability:
            return sentence
        other = draw.choice(self._sentences)
        between = _between(sentence.text, other.text) if self.separator is None else self.separator
        text = sentence.text + between + other.text
        if len(text) > self.max_characters:
            return sentence
        by = len(text) - len(other.text)
        moved = [replace(entity, start=entity.start + by, end=entity.end + by) for entity in other.entities or ()]
        weight = min(sentence.weight, other.weight)
        return replace(sentence, text=text, entities=(*(sentence.entities or ()), *moved), weight=weight)


def _between(first: str, second: str) -> str:
    return " " if _is_spaced(first[-1:]) and _is_spaced(second[:1]) else ""


def _is_spaced(character: str) -> bool:
    """Whether a letter or digit belongs to a script that writes spaces: not to those of China and Japan."""
    return character.isalnum() and not ("\u3040" <= character <= "\u9fff" or character >= "\U00020000")
