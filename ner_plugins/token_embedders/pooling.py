"""From the vectors of pieces to those of tokens."""

import torch
from torch import Tensor


def pool(pieces: Tensor, counts: Tensor, pooling: str) -> Tensor:
    """
    The tokens' vectors.

    # Parameters

    pieces : `Tensor`
        The vectors of the pieces of each sentence. Shape: (batch, pieces, dim)
    counts : `Tensor`
        The number of pieces of each token. Shape: (batch, tokens)
    pooling : `str`
        `first` or `mean`.

    # Returns

    `Tensor`
        Zeros for tokens without pieces. Shape: (batch, tokens, dim)
    """
    batch, width, dim = pieces.shape
    tokens = counts.size(1)
    if width == 0:
        return pieces.new_zeros(batch, tokens, dim) + pieces.sum()
    ends = counts.cumsum(dim=1)  # Shape: (batch, tokens)
    if pooling == "first":
        starts = (ends - counts).clamp(max=width - 1)
        vectors = pieces.gather(1, starts.unsqueeze(-1).expand(batch, tokens, dim))  # Shape: (batch, tokens, dim)
        return vectors.masked_fill((counts == 0).unsqueeze(-1), 0.0)
    owner = piece_owners(counts, width)
    row = torch.arange(batch, device=pieces.device).unsqueeze(1) * (tokens + 1)
    sums = pieces.new_zeros(batch * (tokens + 1), dim)
    sums = sums.index_add(0, (owner + row).reshape(-1), pieces.reshape(-1, dim))  # Shape: (batch * (tokens + 1), dim)
    return sums.view(batch, tokens + 1, dim)[:, :tokens] / counts.clamp(min=1).unsqueeze(-1)


def piece_owners(counts: Tensor, width: int) -> Tensor:
    """
    The token of each of `width` pieces, from the tokens' numbers of pieces, (batch, tokens); pieces after the last
    token belong to one extra token. Shape: (batch, width)
    """
    place = torch.arange(width, device=counts.device).expand(counts.size(0), width).contiguous()
    return torch.searchsorted(counts.cumsum(dim=1), place, right=True)
