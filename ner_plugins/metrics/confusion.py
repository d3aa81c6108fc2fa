"""Alignment of predictions with gold entities, and the confusion matrix of types."""

from bisect import bisect_left, bisect_right
from collections import Counter
from typing import Iterable, Iterator, Mapping, NamedTuple, Optional, Sequence

from ner_plugins.entities import Entity

CORRECT, TYPE, BOUNDARY, BOUNDARY_AND_TYPE = "correct", "type", "boundary", "boundary_and_type"
MISSED, SPURIOUS = "missed", "spurious"

# A gold entity has one of the first five kinds, a prediction any kind but `missed`.
KINDS: Mapping[str, str] = {
    CORRECT: "the span and the type of a gold entity",
    TYPE: "the span of a gold entity, another type",
    BOUNDARY: "the type of a gold entity that it overlaps, other edges",
    BOUNDARY_AND_TYPE: "overlaps a gold entity; other edges and another type",
    MISSED: "a gold entity that no prediction is left for",
    SPURIOUS: "a prediction that no gold entity is left for",
}


class Pair(NamedTuple):
    """A gold entity and the prediction assigned to it, or one of the two alone. `kind` is a key of `KINDS`."""

    gold: Optional[Entity]
    predicted: Optional[Entity]
    kind: str


def assign(predicted: Sequence[Entity], gold: Sequence[Entity]) -> list[Pair]:
    """
    Assign the predictions of a sentence to its gold entities, one to one.

    Pairs of a prediction and a gold entity that share a character are taken in this order, each entity at most once:
    the same span and type (`correct`), the same span (`type`), the same type (`boundary`), the others
    (`boundary_and_type`). Ties are broken by the number of shared characters, then by the earlier gold entity, then by
    the earlier prediction. Remaining gold entities are `missed`, remaining predictions `spurious`. So of two gold
    entities under one prediction, one is missed.

    # Parameters

    predicted, gold : `Sequence[Entity]`
        In characters; repeated ones count once.

    # Returns

    `list[Pair]`
        Each gold entity and each prediction once, in order of position.
    """
    golds, predictions = sorted(set(gold)), sorted(set(predicted))
    partner_of_gold: dict[Entity, Pair] = {}
    used: set[Entity] = set()
    for (rank, _), entity, prediction in sorted(_overlapping_pairs(golds, predictions)):
        if entity not in partner_of_gold and prediction not in used:
            kind = (CORRECT, TYPE, BOUNDARY, BOUNDARY_AND_TYPE)[rank]
            partner_of_gold[entity] = Pair(entity, prediction, kind)
            used.add(prediction)
    pairs = [partner_of_gold.get(entity, Pair(entity, None, MISSED)) for entity in golds]
    pairs += [Pair(None, prediction, SPURIOUS) for prediction in predictions if prediction not in used]
    return sorted(pairs, key=lambda pair: pair.gold or pair.predicted or Entity(0, 0, ""))


def _overlapping_pairs(
    gold: Sequence[Entity], predicted: Sequence[Entity]
) -> Iterator[tuple[tuple[int, int], Entity, Entity]]:
    """The overlapping pairs, each after its sort key: closer pairs have smaller keys."""
    starts = [entity.start for entity in predicted]
    widest = max((entity.width for entity in predicted), default=0)
    for entity in gold:
        for prediction in predicted[bisect_right(starts, entity.start - widest) : bisect_left(starts, entity.end)]:
            if entity.overlaps(prediction):
                same_span = (entity.start, entity.end) == (prediction.start, prediction.end)
                rank = 2 * (not same_span) + (entity.type != prediction.type)
                shared = min(entity.end, prediction.end) - max(entity.start, prediction.start)
                yield (rank, -shared), entity, prediction


def _type_of(entity: Optional[Entity]) -> Optional[str]:
    return None if entity is None else entity.type


class ConfusionMatrix:
    """Counts of pairs by gold type, predicted type and kind."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[Optional[str], Optional[str], str]] = Counter()

    def add(self, pairs: Iterable[Pair]) -> None:
        """Count the pairs of some sentences."""
        self.counts.update((_type_of(pair.gold), _type_of(pair.predicted), pair.kind) for pair in pairs)

    @property
    def types(self) -> list[str]:
        """The types in gold or predictions, sorted."""
        return sorted({type_ for gold, predicted, _ in self.counts for type_ in (gold, predicted) if type_ is not None})

    def of_gold(self, type_: str) -> Counter[str]:
        """The number of gold entities of a type, by kind."""
        return self._by_kind(0, type_)

    def of_predicted(self, type_: str) -> Counter[str]:
        """The number of predictions of a type, by kind."""
        return self._by_kind(1, type_)

    def _by_kind(self, side: int, type_: str) -> Counter[str]:
        kinds: Counter[str] = Counter()
        for key, count in self.counts.items():
            if key[side] == type_:
                kinds[key[2]] += count
        return kinds

    def cells(self) -> tuple[list[str], list[str], list[list[int]]]:
        """
        The matrix. Cells of a gold type (row) and a predicted type (column) count entities with the right span, on the
        diagonal also with the right type. Entities with wrong boundaries count twice: in the row of their gold type and
        in the column of their predicted type. So a type's row sums to its gold entities, its column to its predictions.

        # Returns

        `tuple[list[str], list[str], list[list[int]]]`
            Names of the rows (types, then `boundary`, `boundary_and_type`, `spurious`), names of the columns (types,
            then `boundary`, `boundary_and_type`, `missed`), and the counts by row.
        """
        types = self.types
        places = {type_: place for place, type_ in enumerate(types)}
        extra = {kind: len(types) + place for place, kind in enumerate((BOUNDARY, BOUNDARY_AND_TYPE, MISSED))}
        extra[SPURIOUS] = extra[MISSED]
        cells = [[0] * (len(types) + 3) for _ in range(len(types) + 3)]
        for (gold, predicted, kind), count in self.counts.items():
            if kind in (CORRECT, TYPE) and gold is not None and predicted is not None:
                cells[places[gold]][places[predicted]] += count
                continue
            if gold is not None:
                cells[places[gold]][extra[kind]] += count
            if predicted is not None:
                cells[extra[kind]][places[predicted]] += count
        return [*types, BOUNDARY, BOUNDARY_AND_TYPE, SPURIOUS], [*types, BOUNDARY, BOUNDARY_AND_TYPE, MISSED], cells
