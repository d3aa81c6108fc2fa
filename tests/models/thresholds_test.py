import pytest

from ner_plugins.errors import ConfigError
from ner_plugins.models.thresholds import threshold_tensor

TYPES = ["name", "address"]


@pytest.mark.parametrize(
    "thresholds, expected",
    [(None, [0.0, 0.0]), (0.25, [0.25, 0.25]), (1, [1.0, 1.0]), ({"address": 0.5}, [0.0, 0.5]), ({}, [0.0, 0.0])],
)
def test_thresholds_of_types(thresholds, expected: list[float]) -> None:
    assert threshold_tensor(thresholds, TYPES).tolist() == expected


@pytest.mark.parametrize("value", [1.5, -0.1, "high", True, [0.5], float("nan")])
def test_what_is_no_probability_is_named(value) -> None:
    with pytest.raises(ConfigError, match=r"^model\.thresholds is .*from 0 to 1"):
        threshold_tensor(value, TYPES)
    with pytest.raises(ConfigError, match=r"^model\.thresholds\.name is "):
        threshold_tensor({"name": value}, TYPES)


def test_a_type_that_is_none_is_named() -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'address'.*they have address, name"):
        threshold_tensor({"adress": 0.5}, TYPES)
