"""
Distributed training: ranks, gathering and reductions. Without it there is one rank, and each function returns what that
rank has. All ranks have to call the functions that communicate (all but the first three), in the same order.
"""

from typing import Any, Sequence, TypeVar

import torch
from allennlp.common.util import is_distributed
from torch import Tensor, distributed
from torch.nn import Module

T = TypeVar("T")


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


def host_sums(values: Sequence[float]) -> list[float]:
    """Each value summed over all ranks, in float64, without waiting for the work that is queued on a GPU."""
    if not is_distributed():
        return [float(value) for value in values]
    sums = torch.tensor(values, dtype=torch.float64)
    distributed.all_reduce(sums, group=_host_group())
    return [float(value) for value in sums.tolist()]


def _host_group() -> Any:
    """A group of all ranks that exchanges tensors of the CPU; `None` for the default one, where that does."""
    if distributed.get_backend() == "gloo":
        return None
    if not _host_groups:
        _host_groups.append(distributed.new_group(backend="gloo"))
    return _host_groups[0]


_host_groups: list[Any] = []


def sum_tensor(tensor: Tensor) -> Tensor:
    """The sum of the tensor of each rank, in place."""
    if is_distributed():
        distributed.all_reduce(tensor)
    return tensor


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
