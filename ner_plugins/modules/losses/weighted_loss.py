"""A loss with the number that it is averaged over, so that the losses of several batches can be added up."""

from typing import NamedTuple

import torch
from torch import Tensor


class WeightedLoss(NamedTuple):
    """
    The loss s / max(n, 1) of a batch, where s is a sum over its sentences, tokens, spans or entities.

    # Parameters

    loss : `torch.Tensor`
        A scalar.
    number : `torch.Tensor`
        n, on the device of `loss`; 0 for a loss that is not averaged. A scalar.
    """

    loss: Tensor
    number: Tensor


def number_on(number: int, device: torch.device) -> Tensor:
    """A number as a scalar tensor; unlike `torch.tensor`, this does not wait for a GPU."""
    return torch.full((), number, device=device)
