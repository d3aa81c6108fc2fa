"""A loss with the number that it is averaged over, and the weights of sentences in both."""

from typing import NamedTuple, Optional

import torch
from torch import Tensor


class WeightedLoss(NamedTuple):
    """
    The loss s / n of a batch, where s is a sum over its sentences, tokens, spans or entities, each multiplied by the
    weight of its sentence; s alone if n is 0.

    # Parameters

    loss : `torch.Tensor`
        A scalar.
    number : `torch.Tensor`
        n, the sum of the weights of what s is a sum over (without weights, how many they are), on the device of `loss`;
        0 for a loss that is not averaged. A scalar.
    """

    loss: Tensor
    number: Tensor


def number_on(number: int, device: torch.device) -> Tensor:
    """A number as a scalar tensor; unlike `torch.tensor`, this does not wait for a GPU."""
    return torch.full((), number, device=device)


def divisor(number: Tensor) -> Tensor:
    """What to divide a sum by that is averaged over `number`: 1 if that is 0."""
    return torch.where(number > 0, number, 1)


def weighed(values: Tensor, weights: Optional[Tensor]) -> Tensor:
    """
    Values of the sentences of a batch, or of parts of them, multiplied by the weights of their sentences.

    # Parameters

    values : `torch.Tensor`
        Shape: (batch, ...)
    weights : `Optional[torch.Tensor]`
        `None` if every sentence has the weight 1. Shape: (batch,)

    # Returns

    `torch.Tensor`
        `values` itself without weights. Shape: (batch, ...)
    """
    if weights is None:
        return values
    if values.is_floating_point():
        weights = weights.to(values.dtype)
    return values * weights.view(-1, *(1 for _ in values.shape[1:]))
