"""Choosing how votes are counted on labelled data: thresholds and weights, from one run of each member."""

from dataclasses import replace
from typing import Any, NamedTuple, Sequence

from ner_plugins.decoding.votes import Candidate, candidates_of, elect
from ner_plugins.entities import Entity
from ner_plugins.reports.collect import Run, SentenceResult
from ner_plugins.reports.thresholds import best_thresholds


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
    The way to count votes with the best micro F1 of three: by `agreement` alone; by that and the best thresholds of
    mean scores; and by the best thresholds alone, so that one sure member can outvote others. Of equally good ones it
    is the first.

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

    # Raises

    `DataError` if the data have no gold entity.
    """
    sentences = _counted(runs, weights)
    tried = [Ballot(agreement, dict.fromkeys(types, 0.0))]
    for lowest in dict.fromkeys((agreement, 0.0)):
        plain = Ballot(lowest, dict.fromkeys(types, 0.0))
        results = [
            replace(result, predicted=_elected(candidates, plain, types, decoding)) for candidates, result in sentences
        ]
        tried.append(Ballot(lowest, best_thresholds(results, types)))
    scored = [(ballot, _micro_f1(sentences, ballot, types, decoding)) for ballot in tried]
    return max(scored, key=lambda one: one[1])


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


def _counted(runs: Sequence[Run], weights: Sequence[float]) -> list[tuple[list[Candidate], SentenceResult]]:
    """The candidates of each sentence, with a result that has its gold."""
    return [
        (candidates_of([result.predicted for result in of_sentence], weights), of_sentence[0])
        for of_sentence in zip(*(run.sentences for run in runs), strict=True)
    ]


def _elected(candidates: Sequence[Candidate], ballot: Ballot, types: Sequence[str], decoding: str) -> list[Entity]:
    return elect(candidates, dict.fromkeys(types, ballot.agreement), ballot.thresholds, decoding)


def _micro_f1(
    sentences: Sequence[tuple[Sequence[Candidate], SentenceResult]],
    ballot: Ballot,
    types: Sequence[str],
    decoding: str,
) -> float:
    right = total = 0
    for candidates, result in sentences:
        found = set(_elected(candidates, ballot, types, decoding))
        right += len(found.intersection(result.gold))
        total += len(found) + len(result.gold)
    return 2 * right / total if total else 0.0
