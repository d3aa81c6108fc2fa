"""The option `type_weights` of losses over cells: how much the cells of each entity type count."""

import logging
import math
from typing import Mapping, Optional, Sequence

import torch
from torch import Tensor

from ner_plugins.errors import ConfigError, shown
from ner_plugins.thresholds import check_types

logger = logging.getLogger(__name__)

TypeWeights = Optional[dict[str, float]]
KEY = "loss.type_weights"


def checked_weights(weights: TypeWeights) -> TypeWeights:
    """
    The option as it is given; `None` if it names no type.

    # Raises

    `ConfigError` for a value that is negative or not a finite number.
    """
    if weights is None:
        return None
    if not isinstance(weights, Mapping):
        raise ConfigError(f'{KEY} is {shown(weights)}, but has to map entity types to numbers: {{"TYPE": 2.0}}')
    for name, weight in weights.items():
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0.0 <= weight < math.inf:
            raise ConfigError(f"{KEY}.{shown(name)[1:-1]} must be a number of 0 or more, got {shown(weight)}")
    return dict(weights) or None


def class_weights(weights: Mapping[str, float], classes: Sequence[Optional[str]]) -> Tensor:
    """
    The weight of each class: that of its type, or 1.

        >>> class_weights({"LOC": 3.0}, [None, "PER", "PER", "LOC", "LOC"])
        tensor([1., 1., 1., 3., 3.])

    # Parameters

    weights : `Mapping[str, float]`
        By type.
    classes : `Sequence[Optional[str]]`
        The type of each class; `None` for "not an entity". Several classes may have one type, as B-LOC and I-LOC do.

    # Returns

    `torch.Tensor`
        Shape: (classes,)
    """
    return torch.tensor([1.0 if name is None else float(weights.get(name, 1.0)) for name in classes])


def check_weights(weights: TypeWeights, types: Sequence[str]) -> None:
    """
    # Raises

    `ConfigError` if `weights` names a type that is none of `types`, or if all types have the weight 0.
    """
    if weights is None:
        return
    check_types(weights, types, KEY)
    if all(weights.get(name, 1.0) == 0.0 for name in types):
        raise ConfigError(f"{KEY} gives every entity type the weight 0, so there is nothing to learn")
