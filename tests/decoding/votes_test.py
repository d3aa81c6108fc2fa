"""Votes against a literal count, and against all sets of spans that may be kept together."""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.decoding.votes import candidates_of, elect
from ner_plugins.entities import Entity

TYPES = ("LOC", "ORG", "PER")
# Scores with few binary digits, of which no sum is rounded.
SPANS = st.tuples(st.integers(0, 5), st.integers(1, 4), st.sampled_from(TYPES), st.integers(1, 64)).map(
    lambda one: Entity(one[0], one[0] + one[1], one[2], one[3] / 64)
)
PREDICTIONS = st.lists(st.lists(SPANS, max_size=5, unique=True), min_size=1, max_size=5)
SHARES = st.fixed_dictionaries({name: st.sampled_from((0.0, 0.25, 0.5, 0.75, 1.0)) for name in TYPES})


def literal_candidates(
    predictions: Sequence[Sequence[Entity]], weights: Sequence[int]
) -> dict[tuple[int, int, str], tuple[float, float]]:
    """Score and share of each span, cell by cell."""
    found = {}
    for start in range(6):
        for end in range(start + 1, 11):
            for name in TYPES:
                votes = share = 0.0
                for entities, weight in zip(predictions, weights, strict=True):
                    for entity in entities:
                        if (entity.start, entity.end, entity.type) == (start, end, name):
                            share += weight
                            votes += weight * (entity.score or 0.0)
                if share:
                    found[start, end, name] = (round(votes / sum(weights), 6), share / sum(weights))
    return found


def weights_for(predictions: Sequence[object], drawn: Sequence[int]) -> list[int]:
    given_weights = list(drawn[: len(predictions)])
    return given_weights if any(given_weights) else [1] * len(predictions)


WEIGHTS = st.lists(st.integers(0, 3), min_size=5, max_size=5)


@given(PREDICTIONS, WEIGHTS)
def test_candidates_are_counted(predictions: list[list[Entity]], drawn: list[int]) -> None:
    weights = weights_for(predictions, drawn)
    found = candidates_of(predictions, weights)
    expected = literal_candidates(predictions, weights)
    assert [(one.start, one.end, one.type) for one, _ in found] == sorted(expected)
    for entity, share in found:
        score, of_all = expected[entity.start, entity.end, entity.type]
        assert entity.score == pytest.approx(score, abs=1.1e-6) and share == pytest.approx(of_all)


def literal_greedy(kept: list[Entity], nested: bool) -> list[Entity]:
    chosen: list[Entity] = []
    for entity in sorted(kept, key=lambda one: (-(one.score or 0.0), one.start, one.end, one.type)):
        if any((entity.start, entity.end) == (other.start, other.end) for other in chosen):
            continue
        if not any(entity.crosses(other) if nested else entity.overlaps(other) for other in chosen):
            chosen.append(entity)
    return sorted(chosen)


@given(PREDICTIONS, WEIGHTS, SHARES, SHARES, st.sampled_from(("flat_greedy", "flat_optimal", "nested", "all")))
def test_entities_are_elected(
    predictions: list[list[Entity]],
    drawn: list[int],
    agreement: dict[str, float],
    thresholds: dict[str, float],
    decoding: str,
) -> None:
    candidates = candidates_of(predictions, weights_for(predictions, drawn))
    found = elect(candidates, agreement, thresholds, decoding)
    kept = [
        entity
        for entity, share in candidates
        if share >= agreement[entity.type] and (entity.score or 0.0) >= thresholds[entity.type]
    ]
    if decoding == "flat_optimal":
        assert set(found) <= set(kept)
        assert not any(one.overlaps(other) for one, other in itertools.combinations(found, 2))
        assert sum(one.score or 0.0 for one in found) == pytest.approx(best_sum(kept), abs=1e-5)
    elif decoding == "all":
        assert found == kept
    else:
        assert found == literal_greedy(kept, decoding == "nested")
    assert found == sorted(found)


def best_sum(kept: list[Entity]) -> float:
    """The highest sum of scores of spans without overlaps, by the end of the text before each position."""
    best = [0.0] * 11
    for end in range(1, 11):
        ending = [best[one.start] + (one.score or 0.0) for one in kept if one.end == end]
        best[end] = max([best[end - 1], *ending])
    return best[10]


@given(st.lists(SPANS, max_size=6, unique=True), WEIGHTS, st.integers(1, 5))
def test_copies_of_a_prediction_are_the_prediction(entities: list[Entity], drawn: list[int], number: int) -> None:
    flat = literal_greedy(entities, nested=False)
    copies = [flat] * number
    candidates = candidates_of(copies, weights_for(copies, drawn))
    found = elect(candidates, dict.fromkeys(TYPES, 1.0), dict.fromkeys(TYPES, 0.0))
    assert [(one, one.score) for one in found] == [(one, round(one.score or 0.0, 6)) for one in flat]
