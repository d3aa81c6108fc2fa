"""Thresholds and weights of votes against literal searches over small data."""

from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_results import result, results

from ner_plugins.decoding.votes import candidates_of, elect
from ner_plugins.ensembles.ballots import best_ballot, best_weights
from ner_plugins.entities import Entity
from ner_plugins.reports.collect import Run, SentenceResult
from ner_plugins.reports.thresholds import best_thresholds

TYPES = ["PER", "LOC", "기관"]


@st.composite
def runs(draw: st.DrawFn) -> list[Run]:
    """Some members over the same sentences; the gold is in each."""
    number = draw(st.integers(2, 4))
    sentences = draw(st.lists(results(), min_size=1, max_size=4))
    members: list[list[SentenceResult]] = [[] for _ in range(number)]
    gold = [Entity(0, 1, "PER")]
    for one in sentences:
        for member in members:
            kept = [e for e in one.predicted if draw(st.booleans())]
            member.append(result(one.text, kept, one.gold or gold))
    return [Run(member, {}) for member in members]


def f1(of: list[Run], weights: list[float], agreement: float, thresholds: dict[str, float], decoding: str) -> float:
    return f1_and_number(of, weights, agreement, thresholds, decoding)[0]


def f1_and_number(
    of: list[Run], weights: list[float], agreement: float, thresholds: dict[str, float], decoding: str
) -> tuple[float, int]:
    """F1, and the number of predictions."""
    right = total = predicted = 0
    for of_sentence in zip(*(run.sentences for run in of), strict=True):
        shares = dict.fromkeys(TYPES, agreement)
        found = elect(candidates_of([one.predicted for one in of_sentence], weights), shares, thresholds, decoding)
        right += len(set(found) & set(of_sentence[0].gold))
        predicted += len(set(found))
        total += len(set(found)) + len(set(of_sentence[0].gold))
    return (2 * right / total if total else 0.0), predicted


@settings(max_examples=60)
@given(runs(), st.sampled_from((0.3, 0.5, 1.0)), st.sampled_from(("flat_greedy", "nested")))
def test_the_way_is_chosen_on_halves_with_thresholds_of_the_other(
    of: list[Run], agreement: float, decoding: str
) -> None:
    weights = [1.0] * len(of)
    halves = [[Run(run.sentences[first::2], {}) for run in of] for first in (0, 1)]

    def thresholds_of(some: list[Run], lowest: float) -> dict[str, float]:
        """Of the predictions without any."""
        none, found = dict.fromkeys(TYPES, 0.0), []
        for of_sentence in zip(*(run.sentences for run in some), strict=True):
            counted = candidates_of([one.predicted for one in of_sentence], weights)
            kept = elect(counted, dict.fromkeys(TYPES, lowest), none, decoding)
            found.append(result(of_sentence[0].text, kept, of_sentence[0].gold))
        return best_thresholds(found, TYPES) if any(one.gold for one in found) else none

    ways: list[tuple[float, bool]] = [(agreement, False), (agreement, True), (0.0, True)]
    reached = []
    for lowest, tuned in ways:
        right = total = 0.0
        for own, other in (halves, halves[::-1]):
            limits = thresholds_of(other, lowest) if tuned else dict.fromkeys(TYPES, 0.0)
            size = sum(len(one.gold) for one in own[0].sentences)
            f1_of_half, predicted = f1_and_number(own, weights, lowest, limits, decoding)
            right, total = right + f1_of_half * (predicted + size) / 2, total + predicted + size
        reached.append(round(2 * right / total, 9) if total else 0.0)
    lowest, tuned = ways[reached.index(max(reached))]
    expected = thresholds_of(of, lowest) if tuned else dict.fromkeys(TYPES, 0.0)
    ballot, found = best_ballot(of, weights, TYPES, agreement, decoding)
    assert (ballot.agreement, ballot.thresholds) == (lowest, expected)
    assert found == f1(of, weights, lowest, expected, decoding)


def test_thresholds_that_only_fit_their_half_are_not_taken() -> None:
    """A score says nothing here: it parts right from wrong in each half, the other way round in the other."""
    right, wrong = (0.9, 0.2), (0.2, 0.9)
    sentences = []
    for place in range(8):
        scores = right if place % 2 else wrong
        found = [Entity(0, 1, "PER", scores[0]), Entity(2, 3, "PER", scores[1])]
        sentences.append(result("甲乙丙丁", found, [Entity(0, 1, "PER")]))
    ballot, _ = best_ballot([Run(sentences, {})] * 2, [1.0, 1.0], TYPES, 0.5, "flat_greedy")
    assert not any(ballot.thresholds.values())


@settings(max_examples=40)
@given(runs(), st.sampled_from((0.3, 0.5, 1.0)))
def test_weights_are_those_of_ensemble_selection(of: list[Run], agreement: float) -> None:
    none = dict.fromkeys(TYPES, 0.0)
    best, counts = [1.0] * len(of), [0.0] * len(of)
    for _ in range(3 * len(of)):
        step = []
        for place in range(len(of)):
            tried = list(counts)
            tried[place] += 1
            step.append((f1(of, tried, agreement, none, "flat_greedy"), -place, tried))
        reached, _, counts = max(step, key=lambda one: one[:2])
        if reached > f1(of, best, agreement, none, "flat_greedy"):
            best = counts
    assert best_weights(of, TYPES, agreement, "flat_greedy") == best


def test_a_member_that_is_always_wrong_gets_no_weight() -> None:
    right, wrong = Entity(0, 2, "PER", 0.6), Entity(2, 4, "PER", 0.9)
    sentences = [("甲乙丙丁", right, wrong)] * 3
    members = [[result(text, [found], [right]) for text, found, _ in sentences]]
    members.append([result(text, [mistake], [right]) for text, _, mistake in sentences])
    of = [Run(member, {}) for member in members]
    assert best_weights(of, TYPES, 0.5, "flat_greedy") == [1.0, 0.0]
