"""The distributions that a prediction is made of, for a student to learn from a teacher's."""

import math
from typing import Hashable, NamedTuple, Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

SMALLEST = 1e-12
"""Lower probabilities count as this one, so that logarithms are finite."""


class DistributionAxis(NamedTuple):
    """
    What the entries of one axis of a head's distributions stand for: see `Head.distributions`.

    # Parameters

    kind : `str`
        What the distributions are of, in words. A teacher and a student have to agree in it.
    axis : `int`
        -1 or -2.
    labels : `Sequence[Hashable]`
        Along the axis; a teacher may have them in another order.
    """

    kind: str
    axis: int
    labels: Sequence[Hashable]


def log_softmax(logits: Tensor, temperature: float) -> Tensor:
    """Log-probabilities at a temperature, in float32 or float64."""
    if logits.dtype in (torch.float16, torch.bfloat16):
        logits = logits.float()
    return (logits / temperature).log_softmax(-1)


def log_sigmoids(margins: Tensor, temperature: float) -> Tensor:
    """The log-probabilities of no and of yes. Shape: (..., 2)"""
    if margins.dtype in (torch.float16, torch.bfloat16):
        margins = margins.float()
    scaled = margins / temperature
    return torch.stack((F.logsigmoid(-scaled), F.logsigmoid(scaled)), -1)


def inside(logs: Tensor, cells: Tensor) -> Tensor:
    """
    Distributions of the cells that count; elsewhere 0, so that nothing there has a divergence.

    # Parameters

    logs : `torch.Tensor`
        Shape: (batch, ..., parts, classes)
    cells : `torch.BoolTensor`
        Shape: (batch, ...)
    """
    return torch.where(cells[..., None, None], logs, 0.0)


def divergences(teacher: Tensor, student: Tensor) -> Tensor:
    """
    KL(teacher || student) of each sentence: the sum over its cells of the mean over their parts.

    # Parameters

    teacher, student : `torch.Tensor`
        Log-probabilities; 0 in all classes of a cell that does not count. Shape of each: (batch, ..., parts, classes)

    # Returns

    `torch.Tensor`
        Differentiable in both. Shape: (batch,)
    """
    teacher = teacher.to(student.dtype)
    terms = (teacher.exp() * (teacher - student)).sum(-1).mean(-1)  # Shape: (batch, ...)
    return terms.flatten(1).sum(1)


def mean_of(teachers: Sequence[Tensor], weights: Optional[Sequence[float]] = None) -> Tensor:
    """
    The logarithm of the weighted mean of several distributions.

    # Parameters

    teachers : `Sequence[torch.Tensor]`
        Log-probabilities. Of bands of several widths the common part counts. Shape of each: (..., parts, classes)
    weights : `Optional[Sequence[float]]`, optional (default=`None`)
        `None` for all the same.
    """
    shares = [1.0] * len(teachers) if weights is None else list(weights)
    total = sum(shares)
    sizes = [min(of_one) for of_one in zip(*(one.shape for one in teachers), strict=True)]
    common = [one[tuple(slice(0, size) for size in sizes)] for one in teachers]
    logs = [one + math.log(share / total) for one, share in zip(common, shares, strict=True) if share > 0]
    return logs[0] if len(logs) == 1 else torch.stack(logs).logsumexp(0)
