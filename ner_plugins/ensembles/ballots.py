"""Choosing how votes are counted on labelled data: thresholds and weights, from one run of each member."""

from dataclasses import replace
from typing import Any, NamedTuple, Sequence

from ner_plugins.decoding.votes import Candidate, candidates_of, elect
from ner_plugins.entities import Entity
from ner_plugins.reports.collect import Run, SentenceResult
from ner_plugins.reports.thresholds import best_thresholds

_Counted = tuple[list[Candidate], SentenceResult]


class Ballot(NamedTuple):
    """
    How votes are counted.

    # Parameters

    agreement : `float`
        The lowest share of votes.
    thresholds : `dict[str, float]`
        The lowest mean score of each type.
    """

    agreement: float
    thresholds: dict[str, float]

    def options(self) -> dict[str, Any]:
        """As options of the model `ner_ensemble`."""
        given = {name: value for name, value in self.thresholds.items() if value > 0}
        return {"agreement": self.agreement, **({"thresholds": given} if given else {})}


def best_ballot(
    runs: Sequence[Run], weights: Sequence[float], types: Sequence[str], agreement: float, decoding: str
) -> tuple[Ballot, float]:
    """
    The best of three ways to count votes: by `agreement` alone; by that and the best thresholds of mean scores; and by
    the best thresholds alone, so that one sure member can outvote others.

    Thresholds fit the data that they are found on. So the ways are compared by their micro F1 on each half of the
    sentences (every second one) with thresholds of the other half, and the thresholds of the best way are then found on
    all sentences. Of equally good ways it is the first.

    # Parameters

    runs : `Sequence[Run]`
        Of each member over the data.
    weights : `Sequence[float]`
        Of the members.
    types : `Sequence[str]`
    agreement : `float`
    decoding : `str`
        As in `elect`.

    # Returns

    `tuple[Ballot, float]`
        The ballot, and its micro F1 on the data.

    """
    sentences = _counted(runs, weights)
    halves = sentences[::2], sentences[1::2]
    best, highest = 0, -1.0
    for way in range(len(_WAYS)):
        right = total = 0
        for own, other in (halves, halves[::-1]):
            ballot = _ballot(way, other, types, agreement, decoding)
            found = _matches(own, ballot, types, decoding)
            right, total = right + found[0], total + found[1]
        if total and 2 * right / total > highest:
            best, highest = way, 2 * right / total
    chosen = _ballot(best, sentences, types, agreement, decoding)
    return chosen, _micro_f1(sentences, chosen, types, decoding)


_WAYS = ("agreement", "agreement and thresholds", "thresholds")


def _ballot(
    way: int, sentences: Sequence[_Counted], types: Sequence[str], agreement: float, decoding: str
) -> Ballot:
    """One of `_WAYS`, with thresholds for some sentences; none if these have no gold entity."""
    plain = Ballot(0.0 if _WAYS[way] == "thresholds" else agreement, dict.fromkeys(types, 0.0))
    if _WAYS[way] == "agreement" or not any(result.gold for _, result in sentences):
        return plain
    results = [
        replace(result, predicted=_elected(candidates, plain, types, decoding)) for candidates, result in sentences
    ]
    return Ballot(plain.agreement, best_thresholds(results, types))


def best_weights(runs: Sequence[Run], types: Sequence[str], agreement: float, decoding: str) -> list[float]:
    """
    Weights for votes, by ensemble selection (Caruana et al. 2004, "Ensemble Selection from Libraries of Models"): again
    and again the member is added with which the votes have the highest micro F1, also one that was added before. A
    member's weight is how often it was added when F1 was at its highest; equal weights stay if they are as good.

    # Parameters

    runs, types, agreement, decoding
        As in `best_ballot`.

    # Returns

    `list[float]`
        Whole numbers from 0 on. Of equally good members the first is added, and of equally good stages the first is
        taken.
    """
    plain = Ballot(agreement, dict.fromkeys(types, 0.0))

    def f1(weights: Sequence[float]) -> float:
        return _micro_f1(_counted(runs, weights), plain, types, decoding)

    best = [1.0] * len(runs)
    highest = f1(best)
    counts = [0.0] * len(runs)
    for _ in range(_ROUNDS * len(runs)):
        tried = [[count + (place == added) for place, count in enumerate(counts)] for added in range(len(runs))]
        scores = [f1(weights) for weights in tried]
        counts = tried[scores.index(max(scores))]
        if max(scores) > highest:
            best, highest = counts, max(scores)
    return best


_ROUNDS = 3  # for each member; later additions change little


def _counted(runs: Sequence[Run], weights: Sequence[float]) -> list[_Counted]:
    """The candidates of each sentence, with a result that has its gold."""
    return [
        (candidates_of([result.predicted for result in of_sentence], weights), of_sentence[0])
        for of_sentence in zip(*(run.sentences for run in runs), strict=True)
    ]


def _elected(candidates: Sequence[Candidate], ballot: Ballot, types: Sequence[str], decoding: str) -> list[Entity]:
    return elect(candidates, dict.fromkeys(types, ballot.agreement), ballot.thresholds, decoding)


def _matches(
    sentences: Sequence[_Counted], ballot: Ballot, types: Sequence[str], decoding: str
) -> tuple[int, int]:
    """The numbers of exact matches, and of predictions and gold entities together."""
    right = total = 0
    for candidates, result in sentences:
        found = set(_elected(candidates, ballot, types, decoding))
        right += len(found.intersection(result.gold))
        total += len(found) + len(result.gold)
    return right, total


def _micro_f1(sentences: Sequence[_Counted], ballot: Ballot, types: Sequence[str], decoding: str) -> float:
    right, total = _matches(sentences, ballot, types, decoding)
    return 2 * right / total if total else 0.0
