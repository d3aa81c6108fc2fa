"""Errors in a config: told at their key."""

from typing import Any, Optional

import pytest
import torch
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


class Sized(FromParams):
    def __init__(self, size: int = 1, error: str = "") -> None:
        if error in ("key", "index"):
            print({"key": {}, "index": ()}[error]["k" * 99 if error == "key" else 0])
        if error == "nested":
            Sized(size, error)
        if error:
            raise {"memory": MemoryError, "missing": NotImplementedError, "long": RuntimeError}[error](error * 999)
        torch.empty(size, dtype=torch.float64, device="cpu")


class Outer(FromParams):
    def __init__(self, inner: Inner, name: str = "", sized: Optional[Sized] = None) -> None:
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
        ({"inner": {"rate": "x" * 99}}, f"model.inner.rate is '{'x' * 76}..., but has to be a number"),
        ({"inner": {}, "name": 3}, "model.name is 3, but has to be a string"),
        ({"inner": {"rate": 0}}, "the config cannot be used at model.inner: division by zero (--debug shows where)"),
        ({"inner": 0.3}, 'model.inner is 0.3, but has to be an object with a "type", or the name of one'),
    ],
)
def test_an_error_is_told_at_its_key(model: dict[str, Any], expected: str) -> None:
    assert told({"model": model}) == expected


@pytest.mark.parametrize(
    "options, expected",
    [
        ({"size": -3}, "Trying to create tensor with negative dimension -3: [-3]"),
        ({"size": 2**50}, "it needs 8,388,608.0 GiB, more memory than there is"),
        ({"size": 10**30}, "a number is too large"),
        ({"error": "memory"}, "it needs more memory than there is"),
        ({"error": "long"}, "long" * 124 + "l..."),
        ({"error": "key"}, f"there is no '{'k' * 76}... where it was looked up"),
        ({"error": "index"}, "tuple index out of range"),
        ({"error": "nested"}, "it is nested too deeply, or refers to itself"),
        ({"error": "missing"}, None),
    ],
    ids=["negative", "memory", "number", "MemoryError", "long", "KeyError", "IndexError", "RecursionError", "a bug"],
)
def test_sizes_that_no_tensor_has(options: dict[str, Any], expected: Optional[str]) -> None:
    with pytest.raises(Exception) as raised:
        Whole.from_params(Params({"model": {"inner": {}, "sized": options}}))
    found = describe(raised.value)
    if expected is None:
        assert found is None
    else:
        assert found == f"the config cannot be used at model.sized: {expected} (--debug shows where)"
    raised.value.__dict__.clear()
    assert describe(raised.value) is None, "not raised while something was built"


def test_what_was_not_built_from_a_config_has_no_key() -> None:
    with pytest.raises(ConfigError) as raised:
        Inner(width=0)
    assert describe(raised.value) == "width is at least 1, not 0"
    assert describe(TypeError("a bug")) is None


def test_a_key_of_many_levels_is_shortened() -> None:
    error = KeyError("x")
    error.config_key = "model" + ".encoders.0" * 99  # type: ignore[attr-defined]
    found = describe(error)
    assert found is not None and found.startswith("the config cannot be used at model.encoders.0.") and len(found) < 320
    assert found.endswith(".encoders.0: there is no 'x' where it was looked up (--debug shows where)")
