"""Models side by side: mean and standard deviation of their figures over runs, and significance of differences."""

import itertools
import statistics
from dataclasses import dataclass
from typing import Mapping, Optional, Sequence

from ner_plugins.comparison.significance import Significance, significance
from ner_plugins.comparison.span_counts import SpanCounts
from ner_plugins.errors import ConfigError

AVERAGES = ("micro_precision", "micro_recall", "micro_f1", "macro_f1")


@dataclass(frozen=True)
class Spread:
    """
    A figure of a model.

    # Parameters

    values : `Sequence[float]`
        Of each run.
    """

    values: Sequence[float]

    @property
    def mean(self) -> float:
        """Their mean."""
        return statistics.fmean(self.values)

    @property
    def std(self) -> Optional[float]:
        """Their standard deviation (n - 1); `None` for a single run."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    def interval(self, level: float) -> Optional[tuple[float, float]]:
        """Student's interval of the mean over further runs; `None` for a single run."""
        from scipy import stats

        if self.std is None:
            return None
        half = float(stats.t.ppf((1 + level) / 2, len(self.values) - 1)) * self.std / len(self.values) ** 0.5
        return self.mean - half, self.mean + half


@dataclass(frozen=True)
class ModelFigures:
    """
    The figures of a model's runs.

    # Parameters

    name : `str`
    runs : `Sequence[str]`
        The names of the runs.
    averages : `Mapping[str, Spread]`
        Those of `AVERAGES`.
    types : `Mapping[str, Spread]`
        F1 of each type.
    """

    name: str
    runs: Sequence[str]
    averages: Mapping[str, Spread]
    types: Mapping[str, Spread]


@dataclass(frozen=True)
class Comparison:
    """
    A comparison of models.

    # Parameters

    data : `str`
        What the figures are of, for people.
    metric : `str`
    models : `Sequence[ModelFigures]`
        The best micro F1 first.
    support : `Mapping[str, int]`
        The gold entities of each type.
    significance : `Optional[Significance]`
        `None` without predictions.
    level : `float`
        Of the intervals.
    resamples, seed : `int`
        Of the tests.
    """

    data: str
    metric: str
    models: Sequence[ModelFigures]
    support: Mapping[str, int]
    significance: Optional[Significance] = None
    level: float = 0.95
    resamples: int = 10_000
    seed: int = 1

    def interval(self, model: ModelFigures) -> Optional[tuple[float, float]]:
        """The interval of a model's micro F1: the bootstrap's, or without predictions Student's over runs."""
        if self.significance is not None:
            return self.significance.intervals[model.name]
        return model.averages["micro_f1"].interval(self.level)


def figures_of(name: str, runs: Sequence[str], figures: Sequence[Mapping[str, float]]) -> ModelFigures:
    """
    The figures of a model.

    # Parameters

    name : `str`
    runs : `Sequence[str]`
    figures : `Sequence[Mapping[str, float]]`
        For each run, the metric's: `micro_f1`, `<TYPE>/f1` and so on. A type that one run lacks counts as 0 there.
    """
    types = sorted({key.removesuffix("/f1") for one in figures for key in one if key.endswith("/f1")})
    return ModelFigures(
        name,
        list(runs),
        {key: Spread([one[key] for one in figures]) for key in AVERAGES},
        {type_: Spread([one.get(f"{type_}/f1", 0.0) for one in figures]) for type_ in types},
    )


def support_of(figures: Sequence[Mapping[str, float]]) -> dict[str, int]:
    """The gold entities of each type, 0 for a type that is only predicted."""
    found: dict[str, int] = {}
    for one in figures:
        for key, value in one.items():
            if key.endswith("/support"):
                type_ = key.removesuffix("/support")
                found[type_] = max(found.get(type_, 0), int(value))
    return dict(sorted(found.items()))


def ordered(models: Sequence[ModelFigures]) -> list[ModelFigures]:
    """The best mean of micro F1 first."""
    return sorted(models, key=lambda model: -model.averages["micro_f1"].mean)


def compare_recorded(
    data: str, metric: str, groups: Mapping[str, Mapping[str, Mapping[str, float]]], level: float = 0.95
) -> Comparison:
    """
    Compare the figures that runs recorded.

    # Parameters

    data : `str`
    metric : `str`
    groups : `Mapping[str, Mapping[str, Mapping[str, float]]]`
        For each model and run, the metric's figures.
    level : `float`, optional (default=`0.95`)
    """
    models = [figures_of(name, list(runs), list(runs.values())) for name, runs in groups.items()]
    support = support_of([figures for runs in groups.values() for figures in runs.values()])
    return Comparison(data, metric, ordered(models), support, level=level)


def compare_counted(
    data: str,
    metric: str,
    groups: Mapping[str, Mapping[str, SpanCounts]],
    baseline: Optional[str] = None,
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 1,
) -> Comparison:
    """
    Compare predictions, with significance.

    # Parameters

    data, metric : `str`
    groups : `Mapping[str, Mapping[str, SpanCounts]]`
        For each model and run, the counts on the same sentences.
    baseline : `Optional[str]`, optional (default=`None`)
        The model that all others are compared with; `None` for all pairs.
    resamples, level, seed
        See `significance`.

    # Raises

    `ConfigError` if there is no model `baseline`.
    """
    if baseline is not None and baseline not in groups:
        raise ConfigError(f"--baseline {baseline}: there is no such model; there are {', '.join(groups)}")
    figures = {name: {run: counts.figures() for run, counts in runs.items()} for name, runs in groups.items()}
    table = compare_recorded(data, metric, figures, level)
    names = [model.name for model in table.models]
    pairs = list(itertools.combinations(names, 2))
    if baseline is not None:
        pairs = [(name, baseline) for name in names if name != baseline]
    counts = {name: [one.by_sentence for one in groups[name].values()] for name in names}
    found = significance(counts, pairs, resamples, level, seed)
    return Comparison(data, metric, table.models, table.support, found, level, resamples, seed)
