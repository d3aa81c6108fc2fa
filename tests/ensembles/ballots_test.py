"""Thresholds and weights of votes against literal searches over small data."""

from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_results import result, results

from ner_plugins.decoding.votes import candidates_of, elect
from ner_plugins.ensembles.ballots import best_ballot, best_weights
from ner_plugins.entities import Entity
from ner_plugins.reports.collect import Run, SentenceResult

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
    right = total = 0
    for of_sentence in zip(*(run.sentences for run in of), strict=True):
        shares = dict.fromkeys(TYPES, agreement)
        found = elect(candidates_of([one.predicted for one in of_sentence], weights), shares, thresholds, decoding)
        right += len(set(found) & set(of_sentence[0].gold))
        total += len(set(found)) + len(set(of_sentence[0].gold))
    return 2 * right / total


@settings(max_examples=60)
@given(runs(), st.sampled_from((0.3, 0.5, 1.0)), st.sampled_from(("flat_greedy", "nested")))
def test_the_ballot_is_no_worse_than_the_agreement_alone(of: list[Run], agreement: float, decoding: str) -> None:
    weights = [1.0] * len(of)
    ballot, reached = best_ballot(of, weights, TYPES, agreement, decoding)
    assert reached == f1(of, weights, ballot.agreement, ballot.thresholds, decoding)
    assert reached >= f1(of, weights, agreement, dict.fromkeys(TYPES, 0.0), decoding)


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
