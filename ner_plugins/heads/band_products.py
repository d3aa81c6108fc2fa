"""Products of a vector of the first and one of the last token of every span in a band of widths."""

import math
from typing import Optional

import torch
import torch.nn.functional as F
from torch import Tensor

# Rows of the band that share one matrix product, which computes (rows + width - 1) / width times what is needed;
# fewer rows make products too small. 16 to 32 measured best on a CPU.
_ROWS_PER_BLOCK = 32


def band_products(queries: Tensor, keys: Tensor, width: int, offsets: Optional[Tensor] = None) -> Tensor:
    """
    `queries[i, c] · keys[i + w] + offsets[i, c]` for every cell (i, w) of a band and each c. Time and memory grow with
    length × width instead of length².

    # Parameters

    queries : `torch.Tensor`
        Vectors of first tokens. Shape: (batch, length, heads, dim)
    keys : `torch.Tensor`
        Vectors of last tokens. Shape: (batch, length, dim)
    width : `int`
        The number of widths, at least 1.
    offsets : `Optional[torch.Tensor]`, optional (default=`None`)
        Shape: (batch, length, heads)

    # Returns

    `torch.Tensor`
        Finite also in cells that reach past the end. Reductions over `heads` are ten times as fast where it is the
        outer dimension, as here. Shape: (batch, heads, length, width)
    """
    batch, length, heads, dim = queries.shape
    blocks = max(1, math.ceil(length / _ROWS_PER_BLOCK))
    rows = max(1, math.ceil(length / blocks))
    columns = rows + width - 1  # number of last tokens of a block's spans
    padding = blocks * rows - length
    if padding:
        queries = F.pad(queries, (0, 0, 0, 0, 0, padding))
        offsets = None if offsets is None else F.pad(offsets, (0, 0, 0, padding))
    # One product per block scores its rows against all its columns. Shape: (batch * blocks, dim, columns)
    windows = F.pad(keys, (0, 0, 0, padding + width - 1)).unfold(1, columns, rows).flatten(0, 1)
    queries = queries.reshape(batch * blocks, rows * heads, dim)
    # Shape: (batch * blocks, rows * heads, columns)
    if offsets is None:
        dense = torch.bmm(queries, windows).contiguous()
    else:
        offsets = offsets.reshape(batch * blocks, rows * heads, 1)
        dense = torch.baddbmm(offsets, queries, windows).contiguous()

    # Row r's band starts at column r, so a step in rows is also one in columns. (The strides assume this layout.)
    row_stride = heads * columns
    band = dense.as_strided(
        (batch, heads, blocks, rows, width),
        (blocks * rows * row_stride, columns, rows * row_stride, row_stride + 1, 1),
    )
    return band.reshape(batch, heads, blocks * rows, width)[:, :, :length]
