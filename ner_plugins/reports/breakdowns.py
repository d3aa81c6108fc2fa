"""Figures by the width of entities and by the length of texts."""

from dataclasses import dataclass, field
from typing import Any, Optional, Sequence

from ner_plugins.metrics.entity_metric import TypeCounts
from ner_plugins.reports.collect import SentenceResult

# The first number of each bin; the last bin is open-ended.
WIDTHS = (1, 2, 3, 4, 5, 6, 8, 11, 16, 26, 51)
LENGTHS = (0, 16, 32, 64, 128, 256, 512, 1024)


@dataclass
class Bin:
    """
    The counts of one bin.

    # Parameters

    first : `int`
        The lowest number of characters in the bin.
    last : `Optional[int]`
        The highest; `None` if the bin is open-ended.
    sentences : `Optional[int]`, optional (default=`None`)
        Number of texts, for bins of text lengths.
    counts : `TypeCounts`
        Exact matches of span and type, predictions and gold entities.
    """

    first: int
    last: Optional[int]
    sentences: Optional[int] = None
    counts: TypeCounts = field(default_factory=TypeCounts)

    def to_json(self) -> dict[str, Any]:
        """Its limits and figures."""
        found: dict[str, Any] = {"first": self.first, "last": self.last}
        if self.sentences is not None:
            found["sentences"] = self.sentences
        found.update(precision=self.counts.precision, recall=self.counts.recall, f1=self.counts.f1)
        return {**found, "support": self.counts.gold, "predicted": self.counts.predicted}


def by_width(sentences: Sequence[SentenceResult]) -> list[Bin]:
    """
    Figures by the number of characters of an entity, without empty bins.

    Recall is by the width of gold entities and precision by that of predictions; an exact match has the same width.
    """
    bins = _bins(WIDTHS)
    for sentence in sentences:
        gold = set(sentence.gold)
        for entity in sentence.gold:
            _bin_of(bins, entity.width).counts.gold += 1
        for entity in sentence.predicted:
            counts = _bin_of(bins, entity.width).counts
            counts.predicted += 1
            counts.true_positives += entity in gold
    return [bin for bin in bins if bin.counts.gold or bin.counts.predicted]


def by_length(sentences: Sequence[SentenceResult]) -> list[Bin]:
    """Figures by the number of characters of a text, without empty bins."""
    bins = _bins(LENGTHS)
    for sentence in sentences:
        bin = _bin_of(bins, len(sentence.text))
        bin.sentences = (bin.sentences or 0) + 1
        matches = len(set(sentence.gold).intersection(sentence.predicted))
        bin.counts.add(TypeCounts(matches, len(sentence.predicted), len(sentence.gold)))
    return [bin for bin in bins if bin.sentences]


def _bins(firsts: Sequence[int]) -> list[Bin]:
    lasts = [following - 1 for following in firsts[1:]]
    return [Bin(first, last) for first, last in zip(firsts, [*lasts, None], strict=True)]


def _bin_of(bins: Sequence[Bin], number: int) -> Bin:
    return next(bin for bin in reversed(bins) if bin.first <= number)
