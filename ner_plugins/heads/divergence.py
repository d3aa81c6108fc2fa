"""How far apart two distributions over classes are."""

from typing import Optional

import torch
from torch import Tensor

from ner_plugins.modules.losses.weighted_loss import weighed


def symmetric_divergence(
    first: Tensor,
    second: Tensor,
    mask: Tensor,
    independent: bool = False,
    weights: Optional[Tensor] = None,
) -> Tensor:
    """
    (KL(P || Q) + KL(Q || P)) / 2 of the softmax distributions of two sets of logits, summed over the cells of a mask.

    # Parameters

    first, second : `torch.Tensor`
        Finite in every cell. Computed in float32 or float64. Shape of each: (..., classes)
    mask : `torch.BoolTensor`
        The cells that count. Shape: (...)
    independent : `bool`, optional (default=`False`)
        Whether each class but 0 is a distribution of its own, by the sigmoid of its margin over class 0.
    weights : `Optional[torch.Tensor]`, optional (default=`None`)
        Of the sentences, which are the first dimension; `None` if all weigh the same. Shape: (batch,)

    # Returns

    `torch.Tensor`
        A scalar, 0 or more; differentiable in both.
    """
    if independent:
        one, two = (_float(logits)[..., 1:] - _float(logits)[..., :1] for logits in (first, second))
        both = ((one.sigmoid() - two.sigmoid()) * (one - two)).sum(-1)  # Shape: (...)
        return weighed(torch.where(mask, both, 0.0), weights).sum() / 2
    logs = [_float(logits).log_softmax(-1) for logits in (first, second)]
    # The sum of both divergences is that of (p - q)(log p - log q). Shape: (...)
    both = ((logs[0].exp() - logs[1].exp()) * (logs[0] - logs[1])).sum(-1)
    return weighed(torch.where(mask, both, 0.0), weights).sum() / 2


def _float(logits: Tensor) -> Tensor:
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
