"""
FLAT as its formulas read, and about as its authors' code computes it: the distances of all pairs of spans looked up in
tables of sinusoids, concatenated, put through a linear layer, a second one, and the attention of all spans.

The parameters have the names of `FlatEncoder`'s, and so its state fits. It is an oracle in float64, and what the
benchmark compares with.
"""

import math
from typing import Any, Optional

import torch
from torch import Tensor, nn


def sinusoid(position: int, dim: int) -> list[float]:
    half = dim // 2
    frequencies = [10000 ** (-k / (half - 1)) for k in range(half)]
    return [math.sin(position * f) for f in frequencies] + [math.cos(position * f) for f in frequencies]


class LiteralPositions(nn.Module):
    def __init__(self, dim: int, distances: str, fusion: str, max_length: int) -> None:
        super().__init__()
        self.distances, self.fusion, self.max_length = distances, fusion, max_length
        rows = [sinusoid(position, dim) for position in range(-max_length, max_length + 1)]
        self.register_buffer("table", torch.tensor(rows, dtype=torch.float64), persistent=False)
        self.projection = nn.Linear(dim * (2 if distances == "two" else 4), dim)

    def forward(self, heads: Tensor, tails: Tensor) -> Tensor:
        """R. Shape: (batch, spans, spans, dim)."""
        hh = heads.unsqueeze(2) - heads.unsqueeze(1)
        ht = heads.unsqueeze(2) - tails.unsqueeze(1)
        th = tails.unsqueeze(2) - heads.unsqueeze(1)
        tt = tails.unsqueeze(2) - tails.unsqueeze(1)
        distances = (hh, tt) if self.distances == "two" else (hh, ht, th, tt)
        table = self.table.to(self.projection.weight.dtype)
        positions = torch.cat([table[distance + self.max_length] for distance in distances], -1)
        fused = self.projection(positions)
        return fused if self.fusion == "linear" else fused.relu_()


class LiteralAttention(nn.Module):
    def __init__(self, heads: int, head_dim: int, key: bool, output: bool, scale: bool, dropout: float) -> None:
        super().__init__()
        dim = heads * head_dim
        self.heads, self.head_dim, self.scale = heads, head_dim, scale
        self.query, self.value, self.position = nn.Linear(dim, dim), nn.Linear(dim, dim), nn.Linear(dim, dim)
        if key:
            self.key = nn.Linear(dim, dim)
        if output:
            self.output = nn.Linear(dim, dim)
        self.content_bias = nn.Parameter(torch.empty(heads, head_dim))
        self.position_bias = nn.Parameter(torch.empty(heads, head_dim))
        self.dropout = nn.Dropout(dropout)

    def split(self, vectors: Tensor) -> Tensor:
        return vectors.view(*vectors.shape[:-1], self.heads, self.head_dim)

    def forward(self, x: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
        q = self.split(self.query(x)).transpose(1, 2)  # Shape: (batch, heads, spans, head_dim)
        k = self.split(self.key(x) if hasattr(self, "key") else x).transpose(1, 2)
        v = self.split(self.value(x)).transpose(1, 2)
        r = self.split(self.position(positions)).permute(0, 3, 1, 4, 2)  # (batch, heads, spans, head_dim, spans)
        by_content = (q + self.content_bias.unsqueeze(1)) @ k.transpose(-1, -2)
        by_position = ((q + self.position_bias.unsqueeze(1)).unsqueeze(-2) @ r).squeeze(-2)
        scores = by_content + by_position
        if self.scale:
            scores = scores / math.sqrt(self.head_dim)
        weights = self.dropout(scores.masked_fill(~mask[:, None, None], -math.inf).softmax(-1))
        attended = (weights @ v).transpose(1, 2).flatten(2)
        return self.output(attended) if hasattr(self, "output") else attended


class LiteralLayer(nn.Module):
    def __init__(
        self, attention: LiteralAttention, dim: int, inner: int, dropout: float, shared: bool, legacy: bool
    ) -> None:
        super().__init__()
        self.attention, self.legacy = attention, legacy
        self.feedforward = nn.Sequential(
            nn.Linear(dim, inner), nn.ReLU(), nn.Dropout(dropout), nn.Linear(inner, dim), nn.Dropout(dropout)
        )
        self.norm = nn.LayerNorm(dim)
        if not shared:
            self.second_norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
        second_norm = self.second_norm if hasattr(self, "second_norm") else self.norm
        attended = self.attention(x, positions, mask)
        y = self.norm(2 * attended) if self.legacy else self.norm(x + attended)
        fed = self.feedforward(y)
        return second_norm(2 * fed) if self.legacy else second_norm(y + fed)


class LiteralFlat(nn.Module):
    """`FlatEncoder` with the parameters of its name; `words` is what gives the words' vectors."""

    def __init__(
        self,
        input_dim: int,
        words: Any,
        layers: int = 1,
        heads: int = 8,
        head_dim: int = 16,
        feedforward_dim: Optional[int] = None,
        distances: str = "four",
        fusion: str = "relu",
        legacy_no_residual: bool = False,
        key_projection: bool = False,
        output_projection: bool = False,
        scale: bool = False,
        shared_norm: bool = True,
        embedding_dropout: float = 0.5,
        feedforward_dropout: float = 0.15,
        attention_dropout: float = 0.0,
        max_length: int = 512,
    ) -> None:
        super().__init__()
        dim = heads * head_dim
        inner = feedforward_dim or 3 * dim
        self.words = words
        self.dropout = nn.Dropout(embedding_dropout)
        self.token_projection = nn.Linear(input_dim, dim)
        self.word_projection = nn.Linear(words.get_output_dim(), dim)
        self.positions = LiteralPositions(dim, distances, fusion, max_length)
        self.layers = nn.ModuleList()
        for _ in range(layers):
            attention = LiteralAttention(
                heads, head_dim, key_projection, output_projection, scale, attention_dropout
            )
            layer = LiteralLayer(attention, dim, inner, feedforward_dropout, shared_norm, legacy_no_residual)
            self.layers.append(layer)

    def forward(self, encoded: Tensor, mask: Tensor, lattice: dict[str, Tensor]) -> Tensor:
        batch, tokens, _ = encoded.shape
        characters = self.token_projection(self.dropout(encoded))
        words = self.word_projection(self.dropout(self.words(lattice["words"])))
        x = torch.cat((characters, words), 1)
        token = torch.arange(tokens, device=mask.device).expand(batch, -1)
        heads = torch.cat((token, lattice["heads"]), 1)
        tails = torch.cat((token, lattice["tails"]), 1)
        real = torch.cat((mask, lattice["mask"]), 1)
        positions = self.positions(heads, tails)
        for layer in self.layers:
            x = layer(x, positions, real)
        return x[:, :tokens]
