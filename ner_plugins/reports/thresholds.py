"""Thresholds of the types: those that together maximise micro F1, and those that give a precision."""

from collections import Counter
from itertools import groupby
from typing import NamedTuple, Optional, Protocol, Sequence

from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError, DataError

_ROUNDING = 1e-9


class Judged(Protocol):
    """A sentence with gold and predictions, such as a `SentenceResult` or a `FoldRecord`."""

    @property
    def gold(self) -> Sequence[Entity]:
        """Its gold entities."""

    @property
    def predicted(self) -> Sequence[Entity]:
        """Its predicted entities, with scores."""


class Cut(NamedTuple):
    """A threshold for a type, the predictions that reach it, and how many of these are exact matches."""

    threshold: float
    predicted: int
    correct: int


def best_thresholds(sentences: Sequence[Judged], types: Sequence[str]) -> dict[str, float]:
    """
    The minimum probability of each type's predictions that together give the best micro F1 of exact typed spans.

    They maximise micro F1, by which models are selected, rather than the F1 of each type: the best threshold for a
    type alone can lower micro F1. The result is exact without trying combinations: F1 = 2 TP / (predicted + gold) is
    at least f if the sum over types of 2 TP - f predicted is at least f gold, so each type maximises its own summand.
    f is set to the resulting F1 until it stops rising (Dinkelbach 1967, "On Nonlinear Fractional Programming").

    A threshold is the midpoint between the lowest score that it keeps and the highest that it drops, since scores are
    rounded and their last digits may change with the batch. Of equally good thresholds the lowest is chosen. A type
    without gold entities in the data keeps 0.

    # Parameters

    sentences : `Sequence[Judged]`
        Results of a run without thresholds, which would hide predictions.
    types : `Sequence[str]`
        The types of the model.

    # Returns

    `dict[str, float]`
        A threshold from 0 to 1 for each of `types`.

    # Raises

    `DataError` if the data have no gold entity; `ConfigError` if a prediction has no score.
    """
    gold = Counter(entity.type for sentence in sentences for entity in sentence.gold)
    if not gold:
        raise DataError("the data have no gold entity, so no threshold is better than another")
    cuts = {type_: _cuts(sentences, type_) for type_ in types}
    for type_ in types:
        if not gold[type_]:
            cuts[type_] = cuts[type_][:1]
    numerator, denominator = 0, 1  # of the F1 so far; as integers, ties are exact
    while True:
        chosen = {type_: _best(of_type, numerator, denominator) for type_, of_type in cuts.items()}
        twice_correct = 2 * sum(cut.correct for cut in chosen.values())
        total = sum(cut.predicted for cut in chosen.values()) + gold.total()
        if twice_correct * denominator == numerator * total:
            return {type_: cut.threshold for type_, cut in chosen.items()}
        numerator, denominator = twice_correct, total


def precision_cuts(
    sentences: Sequence[Judged], types: Sequence[str], precision: float
) -> dict[str, Optional[Cut]]:
    """
    For each type the lowest threshold at which its predictions have at least a precision.

    # Parameters

    sentences : `Sequence[Judged]`
        Predictions of sentences that the model was not trained with.
    types : `Sequence[str]`
    precision : `float`
        Of exact matches, from 0 to 1.

    # Returns

    `dict[str, Optional[Cut]]`
        `None` for a type whose predictions have this precision at no threshold, or that has none.

    # Raises

    `DataError` if the data have no gold entity; `ConfigError` if a prediction has no score.
    """
    if not any(sentence.gold for sentence in sentences):
        raise DataError("the data have no gold entity, so no threshold has a precision")
    found: dict[str, Optional[Cut]] = {}
    for name in types:
        cuts = (cut for cut in _cuts(sentences, name) if cut.predicted)
        enough = (cut for cut in cuts if cut.correct >= precision * cut.predicted - _ROUNDING)
        found[name] = next(enough, None)
    return found


def _best(cuts: Sequence[Cut], numerator: int, denominator: int) -> Cut:
    """The cut with the largest 2 TP - F1 * predicted, where F1 is numerator / denominator; of ties the lowest."""
    return max(cuts, key=lambda cut: (2 * cut.correct * denominator - cut.predicted * numerator, -cut.threshold))


def _cuts(sentences: Sequence[Judged], type_: str) -> list[Cut]:
    """The possible cuts of a type's predictions, by ascending threshold from 0."""
    scored = sorted(_scores(sentences, type_), key=lambda found: found[0])
    predicted, correct = len(scored), sum(right for _, right in scored)
    cuts = [Cut(0.0, predicted, correct)]
    groups = [(score, [right for _, right in group]) for score, group in groupby(scored, key=lambda found: found[0])]
    # A probability of 1 reaches every threshold.
    followers = [score for score, _ in groups[1:]] + [1.0]
    for (score, rights), following in zip(groups, followers, strict=False):
        predicted -= len(rights)
        correct -= sum(rights)
        if score < following:
            cuts.append(Cut(round((score + following) / 2, 7), predicted, correct))
    return cuts


def _scores(sentences: Sequence[Judged], type_: str) -> list[tuple[float, bool]]:
    """The score of each prediction of a type, and whether it is an exact match."""
    found = []
    for sentence in sentences:
        gold = set(sentence.gold)
        found += [(_score(entity), entity in gold) for entity in sentence.predicted if entity.type == type_]
    return found


def _score(entity: Entity) -> float:
    if entity.score is None:
        raise ConfigError("the model's predictions have no scores, so thresholds cannot apply to them")
    return entity.score
