"""Errors in a config: told at their key."""

from typing import Any

import pytest
from allennlp.common import Lazy, Params
from allennlp.common.from_params import FromParams

from ner_plugins.commands.command_line import describe
from ner_plugins.errors import ConfigError


class Inner(FromParams):
    def __init__(self, width: int = 1, rate: float = 0.5) -> None:
        if width < 1:
            raise ConfigError(f"width is at least 1, not {width}")
        if rate > 1:
            raise ConfigError(f"model.inner.rate is {rate}, but has to be at most 1")
        self.share = 1 / rate


class Outer(FromParams):
    def __init__(self, inner: Inner, name: str = "") -> None:
        self.inner = inner


class Whole(FromParams):
    def __init__(self, model: Lazy[Outer]) -> None:
        self.model = model.construct()


def told(config: dict[str, Any]) -> Any:
    with pytest.raises(Exception) as raised:
        Whole.from_params(Params(config))
    return describe(raised.value)


@pytest.mark.parametrize(
    "model, expected",
    [
        ({"inner": {"width": 0}}, "model.inner: width is at least 1, not 0"),
        ({"inner": {"rate": 2}}, "model.inner.rate is 2, but has to be at most 1"),
        ({"inner": {"width": 1.5}}, "model.inner.width is 1.5, but has to be a whole number"),
        ({"inner": {"rate": "x"}}, "model.inner.rate is 'x', but has to be a number"),
        ({"inner": {}, "name": 3}, "model.name is 3, but has to be a string"),
        ({"inner": {"rate": 0}}, "the config cannot be used at model.inner: division by zero (--debug shows where)"),
        ({"inner": 0.3}, 'model.inner is 0.3, but has to be an object with a "type", or the name of one'),
    ],
)
def test_an_error_is_told_at_its_key(model: dict[str, Any], expected: str) -> None:
    assert told({"model": model}) == expected


def test_what_was_not_built_from_a_config_has_no_key() -> None:
    with pytest.raises(ConfigError) as raised:
        Inner(width=0)
    assert describe(raised.value) == "width is at least 1, not 0"
    assert describe(TypeError("a bug")) is None
