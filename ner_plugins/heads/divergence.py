"""How far apart two distributions over classes are."""

import torch
from torch import Tensor


def symmetric_divergence(first: Tensor, second: Tensor, mask: Tensor) -> Tensor:
    """
    (KL(P || Q) + KL(Q || P)) / 2 of the softmax distributions of two sets of logits, summed over the cells of a mask.

    # Parameters

    first, second : `torch.Tensor`
        Finite in every cell. Computed in float32 or float64. Shape of each: (..., classes)
    mask : `torch.BoolTensor`
        The cells that count. Shape: (...)

    # Returns

    `torch.Tensor`
        A scalar, 0 or more; differentiable in both.
    """
    logs = [_log_softmax(logits) for logits in (first, second)]
    # The sum of both divergences is that of (p - q)(log p - log q). Shape: (...)
    both = ((logs[0].exp() - logs[1].exp()) * (logs[0] - logs[1])).sum(-1)
    return torch.where(mask, both, 0.0).sum() / 2


def _log_softmax(logits: Tensor) -> Tensor:
    return (logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits).log_softmax(-1)
