"""What a metric counts in each sentence."""

from dataclasses import dataclass
from typing import Mapping, Sequence, Union

import numpy
from numpy.typing import NDArray

from ner_plugins.entities import Entity
from ner_plugins.metrics import SeqevalMetric, TypedSpanF1
from ner_plugins.metrics.entity_metric import TypeCounts, macro_figures, micro_figures, type_figures

METRICS: Mapping[str, type[Union[SeqevalMetric, TypedSpanF1]]] = {
    "seqeval": SeqevalMetric,
    "typed_span_f1": TypedSpanF1,
}
"""The metrics whose figures are sums over sentences."""


@dataclass(frozen=True)
class PredictedSentence:
    """
    A sentence with its gold entities and a model's.

    # Parameters

    text : `str`
    gold, predicted : `Sequence[Entity]`
        Distinct and sorted.
    """

    text: str
    gold: Sequence[Entity]
    predicted: Sequence[Entity]


@dataclass(frozen=True)
class SpanCounts:
    """
    The counts of one run.

    # Parameters

    by_type : `Mapping[str, TypeCounts]`
        Over all sentences, by type in sorted order.
    by_sentence : `NDArray[numpy.int64]`
        Over all types: true positives, predictions and gold entities. Shape: (sentences, 3)
    """

    by_type: Mapping[str, TypeCounts]
    by_sentence: NDArray[numpy.int64]

    def figures(self) -> dict[str, float]:
        """Those of the metric on all sentences: `micro_f1`, `macro_f1`, `<TYPE>/f1` and so on."""
        return micro_figures(self.by_type) | macro_figures(self.by_type) | type_figures(self.by_type)


def count_spans(sentences: Sequence[PredictedSentence], metric: str = "seqeval") -> SpanCounts:
    """
    Count the entities of each sentence as a metric does.

    # Parameters

    sentences : `Sequence[PredictedSentence]`
    metric : `str`, optional (default=`"seqeval"`)
        A name of `METRICS`.
    """
    counter = METRICS[metric]()
    totals: dict[str, TypeCounts] = {}
    rows = []
    for sentence in sentences:
        counter([sentence.predicted], [sentence.gold], [sentence.text])
        of_sentence = TypeCounts()
        for type_, counts in counter.counts().items():
            totals.setdefault(type_, TypeCounts()).add(counts)
            of_sentence.add(counts)
        rows.append((of_sentence.true_positives, of_sentence.predicted, of_sentence.gold))
        counter.reset()
    by_sentence = numpy.array(rows, dtype=numpy.int64).reshape(len(rows), 3)
    return SpanCounts(dict(sorted(totals.items())), by_sentence)
