"""The gradient of an update: that of all its batches, on all ranks."""

from typing import NamedTuple, Optional, Sequence, Union

import torch
from torch import Tensor
from torch.nn import Parameter

from ner_plugins.distributed import host_sums, sum_tensor, world_size
from ner_plugins.training.engine.exchange import sum_gradients

Weight = Union[float, Tensor]
"""The number that a batch's loss is averaged over; 0 for a loss that is a sum."""


class Exchanged(NamedTuple):
    """
    What ranks learn of each other with the gradients.

    # Parameters

    batches : `int`
        The number of batches of all ranks.
    wishes : `int`
        The number of ranks that asked for something.
    """

    batches: int
    wishes: int


class GradientSum:
    """
    Adds up the gradients of batches so that they are those of one batch of all their sentences, on all ranks.

    Let a batch have the sum of losses s and the number n that it is averaged over (with weights of sentences, both are
    weighted), so its loss is s / n. The gradient of the update is that of sum(s) / sum(n). A loss that is a sum has
    n = 0, and is divided by 1. While it is added up, the gradient is that of sum(s) / m, where m is the divisor of this
    rank's first batch: so it has the size of a batch's gradient, which the scale of float16 gradients fits.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Start the next update."""
        self._batches = 0
        self._number: Optional[Weight] = None
        self._unit: Optional[Weight] = None

    def share(self, loss: Tensor, weight: Optional[Weight]) -> Tensor:
        """
        What to differentiate for a batch.

        # Parameters

        loss : `torch.Tensor`
            The batch's loss. A scalar.
        weight : `Optional[Union[float, torch.Tensor]]`
            The number that `loss` is averaged over; `None` for the only batch of an update.
        """
        if weight is None:
            return loss
        if self._unit is None:
            self._unit = _divisor(weight)
        return (loss * (_divisor(weight) / self._unit)).to(loss.dtype)

    def count(self, weight: Optional[Weight]) -> None:
        """Count a batch whose gradient has been added."""
        self._batches += 1
        if weight is not None:
            self._number = weight if self._number is None else self._number + weight

    def over_ranks(self, parameters: Sequence[Parameter], wish: bool = False) -> Exchanged:
        """
        Sum the gradients of all ranks in place, averaged: nothing is left to `average`. A parameter without a gradient
        on any rank keeps none, so that no optimizer decays it.

        # Parameters

        parameters : `Sequence[Parameter]`
            The same ones on all ranks.
        wish : `bool`, optional (default=`False`)
            Counted in `Exchanged.wishes`.
        """
        if world_size() == 1:
            return Exchanged(self._batches, int(wish))
        present = [float(parameter.grad is not None) for parameter in parameters]
        batches, wishes, *counts = host_sums([float(self._batches), float(wish), *present])
        used = [parameter for parameter, count in zip(parameters, counts, strict=True) if count > 0]
        number = torch.zeros((), dtype=torch.float64, device=parameters[0].device)
        if self._number is not None:
            number += self._number
        unit = 1.0 if self._unit is None else self._unit
        sum_gradients(used, unit / _divisor(sum_tensor(number)))
        self._number = self._unit = None
        return Exchanged(int(batches), int(wishes))

    def average(self, parameters: Sequence[Parameter]) -> None:
        """Divide the summed gradients by what their losses are averaged over, if there is one rank."""
        if self._number is None or self._unit is None:
            return
        divisor = _divisor(self._number) / self._unit
        if not isinstance(divisor, Tensor) and divisor == 1.0:
            return
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.grad.div_(divisor)


def _divisor(weight: Weight) -> Weight:
    """The weight, or 1 for a loss that is a sum."""
    if isinstance(weight, Tensor):
        return torch.where(weight > 0, weight.double(), 1.0)
    return weight if weight > 0 else 1.0
