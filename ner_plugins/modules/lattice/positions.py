"""Where the spans of a lattice stand to each other: FLAT's relative positions, as tables instead of pairs."""

from typing import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ner_plugins.errors import ConfigError

DISTANCES = ("two", "four")
FUSIONS = ("relu", "linear")

Offsets = tuple[int, ...]
"""By how much each distance of a pair of spans exceeds the distance of their first tokens."""


def sinusoids(positions: Tensor, dim: int) -> Tensor:
    """
    Vectors of positions: sines in the first half, cosines in the second, of frequencies 10000^(-k / (dim / 2 - 1)) for
    k = 0 … dim / 2 - 1. (Vaswani et al. 2017, "Attention Is All You Need", section 3.5, as FLAT was released.)

    # Parameters

    positions : `torch.LongTensor`
        They may be negative. Shape: (positions,)
    dim : `int`
        Even, and at least 4.

    # Returns

    `torch.DoubleTensor`
        Shape: (positions, dim)
    """
    exponents = torch.arange(dim // 2, device=positions.device, dtype=torch.float64) / (dim // 2 - 1)
    angles = positions.double().unsqueeze(1) * 10000.0**-exponents
    return torch.cat((angles.sin(), angles.cos()), 1)


class RelativePositions(nn.Module):
    """
    How a span i stands to a span j (Li et al. 2020, "FLAT: Chinese NER Using Flat-Lattice Transformer", equations 4 to
    8): R_ij = ReLU(W [p(hh); p(ht); p(th); p(tt)] + b), with hh = head_i - head_j, ht = head_i - tail_j,
    th = tail_i - head_j, tt = tail_i - tail_j and p the `sinusoids`; or, as released, of hh and tt alone.

    It is never computed pair by pair. W [p; …] is a sum of one product per distance; of pairs whose spans have the
    same two lengths all distances follow from the first, so R is a table of these distances for each two lengths, of
    which a text has few. That is the same to the last bit but those that the order of a sum decides.

    # Parameters

    dim : `int`
        Size of p and of R.
    distances : `str`, optional (default = `"four"`)
        `two` or `four`.
    fusion : `str`, optional (default = `"relu"`)
        `relu`, or `linear`, which leaves it out.

    # Raises

    `ConfigError` when `distances` or `fusion` is another word, or when `dim` is odd or less than 4.
    """

    def __init__(self, dim: int, distances: str = "four", fusion: str = "relu") -> None:
        super().__init__()
        if distances not in DISTANCES:
            raise ConfigError(f"Unknown distances {distances!r} (expected one of {', '.join(DISTANCES)})")
        if fusion not in FUSIONS:
            raise ConfigError(f"Unknown fusion {fusion!r} (expected one of {', '.join(FUSIONS)})")
        if dim < 4 or dim % 2:
            raise ConfigError(f"Sinusoids need an even number of dimensions, at least 4: not {dim} (heads × head_dim)")
        self.dim = dim
        self.distances = distances
        self.fusion = fusion
        # One layer over all distances, as published.
        self.projection = nn.Linear(dim * (2 if distances == "two" else 4), dim)

    def offsets(self, query_length: int, key_length: int) -> Offsets:
        """
        What tells two kinds of pairs apart, from the lengths (tail - head) of the two spans: the distances but for the
        first, in the order of the weights.
        """
        if self.distances == "two":
            return 0, query_length - key_length
        return 0, -key_length, query_length, query_length - key_length

    def forward(self, tokens: int, kinds: Sequence[Offsets]) -> Tensor:
        """
        The tables of some kinds of pairs.

        # Parameters

        tokens : `int`
            Length of the longest text.
        kinds : `Sequence[Offsets]`
            As `offsets` returns them.

        # Returns

        `torch.Tensor`
            R by kind and by head_j - head_i + tokens - 1. Shape: (kinds, 2 * tokens - 1, dim)
        """
        with torch.autocast(self.projection.weight.device.type, enabled=False):  # little work, and finely graded
            fused = torch.stack(self._sums(tokens, kinds))
        return fused if self.fusion == "linear" else fused.relu_()

    def _sums(self, tokens: int, kinds: Sequence[Offsets]) -> list[Tensor]:
        """W [p; …] + b of each kind. Shape of each: (2 * tokens - 1, dim)."""
        weight = self.projection.weight
        margin = max(abs(offset) for kind in kinds for offset in kind)
        most = tokens - 1 + margin
        # From the greatest distance to the least, as head_j grows. Shape: (2 * most + 1, dim)
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
