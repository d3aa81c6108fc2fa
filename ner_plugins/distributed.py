"""
Distributed training: ranks, gathering and reductions. Without it there is one rank, and each function returns what that
rank has. All ranks have to call the functions that communicate (all but the first three), in the same order.
"""

from typing import Any, Sequence, TypeVar, Union

import torch
from allennlp.common.util import is_distributed
from torch import Tensor, distributed
from torch.nn import Module, Parameter

T = TypeVar("T")
Weight = Union[float, Tensor]
"""The weight of a batch's loss: the number that it is averaged over."""


def world_size() -> int:
    """The number of ranks: processes that train together."""
    return distributed.get_world_size() if is_distributed() else 1


def rank() -> int:
    """The number of this process, from 0."""
    return distributed.get_rank() if is_distributed() else 0


def is_first_rank() -> bool:
    """Whether this process writes files and messages for all: rank 0, or the only process."""
    return rank() == 0


def wait_for_ranks() -> None:
    """Return when all ranks have called this."""
    if is_distributed():
        distributed.barrier()


def gather_objects(value: T) -> list[T]:
    """The `value` of each rank, in order of rank; values are pickled."""
    if not is_distributed():
        return [value]
    values: list[Any] = [None] * world_size()
    distributed.all_gather_object(values, value)
    return values


def min_over_ranks(value: int, device: torch.device) -> int:
    """The smallest `value` of all ranks."""
    if not is_distributed():
        return value
    smallest = torch.tensor(value, device=device)
    distributed.all_reduce(smallest, distributed.ReduceOp.MIN)
    return int(smallest)


def max_over_ranks(value: int, device: torch.device) -> int:
    """The largest `value` of all ranks."""
    return -min_over_ranks(-value, device)


def sums_over_ranks(values: Sequence[float], device: torch.device) -> list[float]:
    """Each value summed over all ranks, in float64."""
    if not is_distributed():
        return [float(value) for value in values]
    sums = torch.tensor(values, dtype=torch.float64, device=device)
    distributed.all_reduce(sums)
    return [float(value) for value in sums.tolist()]


def broadcast_parameters(module: Module) -> None:
    """Overwrite a module's parameters with those of rank 0."""
    if is_distributed():
        for parameter in module.parameters():
            distributed.broadcast(parameter.data, 0)


def sum_gradients(parameters: Sequence[Parameter], batches: int, weight: Weight) -> tuple[int, Weight]:
    """
    Sum gradients over all ranks in place. A parameter without a gradient on any rank keeps none, so that no optimizer
    decays it.

    # Parameters

    parameters : `Sequence[Parameter]`
        The same ones on all ranks.
    batches : `int`
        The number of batches whose gradients this rank has added up; it may be 0.
    weight : `Union[float, Tensor]`
        Their weight.

    # Returns

    `tuple[int, Union[float, Tensor]]`
        The number of batches of all ranks, and their weight.
    """
    if not is_distributed():
        return batches, weight
    device = parameters[0].device
    present = [float(parameter.grad is not None) for parameter in parameters]
    summed = torch.tensor([float(batches), float(weight), *present], dtype=torch.float64, device=device)
    distributed.all_reduce(summed)
    batches_of_all, weight_of_all, *counts = summed.tolist()
    used = [parameter for parameter, count in zip(parameters, counts, strict=True) if count > 0]
    for dtype in sorted({parameter.dtype for parameter in used}, key=str):
        _sum_gradients_of_one_type([parameter for parameter in used if parameter.dtype is dtype])
    return int(batches_of_all), weight_of_all


def _sum_gradients_of_one_type(parameters: Sequence[Parameter]) -> None:
    flat = torch.cat([_dense_gradient(parameter).flatten() for parameter in parameters])
    distributed.all_reduce(flat)
    sums = torch.split(flat, [parameter.numel() for parameter in parameters])
    for parameter, summed in zip(parameters, sums, strict=True):
        parameter.grad = summed.view_as(parameter).clone()


def _dense_gradient(parameter: Parameter) -> Tensor:
    if parameter.grad is None:
        return torch.zeros_like(parameter)
    return parameter.grad.to_dense() if parameter.grad.is_sparse else parameter.grad


def gather_rows(rows: Tensor) -> Tensor:
    """
    The rows of all ranks, in order of rank, with gradients: the gradient of this rank's rows is the sum of those that
    all ranks compute for them. All ranks have to run the backward pass together, too.

    # Parameters

    rows : `torch.Tensor`
        Any number of rows on each rank. Shape: (rows, dim)

    # Returns

    `torch.Tensor`
        Shape: (rows of all ranks, dim)
    """
    number = torch.tensor([len(rows)], device=rows.device)  # Shape: (1,)
    numbers = [torch.empty_like(number) for _ in range(world_size())]
    distributed.all_gather(numbers, number)
    gathered: Tensor = _GatherRows.apply(rows, torch.cat(numbers).tolist())  # type: ignore[no-untyped-call]
    return gathered


class _GatherRows(torch.autograd.Function):
    """`gather_rows`; its backward pass is the adjoint of its forward pass."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, numbers: list[int]) -> Tensor:
        ctx.numbers = numbers
        # `all_gather` takes tensors of one size.
        padded = rows.new_zeros(max(numbers), rows.size(1))  # Shape: (most rows, dim)
        padded[: len(rows)] = rows
        received = [torch.empty_like(padded) for _ in numbers]
        distributed.all_gather(received, padded)
        return torch.cat([of_rank[:number] for of_rank, number in zip(received, numbers, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        gradient = gradients[0].clone()  # autograd may share it. Shape: (rows of all ranks, dim)
        distributed.all_reduce(gradient)
        start = sum(ctx.numbers[: rank()])
        return gradient[start : start + ctx.numbers[rank()]], None
