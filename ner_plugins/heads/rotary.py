"""Rotary position embedding: vectors whose products depend on how far apart their tokens are."""

import torch
from torch import Tensor

_BASE = 10_000.0


def rotate(vectors: Tensor) -> Tensor:
    """
    Rotary position embedding (Su et al. 2021, "RoFormer: Enhanced Transformer with Rotary Position Embedding", equation
    15): the coordinates 2m and 2m + 1 of token i are rotated by the angle `i · 10000^(-2m / dim)`. The product of two
    vectors then depends on their tokens' distance, not on where in the text they are.

    # Parameters

    vectors : `torch.Tensor`
        Shape: (..., length, dim), where dim is even

    # Returns

    `torch.Tensor`
        In the dtype of `vectors`; computed in float32 at least. Shape: (..., length, dim)
    """
    length, dim = vectors.shape[-2:]
    exact = torch.promote_types(vectors.dtype, torch.float32)
    rates = _BASE ** (torch.arange(0, dim, 2, device=vectors.device, dtype=exact) / -dim)  # Shape: (dim / 2,)
    angles = torch.arange(length, device=vectors.device, dtype=exact).unsqueeze(1) * rates  # Shape: (length, dim / 2)
    cos, sin = angles.cos(), angles.sin()
    even, odd = vectors.to(exact)[..., ::2], vectors.to(exact)[..., 1::2]  # Shape of each: (..., length, dim / 2)
    rotated = torch.stack((even * cos - odd * sin, odd * cos + even * sin), -1).flatten(-2)
    return rotated.to(vectors.dtype)
