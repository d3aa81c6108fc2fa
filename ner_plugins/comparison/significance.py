"""
Significance of differences in micro F1 on the same sentences: approximate randomisation, the paired bootstrap, Holm.

Everything is computed from the counts of each sentence. F1 of sums of counts is `2 tp / (predicted + gold)`, so a
resample needs two sums for each model, and all resamples are products of matrices.
"""

import math
from dataclasses import dataclass, replace
from typing import Iterator, Mapping, Sequence

import numpy
from numpy.typing import NDArray

Floats = NDArray[numpy.floating]
Integers = NDArray[numpy.integer]

_CELLS = 1 << 21
"""Cells of the resamples that are in memory at a time."""
_EXACT_IN_FLOAT32 = 1 << 24
_ROUNDING = 1e-12
"""Differences of F1 that are equal but for rounding count as equal."""


@dataclass(frozen=True)
class Difference:
    """
    The difference of two models in micro F1.

    # Parameters

    one, other : `str`
        The models.
    difference : `float`
        F1 of `one` minus that of `other`, each over the predictions of all of the model's seeds.
    low, high : `float`
        The bootstrap's percentile interval of the difference.
    randomisation, bootstrap : `float`
        The two-sided p-values of the two tests.
    randomisation_holm, bootstrap_holm : `float`
        The same, corrected for all the pairs that were compared.
    """

    one: str
    other: str
    difference: float
    low: float
    high: float
    randomisation: float
    bootstrap: float
    randomisation_holm: float = 1.0
    bootstrap_holm: float = 1.0


@dataclass(frozen=True)
class Significance:
    """
    What is known about models on the same sentences.

    # Parameters

    intervals : `Mapping[str, tuple[float, float]]`
        The bootstrap's percentile interval of each model's F1.
    differences : `Sequence[Difference]`
        Of each pair.
    """

    intervals: Mapping[str, tuple[float, float]]
    differences: Sequence[Difference]


def significance(
    counts: Mapping[str, Sequence[Integers]],
    pairs: Sequence[tuple[str, str]],
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 1,
) -> Significance:
    """
    Compare models on the same sentences.

    The predictions of all seeds of a model count as one set: a sentence's counts are their mean over its seeds. Chance
    is in the sentences: a randomisation exchanges the predictions of two models, those of all seeds together, in each
    sentence with probability 1/2 (Noreen 1989; Yeh 2000), and a bootstrap draws sentences with replacement, the same
    ones for both (Efron and Tibshirani 1993). Each p-value is `(1 + n) / (1 + resamples)`, where `n` counts

    - the randomisations whose absolute difference is at least the one observed;
    - the bootstrap's differences that are at least as far from the observed one as that is from 0: under the null
      hypothesis the distribution is the same, but around 0.

    # Parameters

    counts : `Mapping[str, Sequence[NDArray]]`
        For each model and seed, true positives, predictions and gold entities of each sentence, as whole numbers.
        Shape of each array: (sentences, 3)
    pairs : `Sequence[tuple[str, str]]`
        The models to compare.
    resamples : `int`, optional (default=`10_000`)
        Of each kind.
    level : `float`, optional (default=`0.95`)
        Of the intervals.
    seed : `int`, optional (default=`1`)
        Equal seeds give equal results.
    """
    columns = dict(zip(counts, pooled(list(counts.values())), strict=True))
    drawn: dict[str, list[Floats]] = {name: [] for name in columns}
    swapped: dict[tuple[str, str], list[Floats]] = {pair: [] for pair in pairs}
    table = numpy.concatenate(list(columns.values()), axis=1)  # Shape: (sentences, 2 * models)
    randomisation, bootstrap = numpy.random.SeedSequence(seed).spawn(2)
    for weights in bootstrap_weights(len(table), resamples, bootstrap):
        for name, sums in _by_model(columns, weights, table):
            drawn[name].append(f1_of(sums))
    for swaps in random_swaps(len(table), resamples, randomisation) if pairs else ():
        moved = dict(_by_model(columns, swaps, table))
        for one, other in pairs:
            swapped[one, other].append(swapped_differences(columns[one], columns[other], moved[one], moved[other]))
    observed = {name: float(f1_of(column.sum(axis=0))) for name, column in columns.items()}
    f1 = {name: numpy.concatenate(parts) for name, parts in drawn.items()}
    differences = [
        _difference(pair, observed, f1, numpy.concatenate(swapped[pair]), level) for pair in pairs
    ]
    return Significance({name: interval(values, level) for name, values in f1.items()}, with_holm(differences))


def pooled(counts: Sequence[Sequence[Integers]]) -> list[Integers]:
    """
    The counts of each model over its seeds, scaled so that models with more seeds do not count more: whole numbers that
    are proportional to the means.

    # Parameters

    counts : `Sequence[Sequence[NDArray]]`
        As in `significance`.

    # Returns

    `list[NDArray]`
        For each model, true positives, and predictions plus gold entities. Shape of each: (sentences, 2)
    """
    common = math.lcm(*(len(seeds) for seeds in counts))
    found = []
    for seeds in counts:
        total = numpy.sum(numpy.asarray(seeds, dtype=numpy.int64), axis=0) * (common // len(seeds))
        found.append(numpy.stack([total[:, 0], total[:, 1] + total[:, 2]], axis=1))
    return found


def f1_of(sums: "NDArray[numpy.generic]") -> Floats:
    """Micro F1 of sums of true positives, and of predictions plus gold; 0 where both are. Shape: (…, 2) to (…)"""
    values = numpy.asarray(sums, dtype=numpy.float64)
    return 2.0 * values[..., 0] / numpy.maximum(values[..., 1], 1.0)


def random_swaps(sentences: int, resamples: int, seed: numpy.random.SeedSequence) -> Iterator[Integers]:
    """In blocks, whether each resample exchanges each sentence: 0 or 1. Shape: (resamples, sentences)"""
    generator = numpy.random.default_rng(seed)
    for number in _blocks(sentences, resamples):
        random = generator.integers(0, 256, size=(number, (sentences + 7) // 8), dtype=numpy.uint8)
        yield numpy.unpackbits(random, axis=1, count=sentences)


def bootstrap_weights(sentences: int, resamples: int, seed: numpy.random.SeedSequence) -> Iterator[Integers]:
    """In blocks, how often each resample draws each sentence. Shape: (resamples, sentences)"""
    generator = numpy.random.default_rng(seed)
    for number in _blocks(sentences, resamples):
        places = generator.integers(0, sentences, size=(number, sentences), dtype=numpy.int32).astype(numpy.int64)
        places += numpy.arange(number)[:, None] * sentences
        yield numpy.bincount(places.ravel(), minlength=number * sentences).reshape(number, sentences)


def swapped_differences(one: Integers, other: Integers, moved: Floats, moved_other: Floats) -> Floats:
    """
    The differences in F1 after exchanges.

    # Parameters

    one, other : `NDArray`
        The counts of two models. Shape of each: (sentences, 2)
    moved, moved_other : `NDArray`
        The sums of these counts over the sentences that each resample exchanges. Shape of each: (resamples, 2)
    """
    change = moved_other - moved
    return f1_of(one.sum(axis=0) + change) - f1_of(other.sum(axis=0) - change)


def randomisation_p(observed: float, differences: Floats) -> float:
    """The two-sided p-value of approximate randomisation."""
    at_least = numpy.count_nonzero(numpy.abs(differences) >= abs(observed) - _ROUNDING)
    return float((1 + at_least) / (1 + len(differences)))


def bootstrap_p(observed: float, differences: Floats) -> float:
    """The two-sided p-value of the paired bootstrap, whose distribution is moved to 0."""
    at_least = numpy.count_nonzero(numpy.abs(differences - observed) >= abs(observed) - _ROUNDING)
    return float((1 + at_least) / (1 + len(differences)))


def interval(values: Floats, level: float) -> tuple[float, float]:
    """The percentile interval."""
    low, high = numpy.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def holm(p_values: Sequence[float]) -> list[float]:
    """
    P-values corrected for many comparisons: the chance of one false finding or more stays below the level (Holm 1979).

    The smallest of n is multiplied by n, the next by n - 1, and so on; none becomes smaller than the one before it.
    """
    corrected, highest = [0.0] * len(p_values), 0.0
    for place, number in enumerate(sorted(range(len(p_values)), key=lambda number: p_values[number])):
        highest = max(highest, min(1.0, p_values[number] * (len(p_values) - place)))
        corrected[number] = highest
    return corrected


def with_holm(differences: Sequence[Difference]) -> list[Difference]:
    """The differences with both p-values corrected for all of them."""
    randomisation = holm([one.randomisation for one in differences])
    bootstrap = holm([one.bootstrap for one in differences])
    return [
        replace(one, randomisation_holm=first, bootstrap_holm=second)
        for one, first, second in zip(differences, randomisation, bootstrap, strict=True)
    ]


def _difference(
    pair: tuple[str, str],
    observed: Mapping[str, float],
    drawn: Mapping[str, Floats],
    swapped: Floats,
    level: float,
) -> Difference:
    one, other = pair
    found = observed[one] - observed[other]
    differences = drawn[one] - drawn[other]
    low, high = interval(differences, level)
    return Difference(one, other, found, low, high, randomisation_p(found, swapped), bootstrap_p(found, differences))


def _blocks(sentences: int, resamples: int) -> Iterator[int]:
    """The sizes of blocks of resamples."""
    size = max(1, _CELLS // max(sentences, 1))
    for start in range(0, resamples, size):
        yield min(size, resamples - start)


def _by_model(
    columns: Mapping[str, Integers], weights: Integers, table: Integers
) -> Iterator[tuple[str, Floats]]:
    """For each model, its counts summed with the weights of each resample. Shape of each: (resamples, 2)"""
    sums = _product(weights, table)
    for number, name in enumerate(columns):
        yield name, sums[:, 2 * number : 2 * number + 2]


def _product(weights: Integers, table: Integers) -> Floats:
    """The matrix product, exact: in float32 where that holds all sums."""
    by_column = int(weights.max(initial=0)) * int(table.sum(axis=0).max(initial=0))
    by_row = int(weights.sum(axis=1, dtype=numpy.int64).max(initial=0)) * int(table.max(initial=0))
    dtype = numpy.float32 if min(by_column, by_row) < _EXACT_IN_FLOAT32 else numpy.float64
    product: Floats = weights.astype(dtype) @ table.astype(dtype)
    return product.astype(numpy.float64)
