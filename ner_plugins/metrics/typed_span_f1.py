"""Precision, recall and F1 of exact typed spans, including nested ones."""

from typing import AbstractSet, Optional

from allennlp.training.metrics import Metric

from ner_plugins.entities import Entity
from ner_plugins.metrics.entity_metric import EntityMetric


@Metric.register("typed_span_f1")
class TypedSpanF1(EntityMetric):
    """
    Exact match of (start, end, type). Entities may overlap or nest; repeated ones count once. On flat data the figures
    equal those of `seqeval`.

    Keys: `micro_precision`, `micro_recall`, `micro_f1`, `macro_precision`, `macro_recall`, `macro_f1` (macro: the
    unweighted mean over the types in gold or predictions); on reset also `<TYPE>/precision`, `<TYPE>/recall`,
    `<TYPE>/f1`, `<TYPE>/support`. A figure with denominator 0 is 0.

    Registered as a `Metric` with name "typed_span_f1".
    """

    name = "typed_span_f1"

    def _add_sentence(self, predicted: AbstractSet[Entity], gold: AbstractSet[Entity], text: Optional[str]) -> None:
        self._tally(
            (entity.type for entity in predicted),
            (entity.type for entity in gold),
            (entity.type for entity in predicted & gold),
        )
