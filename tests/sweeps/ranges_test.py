from typing import Any

import pytest

from ner_plugins.errors import ConfigError
from ner_plugins.sweeps.ranges import Choices, Interval, Range, as_json, parse_range


@pytest.mark.parametrize(
    "value, expected",
    [
        ([1, "a", {"type": "x"}], Choices((1, "a", {"type": "x"}))),
        ({"low": 1, "high": 9, "step": 2}, Interval(1, 9, 2)),
        ({"low": 1e-5, "high": 1e-3, "log": True}, Interval(1e-5, 1e-3, log=True)),
    ],
)
def test_ranges(value: Any, expected: Range) -> None:
    found = parse_range("p", value)
    assert found == expected and parse_range("p", as_json(found)) == expected


def test_whole_numbers() -> None:
    assert Interval(1, 9, 1).whole and Interval(1, 9, 2).examples() == [1, 9]
    assert not Interval(1, 9).whole and not Interval(1, 9, 0.5).whole  # Jsonnet writes 1.0 as 1
    assert Interval(0, 10).examples() == pytest.approx([0.0, 3.82, 10.0])


@pytest.mark.parametrize(
    "value, message",
    [
        ([], r"p is \[\], but has to be a list of values, or an object with low and high"),
        (3, r"p is 3, but"),
        ({"low": 1}, r"p is \{'low': 1\}, but"),
        ({"low": 1, "high": 2, "max": 3}, r"p is .*, but"),
        ({"low": "1", "high": 2}, r"p\.low is '1', but has to be a number"),
        ({"low": 1, "high": True}, r"p\.high is True"),
        ({"low": 1, "high": 2, "step": "a"}, r"p\.step is 'a'"),
        ({"low": 1, "high": 2, "step": 0}, r"p\.step is 0, but has to be above 0"),
        ({"low": 1, "high": 2, "log": 1.5}, r"p\.log is 1\.5, but has to be true or false"),
        ({"low": 2, "high": 2}, r"p goes from 2 to 2: low has to be below high"),
        ({"low": 0, "high": 2, "log": True}, r"p has log: then low has to be above 0"),
        ({"low": 1, "high": 2, "log": True, "step": 1}, r"p has log: .* there is no step"),
    ],
)
def test_mistakes(value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_range("p", value)
