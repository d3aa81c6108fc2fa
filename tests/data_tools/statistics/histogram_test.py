import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.data_tools.statistics.histogram import Histogram


def filled(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    return histogram


@given(st.lists(st.integers(-5, 60), min_size=1, max_size=60))
def test_the_summary_is_that_of_the_values(values: list[int]) -> None:
    histogram = filled(values)
    assert len(histogram) == len(values) and histogram.total == sum(values)
    assert histogram.summary() == {
        "min": min(values),
        "mean": pytest.approx(statistics.mean(values)),
        "median": statistics.median(values),
        "p95": int(np.percentile(values, 95, method="inverted_cdf")),
        "max": max(values),
    }
    assert histogram.quantile(1000) == max(values) and histogram.quantile(0) == min(values)


def test_p95_is_not_exceeded_by_95_percent() -> None:
    assert filled(list(range(1, 101))).summary()["p95"] == 95
    assert filled([1] * 19 + [2]).summary()["p95"] == 1
    assert filled([1] * 18 + [2] * 2).summary()["p95"] == 2


def test_nothing() -> None:
    assert Histogram().summary() == {} and Histogram().items() == [] and len(Histogram()) == 0
