"""The lowest probability of each entity type, from one number or a number for each type."""

from difflib import get_close_matches
from typing import Any, Iterable, Mapping, Optional, Sequence, Union

from ner_plugins.errors import ConfigError

Thresholds = Union[float, Mapping[str, float]]


def threshold_values(thresholds: Optional[Thresholds], types: Sequence[str], key: str = "thresholds") -> list[float]:
    """
    The lowest probability of each type.

        >>> threshold_values({"LOC": 0.5}, ["PER", "LOC"])
        [0.0, 0.5]

    # Parameters

    thresholds : `Optional[Thresholds]`
        One for all types, or one for each named type; 0 for the others.
    types : `Sequence[str]`
        Their names, in order of their ids.
    key : `str`, optional (default=`"thresholds"`)
        The option's name in messages.

    # Raises

    `ConfigError` for a value outside [0, 1], or an unknown type.
    """
    if not isinstance(thresholds, Mapping):
        return [0.0 if thresholds is None else _probability(key, thresholds)] * len(types)
    check_types(thresholds, types, key)
    values = {name: _probability(f"{key}.{name}", value) for name, value in thresholds.items()}
    return [values.get(name, 0.0) for name in types]


def check_types(names: Iterable[str], types: Sequence[str], key: str) -> None:
    """
    # Raises

    `ConfigError` if one of `names` is none of `types`; `key` is the option that names it.
    """
    for name in names:
        if name not in types:
            near = get_close_matches(name, types, n=1)
            meant = f" (did you mean {near[0]!r}?)" if near else ""
            raise ConfigError(
                f"{key} names the entity type {name!r}{meant}, which the training data lack; they have "
                f"{', '.join(sorted(types))}"
            )


def _probability(key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 <= value <= 1.0:
        raise ConfigError(
            f'{key} is {value!r}, but must be a probability from 0 to 1: a number for all types, or {{"TYPE": 0.5}}'
        )
    return float(value)
