"""Tests of significance against literal loops, exact enumeration and scipy."""

import itertools
import math
import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ner_plugins.comparison.significance import (
    bootstrap_p,
    bootstrap_weights,
    f1_of,
    holm,
    pooled,
    random_swaps,
    significance,
    swapped_differences,
)

Row = tuple[int, int, int]


def literal_f1(rows: Sequence[Row]) -> float:
    """Micro F1 from precision and recall."""
    true, predicted, gold = (sum(column) for column in zip(*rows, strict=True))
    precision = true / predicted if predicted else 0.0
    recall = true / gold if gold else 0.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@st.composite
def two_models(draw: st.DrawFn, most: int = 7) -> tuple[list[Row], list[Row]]:
    """The counts of two models on the same sentences."""
    one, other = [], []
    for _ in range(draw(st.integers(1, most))):
        gold = draw(st.integers(0, 3))
        for rows in (one, other):
            predicted = draw(st.integers(0, 3))
            rows.append((draw(st.integers(0, min(gold, predicted))), predicted, gold))
    return one, other


def made(sentences: int, seed: int, accuracy: float = 0.8) -> numpy.ndarray:
    """Counts of a model that finds a share of the entities."""
    gold = numpy.random.default_rng(0).integers(0, 4, sentences)
    generator = numpy.random.default_rng(seed)
    true = generator.binomial(gold, accuracy)
    return numpy.stack([true, true + generator.integers(0, 2, sentences), gold], axis=1)


@given(two_models())
def test_f1_of_sums(models: tuple[list[Row], list[Row]]) -> None:
    for rows, counts in zip(models, pooled([[numpy.array(rows)] for rows in models]), strict=True):
        assert f1_of(counts.sum(axis=0)) == pytest.approx(literal_f1(rows), abs=1e-15)


@settings(max_examples=60)
@given(two_models())
def test_every_exchange_is_that_of_a_literal_loop(models: tuple[list[Row], list[Row]]) -> None:
    one, other = models
    swaps = numpy.array(list(itertools.product((0, 1), repeat=len(one))))
    first, second = pooled([[numpy.array(one)], [numpy.array(other)]])
    found = swapped_differences(first, second, swaps @ first, swaps @ second)
    for exchange, difference in zip(swaps, found, strict=True):
        left = [b if swap else a for swap, a, b in zip(exchange, one, other, strict=True)]
        right = [a if swap else b for swap, a, b in zip(exchange, one, other, strict=True)]
        assert difference == pytest.approx(literal_f1(left) - literal_f1(right), abs=1e-12)


def exact_p(one: Sequence[Row], other: Sequence[Row]) -> float:
    """The share of all exchanges whose difference is at least the one observed."""
    observed = abs(literal_f1(one) - literal_f1(other))
    exchanges = list(itertools.product((False, True), repeat=len(one)))
    at_least = 0
    for exchange in exchanges:
        left = [b if swap else a for swap, a, b in zip(exchange, one, other, strict=True)]
        right = [a if swap else b for swap, a, b in zip(exchange, one, other, strict=True)]
        at_least += abs(literal_f1(left) - literal_f1(right)) >= observed - 1e-12
    return at_least / len(exchanges)


@settings(max_examples=25, deadline=None)
@given(two_models(), st.integers(0, 1000))
def test_randomisation_is_near_the_exact_enumeration(models: tuple[list[Row], list[Row]], seed: int) -> None:
    one, other = models
    exact, number = exact_p(one, other), 4000
    counts = {"one": [numpy.array(one)], "other": [numpy.array(other)]}
    [found] = significance(counts, [("one", "other")], number, seed=seed).differences
    assert found.difference == pytest.approx(literal_f1(one) - literal_f1(other), abs=1e-15)
    assert abs(found.randomisation - exact) < 5 * math.sqrt(exact * (1 - exact) / number) + 2 / number


@settings(max_examples=20, deadline=None)
@given(two_models(), st.integers(0, 1000))
def test_the_bootstrap_is_that_of_a_literal_loop(models: tuple[list[Row], list[Row]], seed: int) -> None:
    one, other = models
    counts = {"one": [numpy.array(one)], "other": [numpy.array(other)]}
    result = significance(counts, [("one", "other")], 50, level=0.8, seed=seed)
    [found] = result.differences
    _, child = numpy.random.SeedSequence(seed).spawn(2)
    differences, scores = [], []
    for weights in numpy.concatenate(list(bootstrap_weights(len(one), 50, child))):
        places = [place for place, weight in enumerate(weights) for _ in range(weight)]
        assert len(places) == len(one)
        drawn = [[rows[place] for place in places] for rows in models]
        scores.append(literal_f1(drawn[0]))
        differences.append(literal_f1(drawn[0]) - literal_f1(drawn[1]))
    observed = literal_f1(one) - literal_f1(other)
    far = sum(abs(difference - observed) >= abs(observed) - 1e-12 for difference in differences)
    assert found.bootstrap == pytest.approx((1 + far) / 51)
    assert (found.low, found.high) == pytest.approx(tuple(numpy.quantile(differences, [0.1, 0.9])), abs=1e-12)
    assert result.intervals["one"] == pytest.approx(tuple(numpy.quantile(scores, [0.1, 0.9])), abs=1e-12)


def test_the_bootstraps_interval_is_that_of_scipy() -> None:
    one, other = made(300, 1), made(300, 2, accuracy=0.7)
    [found] = significance({"one": [one], "other": [other]}, [("one", "other")], 4000).differences

    def difference(*columns: Any, axis: int) -> Any:
        sums = [column.sum(axis=axis) for column in columns]
        return 2 * sums[0] / (sums[1] + sums[2]) - 2 * sums[3] / (sums[4] + sums[5])

    theirs = stats.bootstrap(
        [*one.T, *other.T], difference, n_resamples=4000, paired=True, method="percentile", rng=5, vectorized=True
    )
    width = found.high - found.low
    assert found.low == pytest.approx(theirs.confidence_interval.low, abs=0.06 * width)
    assert found.high == pytest.approx(theirs.confidence_interval.high, abs=0.06 * width)
    assert numpy.std(theirs.bootstrap_distribution) == pytest.approx(width / (2 * 1.96), rel=0.06)


def test_draws_and_exchanges_are_fair() -> None:
    weights = numpy.concatenate(list(bootstrap_weights(40, 5000, numpy.random.SeedSequence(1))))
    swaps = numpy.concatenate(list(random_swaps(41, 5000, numpy.random.SeedSequence(2))))
    assert weights.shape == (5000, 40) and (weights.sum(axis=1) == 40).all()
    assert weights.mean(axis=0) == pytest.approx(numpy.ones(40), abs=0.08)
    assert weights.var() == pytest.approx(1 - 1 / 40, abs=0.02)
    assert swaps.shape == (5000, 41) and swaps.mean(axis=0) == pytest.approx(numpy.full(41, 0.5), abs=0.04)
    assert abs(numpy.corrcoef(swaps[:, 0], swaps[:, 1])[0, 1]) < 0.06


def test_several_seeds_count_as_one_set_of_predictions() -> None:
    """Three copies of a run are that run, and a model with one seed is compared with a model with three."""
    one, other = made(60, 1), made(60, 2, accuracy=0.7)
    pair = [("one", "other")]
    alone = significance({"one": [one], "other": [other]}, pair, 500)
    repeated = significance({"one": [one] * 3, "other": [other] * 3}, pair, 500)
    uneven = significance({"one": [one], "other": [other] * 3}, pair, 500)
    assert alone == repeated == uneven
    seeds = [made(60, seed) for seed in (3, 4)]
    [found] = significance({"one": seeds, "other": [other]}, pair, 10).differences
    together = literal_f1([tuple(row) for rows in seeds for row in rows])
    assert found.difference == pytest.approx(together - literal_f1([tuple(row) for row in other]), abs=1e-15)


def test_equal_seeds_give_equal_results_whatever_else_is_compared() -> None:
    models = {name: [made(50, number)] for number, name in enumerate("abc")}
    pairs = [("a", "b"), ("a", "c")]
    assert significance(models, pairs, 300, seed=4) == significance(models, pairs, 300, seed=4)
    assert significance(models, pairs, 300, seed=4) != significance(models, pairs, 300, seed=5)
    both = significance(models, pairs, 300, seed=4).differences
    [alone] = significance({"b": models["b"], "a": models["a"]}, [("a", "b")], 300, seed=4).differences
    assert (alone.randomisation, alone.bootstrap, alone.low) == (both[0].randomisation, both[0].bootstrap, both[0].low)


def test_the_same_predictions_do_not_differ() -> None:
    rows = made(30, 1)
    [found] = significance({"one": [rows], "other": [rows]}, [("one", "other")], 99).differences
    assert (found.difference, found.low, found.high, found.randomisation, found.bootstrap) == (0, 0, 0, 1, 1)


def test_a_clear_difference_is_found() -> None:
    models = {"good": [made(500, 1, 0.9)], "bad": [made(500, 2, 0.5)]}
    [found] = significance(models, [("good", "bad")], 999).differences
    assert found.randomisation == found.bootstrap == 0.001 and 0 < found.low < found.difference < found.high


def test_false_findings_are_as_rare_as_the_level_says() -> None:
    """Of models of the same quality: p-values below 0.1 in a tenth of the comparisons."""
    models = {str(seed): [made(200, seed)] for seed in range(1, 41)}
    pairs = [(str(seed), str(seed + 20)) for seed in range(1, 21)]
    found = [one for start in range(5) for one in _shifted(start, pairs, models)]
    for kind in ("randomisation", "bootstrap"):
        share = statistics.fmean(getattr(one, kind) < 0.1 for one in found)
        assert 0.02 < share < 0.25, kind


def _shifted(start: int, pairs: list[tuple[str, str]], models: dict[str, Any]) -> Sequence[Any]:
    moved = [(one, str(21 + (int(other) - 21 + start) % 20)) for one, other in pairs]
    return significance(models, moved, 400, seed=start).differences


@given(st.lists(st.floats(0, 1), max_size=6))
def test_holm_is_its_definition(p_values: list[float]) -> None:
    ranks = sorted(range(len(p_values)), key=lambda number: p_values[number])
    for place, number in enumerate(ranks):
        steps = [min(1.0, (len(p_values) - k) * p_values[ranks[k]]) for k in range(place + 1)]
        assert holm(p_values)[number] == max(steps)


def test_holm_of_an_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def test_large_counts_are_exact() -> None:
    """Sums above what float32 holds."""
    one, other = made(50, 1) * 3_000_001, made(50, 2) * 3_000_001
    small = {"one": [made(50, 1)], "other": [made(50, 2)]}
    large = {"one": [one], "other": [other]}
    assert significance(large, [("one", "other")], 200) == significance(small, [("one", "other")], 200)


def test_bootstrap_p_counts_both_sides() -> None:
    assert bootstrap_p(1.0, numpy.array([0.0, 1.0, 2.0, 0.5])) == 3 / 5


def test_ten_thousand_resamples_of_five_thousand_sentences_take_about_a_second() -> None:
    models = {name: [made(5000, 3 * number + seed) for seed in range(3)] for number, name in enumerate("ab")}
    began = time.process_time()
    significance(models, [("a", "b")], 10_000)
    assert time.process_time() - began < 4  # 0.7 s on a free core
