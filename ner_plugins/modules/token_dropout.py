"""Dropout of whole tokens."""

import torch
from torch import Tensor


def drop_tokens(ids: Tensor, probability: float, unknown: int, padding: int = 0) -> Tensor:
    """
    Replaces random tokens, each independently, by the unknown token, so that its vector is trained (FLAT, Li et al.
    2020, with a probability of 0.01 in the released code).

    # Parameters

    ids : `Tensor`
        Of any shape.
    probability : `float`
        Of replacing a token that is not padding.
    unknown : `int`
        The id of the unknown token.
    padding : `int`, optional (default=`0`)
        The id of padding.

    # Returns

    `Tensor`
        Shape: that of `ids`
    """
    if probability == 0.0:
        return ids
    dropped = torch.rand(ids.shape, device=ids.device) < probability
    return ids.masked_fill(dropped & (ids != padding), unknown)
