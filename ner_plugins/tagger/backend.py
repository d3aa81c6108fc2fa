"""What a `Tagger` asks of a model: the interface that torch and any other runtime implement."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional, Sequence, Union

from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import ConfigError
from ner_plugins.segmentation.blanks import without_blank_edges

GivenText = Union[str, Sentence]
"""A text, or a `Sentence` for its text with the sentences `before` and `after` it, if the model reads them."""


@dataclass(frozen=True, slots=True)
class EncodedText:
    """
    A text as a backend reads it.

    # Parameters

    text : `str`
    length : `int`
        The number of tokens that it takes up in a batch, before padding.
    content : `Any`
        The backend's own.
    """

    text: str
    length: int
    content: Any


class Alternative(NamedTuple):
    """
    One of several taggings of a text.

    # Parameters

    entities : `list[Entity]`
        Without scores of their own.
    probability : `float`
        Of the whole tagging.
    """

    entities: list[Entity]
    probability: float


def shown_alternatives(alternatives: Sequence[Alternative], text: str) -> list[Alternative]:
    """
    Alternatives without blanks at the edges of their entities (`without_blank_edges`). Those that differ in blanks
    alone are one, with the sum of their probabilities.
    """
    shares: dict[tuple[Entity, ...], float] = {}
    trimmed = [tuple(without_blank_edges(entities, text)) for entities, _ in alternatives]
    if all(list(shown) == entities for shown, (entities, _) in zip(trimmed, alternatives, strict=True)):
        return list(alternatives)
    for shown, (_, share) in zip(trimmed, alternatives, strict=True):
        shares[shown] = shares.get(shown, 0.0) + share
    found = [Alternative(list(shown), share) for shown, share in shares.items()]
    return sorted(found, key=lambda alternative: -alternative.probability)


class Backend(ABC):
    """
    A trained model in some runtime. Its methods may be called from several threads at once, also in a process forked
    after it was loaded; it is pickled as the place that it was loaded from.

    # Attributes

    types : `Sequence[str]`
        The entity types, in order of their ids.
    budget : `int`
        The number of tokens of a batch, padding included, with which it is fast.
    """

    types: Sequence[str]
    budget: int

    @abstractmethod
    def encode(self, texts: Sequence[GivenText], names: Sequence[str]) -> list[EncodedText]:
        """
        Tokenize and index texts.

        # Parameters

        texts : `Sequence[GivenText]`
            Any strings, empty ones included, and sentences.
        names : `Sequence[str]`
            Their names in messages.

        # Raises

        `ConfigError` if there is a `Sentence`, and the runtime reads texts alone.
        """

    @abstractmethod
    def find(self, batch: Sequence[EncodedText], thresholds: Optional[Sequence[float]] = None) -> list[list[Entity]]:
        """
        The entities of encoded texts: computes their scores in one batch, and decodes them.

        # Parameters

        batch : `Sequence[EncodedText]`
            At least one.
        thresholds : `Optional[Sequence[float]]`, optional (default=`None`)
            The lowest probability of each type, in order of `types`; `None` for the model's own.

        # Returns

        `list[list[Entity]]`
            For each text in order of position, without blanks at their edges, with scores rounded to six digits.

        # Raises

        `NerError` if a text's scores are not numbers.
        """

    @abstractmethod
    def tokens(self, text: str) -> list[tuple[int, int]]:
        """The half-open characters of each token of a text, in order."""

    def n_best(self, encoded: EncodedText, number: int) -> list[Alternative]:
        """
        The most probable taggings of a text, best first; fewer than `number` if there are fewer.

        # Raises

        `ConfigError` if the model has no distribution over taggings.
        """
        raise ConfigError("this model has no n-best list: only a CRF has a probability for each tagging of a text")
