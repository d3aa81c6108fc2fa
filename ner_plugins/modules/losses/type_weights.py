"""The option `type_weights` of losses over cells: how much the cells of each entity type count."""

import logging
import math
from typing import Any, Mapping, Optional, Sequence, Union

import torch
from torch import Tensor

from ner_plugins.errors import ConfigError, shown
from ner_plugins.thresholds import check_types

logger = logging.getLogger(__name__)

TypeWeights = Optional[Union[float, dict[str, float]]]
KEY = "loss.type_weights"


def checked_weights(weights: TypeWeights) -> TypeWeights:
    """
    The option as it is given: a number for all types, or one for each named type; `None` if it names no type.

    # Raises

    `ConfigError` for a value that is negative or not a finite number, or if all types have the weight 0.
    """
    if weights is None:
        return None
    if not isinstance(weights, Mapping):
        _check_weight(KEY, weights)
        if weights == 0:
            raise ConfigError(f"{KEY} gives every entity type the weight 0, so there is nothing to learn")
        return float(weights)
    for name, weight in weights.items():
        _check_weight(f"{KEY}.{shown(name)[1:-1]}", weight)
    return dict(weights) or None


def _check_weight(key: str, weight: Any) -> None:
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0.0 <= weight < math.inf:
        raise ConfigError(
            f"{key} must be a number of 0 or more, got {shown(weight)}. {KEY} is a number for all types, or has one "
            'for each of some types: {"TYPE": 2.0}'
        )


def class_weights(weights: Union[float, Mapping[str, float]], classes: Sequence[Optional[str]]) -> Tensor:
    """
    The weight of each class: that of its type, or 1.

        >>> class_weights({"LOC": 3.0}, [None, "PER", "PER", "LOC", "LOC"])
        tensor([1., 1., 1., 3., 3.])
        >>> class_weights(5.0, [None, "PER", "LOC"])
        tensor([1., 5., 5.])

    # Parameters

    weights : `Union[float, Mapping[str, float]]`
        Of all types, or by type.
    classes : `Sequence[Optional[str]]`
        The type of each class; `None` for "not an entity". Several classes may have one type, as B-LOC and I-LOC do.

    # Returns

    `torch.Tensor`
        Shape: (classes,)
    """
    by_type = weights if isinstance(weights, Mapping) else {name: weights for name in classes if name is not None}
    return torch.tensor([1.0 if name is None else float(by_type.get(name, 1.0)) for name in classes])


def check_weights(weights: TypeWeights, types: Sequence[str]) -> None:
    """
    # Raises

    `ConfigError` if `weights` names a type that is none of `types`, or if all types have the weight 0.
    """
    if not isinstance(weights, Mapping):
        return
    check_types(weights, types, KEY)
    if all(weights.get(name, 1.0) == 0.0 for name in types):
        raise ConfigError(f"{KEY} gives every entity type the weight 0, so there is nothing to learn")
