"""Entity-level figures of the seqeval library in strict mode."""

import logging
from typing import AbstractSet, Any, Iterable, Mapping, Optional

from allennlp.training.metrics import Metric

from ner_plugins.distributed import is_first_rank
from ner_plugins.entities import Entity, resolve_overlaps
from ner_plugins.metrics.entity_metric import EntityMetric

logger = logging.getLogger(__name__)

Span = tuple[int, int, str]
"""Start, end (exclusive) and type."""

Row = tuple[tuple[Span, ...], tuple[Span, ...]]
"""The gold and the predicted spans of one tag sequence."""


@Metric.register("seqeval")
class SeqevalMetric(EntityMetric):
    """
    Precision, recall and F1 of the seqeval library (github.com/chakki-works/seqeval) in strict mode, with IOB2 tags of
    characters. The library computes the final figures once, on reset; between resets the same numbers come from integer
    counts.

    Tags can represent only some of the entities that overlap: the longest, then the leftmost
    (`ner_plugins.entities.resolve_overlaps`). The library gets each of the others as a sentence of its own, with a gold
    entity and no prediction (missed) or a prediction and no gold (spurious), so that precision divides by all
    predictions and recall by all gold entities. For nested entities use `typed_span_f1`.

    Keys: `micro_precision`, `micro_recall`, `micro_f1`, `macro_precision`, `macro_recall`, `macro_f1` (macro: the
    unweighted mean over the types in gold or predictions) and `overlapping_gold` (number of gold entities that tags
    cannot represent); on reset also `<TYPE>/precision`, `<TYPE>/recall`, `<TYPE>/f1`, `<TYPE>/support`. A figure with
    denominator 0 is 0.

    Registered as a `Metric` with name "seqeval".
    """

    name = "seqeval"

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[Row] = []
        self._overlapping_gold = 0
        self._overlapping_predicted = 0

    def reset(self) -> None:
        """Set the counts of this rank to 0."""
        super().reset()
        self._rows = []
        self._overlapping_gold = 0
        self._overlapping_predicted = 0

    def _add_sentence(self, predicted: AbstractSet[Entity], gold: AbstractSet[Entity], text: Optional[str]) -> None:
        if not predicted and not gold:
            return
        flat_predicted, flat_gold = resolve_overlaps(list(predicted)), resolve_overlaps(list(gold))
        missed, spurious = sorted(gold - set(flat_gold)), sorted(predicted - set(flat_predicted))
        self._rows.append((_spans(flat_gold), _spans(flat_predicted)))
        self._rows.extend((_spans([entity]), ()) for entity in missed)
        self._rows.extend(((), _spans([entity])) for entity in spurious)
        self._overlapping_gold += len(missed)
        self._overlapping_predicted += len(spurious)
        self._tally(
            (entity.type for entity in predicted),
            (entity.type for entity in gold),
            (entity.type for entity in set(flat_predicted).intersection(flat_gold)),
        )

    def _summary(self) -> dict[str, float]:
        return super()._summary() | {"overlapping_gold": float(self._overlapping_gold)}

    def _final_figures(self) -> dict[str, float]:
        if (self._overlapping_gold or self._overlapping_predicted) and is_first_rank():
            logger.warning(
                "seqeval: tags cannot represent entities that overlap a longer one: %d such gold entities count as "
                "missed, %d such predictions as spurious. For nested entities use `typed_span_f1`.",
                self._overlapping_gold, self._overlapping_predicted,
            )
        figures = self._summary()
        # Without any entity the library warns and returns NaN.
        return figures | _library_figures(self._rows) if self._rows else figures

    def _state(self) -> dict[str, Any]:
        overlapping = (self._overlapping_gold, self._overlapping_predicted)
        return super()._state() | {"rows": self._rows, "overlapping": overlapping}

    def _add_state(self, state: Mapping[str, Any]) -> None:
        super()._add_state(state)
        self._rows.extend(state["rows"])
        gold, predicted = state["overlapping"]
        self._overlapping_gold += gold
        self._overlapping_predicted += predicted


def _spans(entities: Iterable[Entity]) -> tuple[Span, ...]:
    return tuple((entity.start, entity.end, entity.type) for entity in entities)


def _library_figures(rows: list[Row]) -> dict[str, float]:
    """The library's micro, macro and per-type figures of rows (at least one) that have gold or predicted spans."""
    from seqeval.metrics.v1 import precision_recall_fscore_support
    from seqeval.scheme import IOB2, Entities

    types = sorted({type_ for row in rows for side in row for _, _, type_ in side})
    # The library splits tags at hyphens and strips them, so pass types as numbers; leading zeros keep their order.
    labels = {type_: f"T{index:06d}" for index, type_ in enumerate(types)}
    gold_tags, predicted_tags = [], []
    for gold, predicted in rows:
        places = {offset: place for place, offset in enumerate(_boundaries(gold, predicted))}
        gold_tags.append(_tags(gold, places, labels))
        predicted_tags.append(_tags(predicted, places, labels))
    parsed = {"entities_true": Entities(gold_tags, IOB2), "entities_pred": Entities(predicted_tags, IOB2)}

    figures: dict[str, float] = {}
    for average in ("micro", "macro"):
        scores = precision_recall_fscore_support(
            gold_tags, predicted_tags, average=average, zero_division=0, scheme=IOB2, **parsed
        )
        for key, value in zip(("precision", "recall", "f1"), scores[:3], strict=True):
            figures[f"{average}_{key}"] = float(value)
    columns = precision_recall_fscore_support(
        gold_tags, predicted_tags, average=None, zero_division=0, scheme=IOB2, **parsed
    )
    for type_, values in zip(types, zip(*columns, strict=True), strict=True):
        for key, value in zip(("precision", "recall", "f1", "support"), values, strict=True):
            figures[f"{type_}/{key}"] = float(value)
    return figures


def _boundaries(gold: Iterable[Span], predicted: Iterable[Span]) -> list[int]:
    return sorted({offset for side in (gold, predicted) for start, end, _ in side for offset in (start, end)})


def _tags(spans: Iterable[Span], places: Mapping[int, int], labels: Mapping[str, str]) -> list[str]:
    """
    IOB2 tags of spans that do not overlap, one for each segment of characters between two boundaries of the row.

    The characters of a segment have the same tag apart from B and I, so one tag is enough: equal spans stay equal, and
    the cost does not depend on the length of the text.
    """
    tags = ["O"] * (len(places) - 1)
    for start, end, type_ in spans:
        first, last = places[start], places[end]
        tags[first:last] = [f"I-{labels[type_]}"] * (last - first)
        tags[first] = f"B-{labels[type_]}"
    return tags
