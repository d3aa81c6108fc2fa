"""Choosing how votes are counted on labelled data: thresholds for each type, from one run of each member."""

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
    sentences = [
        (candidates_of([result.predicted for result in of_sentence], weights), of_sentence[0])
        for of_sentence in zip(*(run.sentences for run in runs), strict=True)
    ]
    tried = [Ballot(agreement, dict.fromkeys(types, 0.0))]
    for lowest in dict.fromkeys((agreement, 0.0)):
        plain = Ballot(lowest, dict.fromkeys(types, 0.0))
        results = [
            replace(result, predicted=_elected(candidates, plain, types, decoding)) for candidates, result in sentences
        ]
        tried.append(Ballot(lowest, best_thresholds(results, types)))
    scored = [(ballot, _micro_f1(sentences, ballot, types, decoding)) for ballot in tried]
    return max(scored, key=lambda one: one[1])


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
