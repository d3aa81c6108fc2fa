"""The thresholds, one for each type, that make the best micro F1 of a model's predictions."""

from collections import Counter
from itertools import groupby
from typing import Dict, List, NamedTuple, Sequence

from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError, DataError
from ner_plugins.reports.collect import SentenceResult


class Cut(NamedTuple):
    """A threshold for a type, the predictions that reach it, and how many of these are exact matches."""

    threshold: float
    predicted: int
    correct: int


def best_thresholds(sentences: Sequence[SentenceResult], types: Sequence[str]) -> Dict[str, float]:
    """
    The lowest probability of each type's predictions that together give the best micro F1 of exact typed spans.

    The best for micro F1, rather than for each type's own F1: it is what models are selected by, and a type's own best
    can cost micro F1 (a frequent type's imprecise predictions count as much as anyone's). It is exact, though no
    combinations are tried: F1 = 2 TP / (predicted + gold) is at least f where the sum over types of
    2 TP - f predicted is at least f gold, and each type maximises its own summand; f rises to what that gives until
    it stays (Dinkelbach 1967, "On Nonlinear Fractional Programming").

    A threshold lies in the middle between the lowest score that it keeps and the highest that it drops, since scores
    come rounded, and another batch may change their last digits. Of choices that are as good the lower thresholds are
    taken. A type that has no gold here keeps 0: there is nothing to tell its right predictions by.

    # Parameters

    sentences : `Sequence[SentenceResult]`
        Of a run without thresholds: what a model drops cannot be judged.
    types : `Sequence[str]`
        The model's.

    # Returns

    `Dict[str, float]`
        For every one of `types`, from 0 to 1.

    # Raises

    `DataError` where there is no gold entity at all; `ConfigError` where predictions have no score.
    """
    gold = Counter(entity.type for sentence in sentences for entity in sentence.gold)
    if not gold:
        raise DataError("no gold entity in the data, so no threshold is better than another")
    cuts = {type_: _cuts(sentences, type_) for type_ in types}
    for type_ in types:
        if not gold[type_]:
            cuts[type_] = cuts[type_][:1]
    numerator, denominator = 0, 1  # of the F1 so far, as whole numbers, in which ties are ties
    while True:
        chosen = {type_: _best(of_type, numerator, denominator) for type_, of_type in cuts.items()}
        twice_correct = 2 * sum(cut.correct for cut in chosen.values())
        total = sum(cut.predicted for cut in chosen.values()) + gold.total()
        if twice_correct * denominator == numerator * total:
            return {type_: cut.threshold for type_, cut in chosen.items()}
        numerator, denominator = twice_correct, total


def _best(cuts: Sequence[Cut], numerator: int, denominator: int) -> Cut:
    """The cut with the largest 2 TP - F1 predicted, where F1 is numerator / denominator; the lowest of equals."""
    return max(cuts, key=lambda cut: (2 * cut.correct * denominator - cut.predicted * numerator, -cut.threshold))


def _cuts(sentences: Sequence[SentenceResult], type_: str) -> List[Cut]:
    """What can be cut off a type's predictions, from nothing at all upwards."""
    scored = sorted(_scores(sentences, type_), key=lambda found: found[0])
    predicted, correct = len(scored), sum(right for _, right in scored)
    cuts = [Cut(0.0, predicted, correct)]
    groups = [(score, [right for _, right in group]) for score, group in groupby(scored, key=lambda found: found[0])]
    # What has the probability 1 reaches every threshold.
    followers = [score for score, _ in groups[1:]] + [1.0]
    for (score, rights), following in zip(groups, followers, strict=False):
        predicted -= len(rights)
        correct -= sum(rights)
        if score < following:
            cuts.append(Cut(round((score + following) / 2, 7), predicted, correct))
    return cuts


def _scores(sentences: Sequence[SentenceResult], type_: str) -> List["tuple[float, bool]"]:
    """The score of each prediction of a type, and whether it is an exact match."""
    found = []
    for sentence in sentences:
        gold = set(sentence.gold)
        found += [(_score(entity), entity in gold) for entity in sentence.predicted if entity.type == type_]
    return found


def _score(entity: Entity) -> float:
    if entity.score is None:
        raise ConfigError("the model gives its predictions no scores, so there is nothing to have a threshold for")
    return entity.score
