"""Kept tokens of a batch gathered to the left, and what was computed of them put back."""

from typing import Optional

import torch
from torch import Tensor


class Compaction:
    """
    The tokens that a mask keeps, side by side at the left of each row: what is padding (left, right or between) or no
    first sub-piece is removed, not masked, so that a chain runs from kept token to kept token.

    # Parameters

    mask : `torch.BoolTensor`
        The tokens to keep. Shape: (batch, length)
    width : `Optional[int]`, optional (default = `None`)
        Columns of the compact rows; as many as the mask has by default, or the longest row's number of kept tokens,
        where that is known: to find it out takes a wait for the device.
    """

    def __init__(self, mask: Tensor, width: Optional[int] = None) -> None:
        self._kept = mask
        self.lengths = mask.sum(1)  # Shape: (batch,)
        # The place in the text of each kept token, then the others. Shape: (batch, width)
        self.order = (~mask).long().argsort(dim=1, stable=True)[:, :width]
        self.mask = torch.arange(self.order.size(1), device=mask.device) < self.lengths.unsqueeze(1)

    def left(self, values: Tensor) -> Tensor:
        """
        The kept tokens' values, in order; 0 where a row has no more of them.

        # Parameters

        values : `torch.Tensor`
            Shape: (batch, length, ...)

        # Returns

        `torch.Tensor`
            Shape: (batch, width, ...)
        """
        # Not a product: what is left out may be NaN.
        return _rows(values, self.order).masked_fill(~_like(self.mask, values), 0)

    def back(self, values: Tensor) -> Tensor:
        """
        The inverse of `left`: values in their tokens' places, 0 in all others.

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
    """values[b, place[b, i]]; by `gather`, whose gradient takes no sorting."""
    return values.gather(1, _like(place, values).expand(*place.shape, *values.shape[2:]))


def _like(places: Tensor, values: Tensor) -> Tensor:
    """With as many dimensions as `values`. Shape: (batch, length, 1, ...)"""
    return places.view(*places.shape, *[1] * (values.dim() - 2))
