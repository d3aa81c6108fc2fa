"""How well a model does on narrow and wide entities, and on short and long texts."""

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Sequence

from ner_plugins.metrics.entity_metric import TypeCounts
from ner_plugins.reports.collect import SentenceResult

# The first number of each bin; the last bin has no end.
WIDTHS = (1, 2, 3, 4, 5, 6, 8, 11, 16, 26, 51)
LENGTHS = (0, 16, 32, 64, 128, 256, 512, 1024)


@dataclass
class Bin:
    """
    What was counted of the numbers `first` to `last` (`None`: no end).

    # Parameters

    first, last : `int`
    sentences : `Optional[int]`
        Number of texts, where the bins are of texts.
    counts : `TypeCounts`
        Exact matches of span and type, predictions and gold.
    """

    first: int
    last: Optional[int]
    sentences: Optional[int] = None
    counts: TypeCounts = field(default_factory=TypeCounts)

    def to_json(self) -> Dict[str, Any]:
        """Its limits and figures."""
        found: Dict[str, Any] = {"first": self.first, "last": self.last}
        if self.sentences is not None:
            found["sentences"] = self.sentences
        found.update(precision=self.counts.precision, recall=self.counts.recall, f1=self.counts.f1)
        return {**found, "support": self.counts.gold, "predicted": self.counts.predicted}


def by_width(sentences: Sequence[SentenceResult]) -> List[Bin]:
    """
    Figures by the number of characters of an entity: gold entities, and so recall, by their own width, predictions,
    and so precision, by theirs; an exact match has one width. Bins without any are left out.
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


def by_length(sentences: Sequence[SentenceResult]) -> List[Bin]:
    """Figures by the number of characters of a text. Bins without a text are left out."""
    bins = _bins(LENGTHS)
    for sentence in sentences:
        bin = _bin_of(bins, len(sentence.text))
        bin.sentences = (bin.sentences or 0) + 1
        matches = len(set(sentence.gold).intersection(sentence.predicted))
        bin.counts.add(TypeCounts(matches, len(sentence.predicted), len(sentence.gold)))
    return [bin for bin in bins if bin.sentences]


def _bins(firsts: Sequence[int]) -> List[Bin]:
    lasts = [following - 1 for following in firsts[1:]]
    return [Bin(first, last) for first, last in zip(firsts, [*lasts, None], strict=True)]


def _bin_of(bins: Sequence[Bin], number: int) -> Bin:
    return next(bin for bin in reversed(bins) if bin.first <= number)
