"""Weighted means of tensors that leave equal ones as they are, to the last bit."""

from typing import Sequence

import torch
from torch import Tensor


@torch.no_grad()
def weighted_mean(tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """
    The mean of tensors of one shape, computed as a running one,

        m_k = m_{k-1} + w_k / (w_1 + … + w_k) (x_k - m_{k-1})

    so that the mean of copies is the copy: their sum, divided, could differ from it by rounding.

        >>> weighted_mean([torch.tensor([1.0, 4.0]), torch.tensor([3.0, 4.0])], [3, 1])
        tensor([1.5000, 4.0000])

    # Parameters

    tensors : `Sequence[torch.Tensor]`
        Finite, of a floating type.
    weights : `Sequence[float]`
        From 0 on, one for each, and not all 0.
    """
    total = 0.0
    mean = tensors[0]
    for tensor, weight in zip(tensors, weights, strict=True):
        if weight > 0:
            total += weight
            mean = tensor if total == weight else mean + (tensor - mean) * (weight / total)
    return mean
