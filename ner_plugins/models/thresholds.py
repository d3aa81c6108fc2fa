"""The option `thresholds` of every model: the lowest probability of a predicted entity."""

from difflib import get_close_matches
from typing import Any, Optional, Sequence, Union

import torch
from torch import Tensor

from ner_plugins.errors import ConfigError

Thresholds = Union[float, dict[str, float]]


def threshold_tensor(thresholds: Optional[Thresholds], types: Sequence[str]) -> Tensor:
    """
    The lowest probability of each type.

    # Parameters

    thresholds : `Optional[Thresholds]`
        One for all types, or one for each named type; 0 for the others.
    types : `Sequence[str]`
        Their names, in order of their ids.

    # Returns

    `torch.Tensor`
        Shape: (types,)

    # Raises

    `ConfigError` for a value outside [0, 1], or an unknown type.
    """
    if not isinstance(thresholds, dict):
        return torch.full((len(types),), 0.0 if thresholds is None else _probability("model.thresholds", thresholds))
    for name in thresholds:
        if name not in types:
            near = get_close_matches(name, types, n=1)
            meant = f" (did you mean {near[0]!r}?)" if near else ""
            raise ConfigError(
                f"model.thresholds names the entity type {name!r}{meant}, which the training data lack; they have "
                f"{', '.join(sorted(types))}"
            )
    values = {name: _probability(f"model.thresholds.{name}", value) for name, value in thresholds.items()}
    return torch.tensor([values.get(name, 0.0) for name in types])


def _probability(key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 <= value <= 1.0:
        raise ConfigError(
            f'{key} is {value!r}, but must be a probability from 0 to 1: a number for all types, or {{"TYPE": 0.5}}'
        )
    return float(value)
