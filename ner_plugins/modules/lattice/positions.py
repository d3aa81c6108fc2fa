"""FLAT's relative positions of spans, in tables instead of pair by pair."""

from typing import Literal, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ner_plugins.errors import ConfigError

Offsets = tuple[int, ...]
"""The distances of a pair of spans, each minus the distance of their first tokens."""


def sinusoids(positions: Tensor, dim: int) -> Tensor:
    """
    Vectors of positions: sines in the first half, cosines in the second, of frequencies 10000^(-k / (dim / 2 - 1)) for
    k = 0 … dim / 2 - 1 (Vaswani et al. 2017, "Attention Is All You Need", section 3.5, as in FLAT's released code).

    # Parameters

    positions : `torch.LongTensor`
        May be negative. Shape: (positions,)
    dim : `int`
        Even, and at least 4.

    # Returns

    `torch.DoubleTensor`
        Shape: (positions, dim)
    """
    exponents = torch.arange(dim // 2, device=positions.device, dtype=torch.float64) / (dim // 2 - 1)
    angles = positions.double().unsqueeze(1) * 10000.0**-exponents  # Shape: (positions, dim / 2)
    return torch.cat((angles.sin(), angles.cos()), 1)


class RelativePositions(nn.Module):
    """
    The position of a span i relative to a span j (Li et al. 2020, "FLAT: Chinese NER Using Flat-Lattice Transformer",
    equations 4 to 8): R_ij = ReLU(W [p(hh); p(ht); p(th); p(tt)] + b), with hh = head_i - head_j, ht = head_i - tail_j,
    th = tail_i - head_j, tt = tail_i - tail_j and p the `sinusoids`; or, as released, with hh and tt alone.

    It is not computed pair by pair. W [p; …] is a sum of one product per distance, and if two spans' lengths are given,
    all their distances follow from the first. So R is one table over the first distance for each pair of lengths, and
    a text has few of these. The values are those of the definition up to the order of summation.

    # Parameters

    dim : `int`
        Size of p and of R.
    distances : `str`, optional (default=`"four"`)
        `two` or `four`.
    fusion : `str`, optional (default=`"relu"`)
        `relu`, or `linear` for no ReLU.

    # Raises

    `ConfigError` if `dim` is odd or less than 4.
    """

    def __init__(
        self, dim: int, distances: Literal["two", "four"] = "four", fusion: Literal["relu", "linear"] = "relu"
    ) -> None:
        super().__init__()
        if dim < 4 or dim % 2:
            raise ConfigError(f"lattice_encoder's heads × head_dim must be even and >= 4, got {dim}")
        self.dim = dim
        self.distances = distances
        self.fusion = fusion
        # One layer over all distances, as published.
        self.projection = nn.Linear(dim * (2 if distances == "two" else 4), dim)

    def offsets(self, query_length: int, key_length: int) -> Offsets:
        """
        The kind of a pair, from the lengths (tail - head) of its spans: each distance minus the first, in the order of
        the weights.
        """
        if self.distances == "two":
            return 0, query_length - key_length
        return 0, -key_length, query_length, query_length - key_length

    def forward(self, tokens: int, kinds: Sequence[Offsets]) -> Tensor:
        """
        The tables of kinds of pairs.

        # Parameters

        tokens : `int`
            Length of the longest text.
        kinds : `Sequence[Offsets]`
            From `offsets`.

        # Returns

        `torch.Tensor`
            R by kind and by head_j - head_i + tokens - 1. Shape: (kinds, 2 * tokens - 1, dim)
        """
        with torch.autocast(self.projection.weight.device.type, enabled=False):  # cheap, and needs the precision
            fused = torch.stack(self._sums(tokens, kinds))  # Shape: (kinds, 2 * tokens - 1, dim)
        return fused if self.fusion == "linear" else fused.relu_()

    def _sums(self, tokens: int, kinds: Sequence[Offsets]) -> list[Tensor]:
        """W [p; …] + b of each kind. Shape of each: (2 * tokens - 1, dim)"""
        weight = self.projection.weight
        margin = max(abs(offset) for kind in kinds for offset in kind)
        most = tokens - 1 + margin
        # From the largest distance to the smallest, as head_j grows. Shape of these: (2 * most + 1, dim)
        positions = sinusoids(torch.arange(most, -most - 1, -1, device=weight.device), self.dim).to(weight.dtype)
        tables = [F.linear(positions, part) for part in torch.split(weight, self.dim, dim=1)]
        rows = 2 * tokens - 1
        sums: list[Tensor] = []
        for kind in kinds:
            total: Tensor = self.projection.bias
            for table, offset in zip(tables, kind, strict=True):
                total = total + table[margin - offset : margin - offset + rows]
            sums.append(total)
        return sums
