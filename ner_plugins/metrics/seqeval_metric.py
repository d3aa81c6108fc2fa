"""Entity-level figures as the seqeval library computes them, in strict mode."""

import logging
from typing import AbstractSet, Any, Dict, Iterable, List, Mapping, Optional, Tuple

from allennlp.training.metrics import Metric

from ner_plugins.distributed import is_first_rank
from ner_plugins.entities import Entity, resolve_overlaps
from ner_plugins.metrics.entity_metric import EntityMetric

logger = logging.getLogger(__name__)

Span = Tuple[int, int, str]
"""Start, end (exclusive) and type."""

Row = Tuple[Tuple[Span, ...], Tuple[Span, ...]]
"""The gold and the predicted spans of one tag sequence."""


@Metric.register("seqeval")
class SeqevalMetric(EntityMetric):
    """
    Precision, recall and F1 of the seqeval library (github.com/chakki-works/seqeval) in strict mode, with the scheme
    IOB2 over characters. The final figures come from the library itself, which runs once, on reset; those between
    resets come from integer counts, and are the same numbers.

    Where entities of a sentence overlap, tags can hold only some: the longest, then the leftmost
    (`ner_plugins.entities.resolve_overlaps`). The others still count. Each is given to the library as a sentence of
    its own, a gold entity without a prediction (a miss) or a prediction without gold (spurious), so that precision
    divides by all predictions and recall by all gold. `typed_span_f1` is the metric for nested entities.

    Keys: `micro_precision`, `micro_recall`, `micro_f1`, `macro_precision`, `macro_recall`, `macro_f1` (macro: the
    unweighted mean over the types in gold or predictions) and `overlapping_gold` (number of gold entities that tags
    could not hold); on reset also `<TYPE>/precision`, `<TYPE>/recall`, `<TYPE>/f1`, `<TYPE>/support`. A figure whose
    denominator is 0 is 0.

    Registered as a `Metric` with name "seqeval".
    """

    name = "seqeval"

    def __init__(self) -> None:
        super().__init__()
        self._rows: List[Row] = []
        self._overlapping_gold = 0
        self._overlapping_predicted = 0

    def reset(self) -> None:
        """Forget everything counted, on this rank."""
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

    def _summary(self) -> Dict[str, float]:
        return super()._summary() | {"overlapping_gold": float(self._overlapping_gold)}

    def _final_figures(self) -> Dict[str, float]:
        if (self._overlapping_gold or self._overlapping_predicted) and is_first_rank():
            logger.warning(
                "seqeval: tags cannot hold entities that overlap a longer one; %d such gold entities count as missed, "
                "%d such predictions as spurious. `typed_span_f1` scores nested entities.",
                self._overlapping_gold, self._overlapping_predicted,
            )
        figures = self._summary()
        # The library warns, and returns NaN, where there is no entity at all.
        return figures | _library_figures(self._rows) if self._rows else figures

    def _state(self) -> Dict[str, Any]:
        overlapping = (self._overlapping_gold, self._overlapping_predicted)
        return super()._state() | {"rows": self._rows, "overlapping": overlapping}

    def _add_state(self, state: Mapping[str, Any]) -> None:
        super()._add_state(state)
        self._rows.extend(state["rows"])
        gold, predicted = state["overlapping"]
        self._overlapping_gold += gold
        self._overlapping_predicted += predicted


def _spans(entities: Iterable[Entity]) -> Tuple[Span, ...]:
    return tuple((entity.start, entity.end, entity.type) for entity in entities)


def _library_figures(rows: List[Row]) -> Dict[str, float]:
    """The library's micro, macro and per-type figures of one or more rows, none of them empty on both sides."""
    from seqeval.metrics.v1 import precision_recall_fscore_support
    from seqeval.scheme import IOB2, Entities

    types = sorted({type_ for row in rows for side in row for _, _, type_ in side})
    # The library splits tags at hyphens and strips them, so types go in as numbers; zeros in front keep their order.
    labels = {type_: f"T{index:06d}" for index, type_ in enumerate(types)}
    gold_tags, predicted_tags = [], []
    for gold, predicted in rows:
        places = {offset: place for place, offset in enumerate(_boundaries(gold, predicted))}
        gold_tags.append(_tags(gold, places, labels))
        predicted_tags.append(_tags(predicted, places, labels))
    parsed = {"entities_true": Entities(gold_tags, IOB2), "entities_pred": Entities(predicted_tags, IOB2)}

    figures: Dict[str, float] = {}
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


def _boundaries(gold: Iterable[Span], predicted: Iterable[Span]) -> List[int]:
    return sorted({offset for side in (gold, predicted) for start, end, _ in side for offset in (start, end)})


def _tags(spans: Iterable[Span], places: Mapping[int, int], labels: Mapping[str, str]) -> List[str]:
    """
    IOB2 tags of spans that do not overlap, one per stretch of characters between two boundaries of the row.

    All the characters of a stretch have the same tag but for B and I, so one stands for them all: which spans are
    equal stays the same, and a text of a million characters costs no more than one of ten.
    """
    tags = ["O"] * (len(places) - 1)
    for start, end, type_ in spans:
        first, last = places[start], places[end]
        tags[first:last] = [f"I-{labels[type_]}"] * (last - first)
        tags[first] = f"B-{labels[type_]}"
    return tags
