"""Dropout of whole tokens."""

import torch
from torch import Tensor


def drop_tokens(ids: Tensor, probability: float, unknown: int, padding: int = 0) -> Tensor:
    """
    Puts the unknown token for some others, by chance and each by itself, so that its vector is learnt (FLAT, Li et al.
    2020, as released: with a probability of 0.01).

    # Parameters

    ids : `Tensor`
        Of any shape.
    probability : `float`
        Of each token that is not padding.
    unknown, padding : `int`
        The ids of these.

    # Returns

    `Tensor`
        Shape: that of `ids`
    """
    if probability == 0.0:
        return ids
    dropped = torch.rand(ids.shape, device=ids.device) < probability
    return ids.masked_fill(dropped & (ids != padding), unknown)
