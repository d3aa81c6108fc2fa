"""What decoding returns: typed spans of a batch in flat arrays."""

from dataclasses import dataclass, replace
from typing import Any, Sequence, TypeVar

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


COLUMNS = ("sentence", "start", "end", "type", "score", "probability")
Spans = TypeVar("Spans", bound="SpanColumns")


@dataclass
class SpanColumns:
    """Typed spans in flat arrays or tensors of equal length, one for each of `COLUMNS`, which a subclass declares."""

    sentence: Any

    def __len__(self) -> int:
        return len(self.sentence)

    def select(self: Spans, index: Any) -> Spans:
        """The spans at `index` (positions or a boolean mask); what is not a column stays."""
        return replace(self, **{name: getattr(self, name)[index] for name in COLUMNS})


@dataclass
class FoundSpans(SpanColumns):
    """
    Typed spans of a batch.

    # Parameters

    sentence : `Ints`
        Index of the sentence in the batch. Shape of this and the next five: (spans,)
    start, end : `Ints`
        First token, and last token + 1.
    type : `Ints`
        Type id, from 0.
    score : `Floats`
        What spans are ranked or summed by: the margin over "not an entity".
    probability : `Floats`
    invalid : `Sequence[int]`
        Indices of the sentences whose scores are not numbers.
    """

    sentence: Ints
    start: Ints
    end: Ints
    type: Ints
    score: Floats
    probability: Floats
    invalid: Sequence[int] = ()

    def rows(self, batch: int) -> list[list[tuple[int, int, int, float]]]:
        """(first token, last token + 1, type id, probability) of each sentence's spans, in their order."""
        rows: list[list[tuple[int, int, int, float]]] = [[] for _ in range(batch)]
        columns = (self.sentence, self.start, self.end, self.type, self.probability)
        for sentence, start, end, type_id, probability in zip(*(c.tolist() for c in columns), strict=True):
            rows[sentence].append((start, end, type_id, probability))
        return rows


def no_spans(invalid: Sequence[int] = ()) -> FoundSpans:
    """None at all."""
    ints, floats = np.empty(0, np.int64), np.empty(0, np.float32)
    return FoundSpans(ints, ints, ints, ints, floats, floats, invalid)
