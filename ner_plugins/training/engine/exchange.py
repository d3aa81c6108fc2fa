"""Sums of gradients over all ranks, of which a table's untouched rows are not sent."""

from typing import Iterator, Optional, Sequence, Union

import numpy
import torch
from torch import Tensor, distributed
from torch.nn import Parameter

from ner_plugins.distributed import world_size

BUCKET = 1 << 20
"""
The number of gradients that are copied together and sent at once on a CPU, where memory of more than some megabytes is
new, and has to be cleared, in each update.
"""
BUCKET_OF_GPU = 1 << 23
TABLE = 4096
"""The number of rows from which on a matrix is taken for a table of embeddings."""
MOST_ROWS = 0.5
"""The share of rows up to which they are sent by themselves."""


def sum_gradients(parameters: Sequence[Parameter], factor: Optional[Union[float, Tensor]] = None) -> None:
    """
    Sum gradients over all ranks in place. The sums are those of whole gradients: of a table, the rows are sent that are
    not zero on any rank, and the others stay zero.

    # Parameters

    parameters : `Sequence[Parameter]`
        The same ones on all ranks. One without a gradient here adds zero.
    factor : `Optional[Union[float, torch.Tensor]]`, optional (default=`None`)
        What this rank's gradients are multiplied by first.
    """
    if world_size() == 1:
        return
    gradients = [_dense_gradient(parameter) for parameter in parameters]
    rows = _touched_rows(gradients)
    sent = [one if touched is None else one[touched] for one, touched in zip(gradients, rows, strict=True)]
    sums = _sums(sent, factor)
    for parameter, gradient, touched, summed in zip(parameters, gradients, rows, sums, strict=True):
        parameter.grad = summed if touched is None else gradient.index_copy_(0, touched, summed)


def _touched_rows(gradients: Sequence[Tensor]) -> list[Optional[Tensor]]:
    """The rows of each table that are not zero on any rank; `None` for what is sent as a whole."""
    tables = [place for place, gradient in enumerate(gradients) if _is_table(gradient)]
    rows: list[Optional[Tensor]] = [None] * len(gradients)
    if not tables:
        return rows
    flags = torch.cat([_nonzero_rows(gradients[place]) for place in tables])  # Shape: (rows of all tables,)
    distributed.all_reduce(flags, distributed.ReduceOp.MAX)
    of_tables = torch.split(flags, [len(gradients[place]) for place in tables])
    for place, of_table in zip(tables, of_tables, strict=True):
        touched = of_table.nonzero().flatten()
        if len(touched) <= MOST_ROWS * len(of_table):
            rows[place] = touched
    return rows


def _is_table(gradient: Tensor) -> bool:
    """Tables of a GPU are sent as a whole: to know their rows, the host would have to wait for it."""
    return gradient.device.type == "cpu" and gradient.dim() == 2 and len(gradient) >= TABLE


def _nonzero_rows(gradient: Tensor) -> Tensor:
    """1 for each row with a bit that is set. Shape: (rows,)"""
    # Bits, so that no value is lost, not even a negative zero. numpy does this at the speed of memory.
    values = gradient.contiguous().view(torch.uint8).numpy()  # Shape: (rows, bytes)
    words = values.view(numpy.int64) if values.shape[1] % 8 == 0 else values
    return torch.from_numpy((numpy.bitwise_or.reduce(words, axis=1) != 0).view(numpy.uint8))


def _sums(gradients: Sequence[Tensor], factor: Optional[Union[float, Tensor]]) -> list[Tensor]:
    """The sums over all ranks. Shape of each: as of the gradient"""
    sums: list[Optional[Tensor]] = [None] * len(gradients)
    pending = []
    for places in _buckets(gradients):
        flat = torch.cat([gradients[place].flatten() for place in places])
        if factor is not None:
            flat.mul_(factor)
        pending.append((places, flat, distributed.all_reduce(flat, async_op=True)))
    for places, flat, work in pending:
        work.wait()
        parts = torch.split(flat, [gradients[place].numel() for place in places])
        for place, part in zip(places, parts, strict=True):
            sums[place] = part.view_as(gradients[place])
    return sums  # type: ignore[return-value]


def _buckets(gradients: Sequence[Tensor]) -> Iterator[list[int]]:
    """Places of gradients of one type, in groups that are large enough to send at once: they share one tensor."""
    for dtype in sorted({gradient.dtype for gradient in gradients}, key=str):
        places: list[int] = []
        for place in (place for place, gradient in enumerate(gradients) if gradient.dtype is dtype):
            places.append(place)
            size = BUCKET if gradients[place].device.type == "cpu" else BUCKET_OF_GPU
            if sum(gradients[one].numel() for one in places) >= size:
                yield places
                places = []
        if places:
            yield places


def _dense_gradient(parameter: Parameter) -> Tensor:
    if parameter.grad is None:
        return torch.zeros_like(parameter)
    return parameter.grad.to_dense() if parameter.grad.is_sparse else parameter.grad
