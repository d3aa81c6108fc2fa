"""What a search may choose a value from."""

import json
from dataclasses import dataclass
from typing import Any, Mapping, Union

from ner_plugins.errors import ConfigError, shown

_BETWEEN = 0.382
_OPTIONS = ("low", "high", "step", "log")


@dataclass(frozen=True)
class Interval:
    """
    Numbers from `low` to `high`, both included. They are whole only with a whole `step`: Jsonnet writes 1.0 as 1.

    # Parameters

    low, high : `float`
    step : `Optional[float]`, optional (default=`None`)
        The distance of two values.
    log : `bool`, optional (default=`False`)
        Whether small values are as likely as large ones.
    """

    low: float
    high: float
    step: Union[float, None] = None
    log: bool = False

    @property
    def whole(self) -> bool:
        """Whether its values are whole numbers."""
        return all(isinstance(value, int) for value in (self.low, self.high, self.step))

    def examples(self) -> list[float]:
        """The ends, and a number between them that is rarely whole."""
        if self.whole:
            return [self.low, self.high]
        return [float(self.low), self.low + _BETWEEN * (self.high - self.low), float(self.high)]


@dataclass(frozen=True)
class Choices:
    """
    One of several values.

    # Parameters

    values : `tuple[Any, ...]`
        Of any kind.
    """

    values: tuple[Any, ...]


Range = Union[Interval, Choices]


def parse_range(place: str, value: Any) -> Range:
    """
    A range as a sweep's file has it: a list, or an object with `low` and `high`.

    # Raises

    `ConfigError` that begins with `place`.
    """
    if isinstance(value, list) and value:
        return Choices(tuple(value))
    if not isinstance(value, Mapping) or not {"low", "high"} <= value.keys() or value.keys() - set(_OPTIONS):
        expected = "a list of values, or an object with low and high (and step or log)"
        raise ConfigError(f"{place} is {shown(value)}, but has to be {expected}")
    low, high, step, log = value["low"], value["high"], value.get("step"), value.get("log")
    for name, number in (("low", low), ("high", high), ("step", 1 if step is None else step)):
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise ConfigError(f"{place}.{name} is {shown(number)}, but has to be a number")
    if log not in (None, True, False):
        raise ConfigError(f"{place}.log is {shown(log)}, but has to be true or false")
    if not low < high:
        raise ConfigError(f"{place} goes from {low} to {high}: low has to be below high")
    if log and (low <= 0 or step is not None):
        raise ConfigError(f"{place} has log: then low has to be above 0, and there is no step")
    if step is not None and step <= 0:
        raise ConfigError(f"{place}.step is {step}, but has to be above 0")
    return Interval(low, high, step, bool(log))


def as_json(value: Range) -> Any:
    """A range as a sweep's file has it."""
    if isinstance(value, Choices):
        return json.loads(json.dumps(value.values))
    return {"low": value.low, "high": value.high, "step": value.step, "log": value.log}
