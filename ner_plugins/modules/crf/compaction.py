"""Gathers the kept tokens of a batch to the left, and puts results back in their places."""

from typing import Optional

import torch
from torch import Tensor


class Compaction:
    """
    The tokens that a mask keeps, side by side at the left of each row. Other positions (padding anywhere, or pieces
    that do not begin a token) are removed instead of masked, so that a chain runs from kept token to kept token.

    # Parameters

    mask : `torch.BoolTensor`
        The tokens to keep. Shape: (batch, length)
    width : `Optional[int]`, optional (default=`None`)
        Columns of the compact rows; by default as many as the mask has. Pass the largest number of kept tokens if you
        know it; finding it out would wait for the device.
    """

    def __init__(self, mask: Tensor, width: Optional[int] = None) -> None:
        self._kept = mask
        self.lengths = mask.sum(1)  # Shape: (batch,)
        # Positions of the kept tokens, then of the others. Shape: (batch, width)
        self.order = (~mask).long().argsort(dim=1, stable=True)[:, :width]
        self.mask = torch.arange(self.order.size(1), device=mask.device) < self.lengths.unsqueeze(1)

    def left(self, values: Tensor) -> Tensor:
        """
        The kept tokens' values, in order, then zeros.

        # Parameters

        values : `torch.Tensor`
            Shape: (batch, length, ...)

        # Returns

        `torch.Tensor`
            Shape: (batch, width, ...)
        """
        # Not a product, since the removed values may be NaN.
        return _rows(values, self.order).masked_fill(~_like(self.mask, values), 0)

    def back(self, values: Tensor) -> Tensor:
        """
        The inverse of `left`: each value at its token's position, 0 elsewhere.

        # Parameters

        values : `torch.Tensor`
            Shape: (batch, width, ...)

        # Returns

        `torch.Tensor`
            Shape: (batch, length, ...)
        """
        if self._kept.size(1) == 0:
            return values[:, :0]
        column = (self._kept.cumsum(1) - 1).clamp(min=0)  # Shape: (batch, length)
        return _rows(values, column).masked_fill(~_like(self._kept, values), 0)


def _rows(values: Tensor, place: Tensor) -> Tensor:
    """values[b, place[b, i]], by `gather`, whose gradient needs no sorting."""
    return values.gather(1, _like(place, values).expand(*place.shape, *values.shape[2:]))


def _like(places: Tensor, values: Tensor) -> Tensor:
    """`places` with as many dimensions as `values`. Shape: (batch, length, 1, ...)"""
    return places.view(*places.shape, *[1] * (values.dim() - 2))
