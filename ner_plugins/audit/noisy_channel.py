"""
How likely a label is wrong: the model's probabilities against the chance that an error wrote just this label.

The annotator is a noisy channel between what is true and what is labelled (Brill & Moore 2000, for spelling). For a
label g and the model's probabilities p, the odds that it is wrong are

    odds(g) = rate * sum over alternatives a of p(a) * channel(g | a) / p(g)

where `rate` is the share of labels with an error of a kind, and channel(g | a) is how often such an error turns a into
g: one of the other types; edges that moved, each step half as often as the one before; for "nothing" any span and type.
A random label so needs a much lower p(g) than a moved edge, and no ranking has to compare 1 - p(g) with the p of a
missing entity, as self-confidence (Northcutt et al. 2021) would. A missing entity a has the odds
rate * p(a) / p(nothing): an error loses any label alike.
"""

from bisect import bisect_left
from dataclasses import dataclass
from typing import NamedTuple, Optional, Sequence

from ner_plugins.entities import Entity
from ner_plugins.files.folds_file import FoldRecord

LOWEST = 1e-15
"""Lower probabilities count as this: models are not that sure."""
_NOTHING = 1e-3  # the lowest probability of "no entity": models overstate their confidence where they find one
_ONE_STEP = 1 / 8  # an edge moves left or right at either end, and half of the errors move it by one step


class Doubt(NamedTuple):
    """
    A label that may be wrong, or may be missing.

    # Parameters

    kind : `str`
        `missed`, `spurious`, `boundary` or `type`.
    odds : `float`
        That it is wrong.
    given : `Optional[Entity]`
        The label; `None` if it is missing.
    instead : `Optional[Entity]`
        The most likely alternative; `None` for nothing.
    """

    kind: str
    odds: float
    given: Optional[Entity]
    instead: Optional[Entity]


@dataclass(frozen=True)
class NoisyChannel:
    """
    The errors of a corpus.

    # Parameters

    types : `int`
        How many types there are.
    width : `float`
        The mean width of a label, in characters: a label by chance has up to twice as many.
    rate : `float`, optional (default=`0.01`)
        The share of labels with an error of each kind. It changes the scores, and not their order.
    nested : `bool`, optional (default=`False`)
        Whether labels may lie inside others.
    """

    types: int
    width: float
    rate: float = 0.01
    nested: bool = False

    def doubts(self, record: FoldRecord, unknown_types: Sequence[str] = ()) -> list[Doubt]:
        """
        A doubt about each label that the model can score, and one about each place where it finds an unlabelled entity.

        # Parameters

        record : `FoldRecord`
        unknown_types : `Sequence[str]`, optional (default=`()`)
            Types that no other fold has: their labels count as improbable, though the model could not score them.
        """
        labels = {entity: entity.score for entity in record.gold}
        others = [entity for entity in record.candidates if entity not in labels]
        found = [
            self._of_label(record, entity, max(_score(entity), LOWEST), others)
            for entity in record.gold
            if entity.score is not None or entity.type in unknown_types
        ]
        unlabelled = [c for c in others if not any(self.conflict(record, c, entity) for entity in record.gold)]
        return found + self._missed(record, unlabelled)

    def conflict(self, record: FoldRecord, one: Entity, other: Entity) -> bool:
        """Whether at most one of two spans is right; where labels are nested, one may contain another."""
        if not self.nested:
            return one.overlaps(other)
        is_same = (one.start, one.end) == (other.start, other.end)
        is_near = one.type == other.type and one.overlaps(other) and _steps(record, one, other) <= 2
        return is_same or is_near or one.crosses(other)

    def _of_label(self, record: FoldRecord, label: Entity, probability: float, others: Sequence[Entity]) -> Doubt:
        rivals = [entity for entity in others if self.conflict(record, entity, label)]
        nothing = 1.0 - max([probability, *(_score(entity) for entity in rivals)])
        by_chance = 1.0 / (max(len(record.text), 1) * max(2 * self.width, 1.0) * self.types)
        doubts = [Doubt("spurious", nothing * by_chance, label, None)]
        for rival in rivals:
            if (rival.start, rival.end) == (label.start, label.end):
                doubts.append(Doubt("type", _score(rival) / max(self.types - 1, 1), label, rival))
            else:
                moved = _ONE_STEP * 0.5 ** (_steps(record, rival, label) - 1)
                if rival.type != label.type:
                    moved /= max(self.types - 1, 1)
                doubts.append(Doubt("boundary", _score(rival) * moved, label, rival))
        best = max(doubts, key=lambda doubt: doubt.odds)
        total = sum(doubt.odds for doubt in doubts)
        return best._replace(odds=self.rate * total / probability)

    def _missed(self, record: FoldRecord, candidates: Sequence[Entity]) -> list[Doubt]:
        """The best candidate of each place, with the odds that it was left out."""
        doubts: list[Doubt] = []
        for candidate in sorted(candidates, key=lambda c: (-_score(c), c)):
            if any(d.instead is not None and self.conflict(record, candidate, d.instead) for d in doubts):
                continue
            nothing = max(1.0 - _score(candidate), _NOTHING)
            doubts.append(Doubt("missed", self.rate * _score(candidate) / nothing, None, candidate))
        return doubts


def _score(entity: Entity) -> float:
    return entity.score or 0.0


def _steps(record: FoldRecord, one: Entity, other: Entity) -> int:
    """How many tokens, at least one, the edges of one span have to move to those of another."""
    if record.tokens is None:
        return max(abs(one.start - other.start) + abs(one.end - other.end), 1)
    starts = [start for start, _ in record.tokens]
    place = [bisect_left(starts, position) for position in (one.start, other.start, one.end, other.end)]
    return max(abs(place[0] - place[1]) + abs(place[2] - place[3]), 1)
