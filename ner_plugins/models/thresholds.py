"""The option `thresholds` of every model: the lowest probability of a predicted entity."""

from typing import Optional, Sequence

import torch
from torch import Tensor

from ner_plugins.thresholds import Thresholds, threshold_values


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
    return torch.tensor(threshold_values(thresholds, types, "model.thresholds"))
