"""Rows of the tensors of all processes of distributed training, with gradients."""

from typing import Any

import torch
from torch import Tensor, distributed


def processes() -> int:
    """How many processes train together; 1 where training is not distributed."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def rank() -> int:
    """Which of the `processes` this one is, from 0."""
    return distributed.get_rank() if processes() > 1 else 0


def gather_rows(rows: Tensor) -> Tensor:
    """
    The rows of all processes, in order of rank. The gradient of this process's rows is the sum of what all processes
    say of them, as that of a sum over processes is. All have to call this, and go backward, together.

    # Parameters

    rows : `torch.Tensor`
        As many as there are in this process. Shape: (rows, dim)

    # Returns

    `torch.Tensor`
        Shape: (rows of all, dim)
    """
    number = torch.tensor([len(rows)], device=rows.device)
    numbers = [torch.empty_like(number) for _ in range(processes())]
    distributed.all_gather(numbers, number)
    gathered: Tensor = _GatherRows.apply(rows, torch.cat(numbers).tolist())  # type: ignore[no-untyped-call]
    return gathered


class _GatherRows(torch.autograd.Function):
    """`gather_rows`, whose backward is the adjoint of its forward."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, numbers: list[int]) -> Tensor:
        ctx.numbers = numbers
        # Tensors that travel have one size.
        padded = rows.new_zeros(max(numbers), rows.size(1))
        padded[: len(rows)] = rows
        received = [torch.empty_like(padded) for _ in numbers]
        distributed.all_gather(received, padded)
        return torch.cat([of_rank[:number] for of_rank, number in zip(received, numbers, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        gradient = gradients[0].clone()  # which may be of others too
        distributed.all_reduce(gradient)
        start = sum(ctx.numbers[: distributed.get_rank()])
        return gradient[start : start + ctx.numbers[distributed.get_rank()]], None
