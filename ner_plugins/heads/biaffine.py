"""Start and end projections, and the biaffine score of every typed span in a band of widths."""

import math
from typing import Callable, Optional

import torch
import torch.nn.functional as F
from allennlp.common import FromParams
from torch import Tensor, nn

from ner_plugins.errors import ConfigError
from ner_plugins.heads.span_scorer import SpanScorer, WidthFeatures

# Rows of the band that share one matrix product: it computes (rows + width - 1) / width times what is needed, and
# fewer rows make products too small. 16 to 32 measured best on a CPU.
_ROWS_PER_BLOCK = 32

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "elu": F.elu,
    "gelu": F.gelu,
    "leaky_relu": F.leaky_relu,
    "relu": F.relu,
    "silu": F.silu,
    "tanh": torch.tanh,
}


class SpanProjection(nn.Module, FromParams):
    """
    A feed-forward projection of token vectors to the role of a span's first, or last, token.

    Each layer is linear, then the activation, then dropout. The defaults are the published system's: one linear layer
    of 150 units without activation (Yu et al. 2020, "Named Entity Recognition as Dependency Parsing", as released).

    # Parameters

    input_dim : `int`
        Size of the token vectors.
    dim : `int`, optional (default = `150`)
        Size of every layer's output.
    depth : `int`, optional (default = `1`)
        Number of layers. With none the vectors pass as they are, and no other parameter has an effect.
    activation : `Optional[str]`, optional (default = `None`)
        `elu`, `gelu`, `leaky_relu`, `relu`, `silu` or `tanh`; `None` leaves the layers linear.
    dropout : `float`, optional (default = `0.0`)
        Probability of zeroing a unit after each layer.
    variational : `bool`, optional (default = `False`)
        Draw one dropout mask per sentence, shared by its positions (Gal & Ghahramani 2016).

    # Raises

    `ConfigError` when `depth`, `dropout` or `activation` is not one of those.
    """

    def __init__(
        self,
        input_dim: int,
        dim: int = 150,
        depth: int = 1,
        activation: Optional[str] = None,
        dropout: float = 0.0,
        variational: bool = False,
    ) -> None:
        super().__init__()
        if depth < 0:
            raise ConfigError(f"A span projection's depth is at least 0, not {depth}")
        if dim < 1:
            raise ConfigError(f"A span projection's dim is at least 1, not {dim}")
        if not 0.0 <= dropout < 1.0:
            raise ConfigError(f"A span projection's dropout lies in [0, 1), not {dropout}")
        if activation is not None and activation not in _ACTIVATIONS:
            raise ConfigError(f"Unknown activation {activation!r} (expected null or one of {', '.join(_ACTIVATIONS)})")
        self.input_dim, self.output_dim = input_dim, dim if depth > 0 else input_dim
        self.activation, self.dropout, self.variational = activation, dropout, variational
        layers = [nn.Linear(input_dim if i == 0 else dim, dim) for i in range(depth)]
        for layer in layers:
            # A deep stack needs its signal kept (Glorot); a single layer starts as published.
            std = 0.02 if depth == 1 else math.sqrt(2.0 / (layer.in_features + layer.out_features))
            nn.init.trunc_normal_(layer.weight, std=std, a=-2 * std, b=2 * std)
            nn.init.zeros_(layer.bias)
        self.layers = nn.ModuleList(layers)

    def get_input_dim(self) -> int:
        """Size of the vectors it takes."""
        return self.input_dim

    def get_output_dim(self) -> int:
        """Size of the vectors it returns."""
        return self.output_dim

    def forward(self, tokens: Tensor) -> Tensor:
        """
        # Parameters

        tokens : `torch.Tensor`
            Shape: (batch, length, input_dim)

        # Returns

        `torch.Tensor`
            Shape: (batch, length, get_output_dim())
        """
        for layer in self.layers:
            tokens = layer(tokens)
            if self.activation is not None:
                tokens = _ACTIVATIONS[self.activation](tokens)
            tokens = self._drop(tokens)
        return tokens

    def _drop(self, tokens: Tensor) -> Tensor:
        if not self.training or self.dropout == 0.0:
            return tokens
        if self.variational:
            # Dropping a whole channel is dropping a unit at every position.
            return F.dropout1d(tokens.transpose(1, 2), self.dropout).transpose(1, 2)
        return F.dropout(tokens, self.dropout)


@SpanScorer.register("biaffine")
class BiaffineSpanScorer(SpanScorer):
    """
    The score of every typed span up to a width: `[S_i; 1]ᵀ W_c [E_j; 1]` for the tokens i..j and the class c, which
    holds a bilinear term, a linear one in either end, and a bias per class (Yu et al. 2020, equation 3, as released).
    A `SpanScorer` of the name `biaffine`.

    Only the band of cells (i, j = i + w) with w below the width is computed: time and memory grow with
    length × width, not with the square of the length.

    # Parameters

    input_dim, num_classes, max_span_width
        See `SpanScorer`.
    init : `str`, optional (default = `"zeros"`)
        `zeros`, as published: every class is equally likely at the start; or `xavier`: each class's matrix uniform as
        in Glorot & Bengio 2010, linear terms and bias zero.
    width_features : `Optional[str]`, optional (default = `None`)
        A learned score of each class for the span's width, added to the others: `exact` or `bucketed`
        (`WidthFeatures`).

    # Raises

    `ConfigError` as `SpanScorer` and `WidthFeatures` do.
    """

    def __init__(
        self,
        input_dim: int,
        num_classes: int,
        max_span_width: Optional[int] = None,
        init: str = "zeros",
        width_features: Optional[str] = None,
    ) -> None:
        super().__init__(input_dim, num_classes, max_span_width, init)
        self.weight = nn.Parameter(torch.zeros(num_classes, input_dim + 1, input_dim + 1))
        self.width_features = (
            None if width_features is None else WidthFeatures(width_features, max_span_width, num_classes)
        )
        if init == "xavier":
            bound = math.sqrt(6.0 / (input_dim + input_dim))
            with torch.no_grad():
                self.weight[:, :-1, :-1].uniform_(-bound, bound)

    def forward(self, starts: Tensor, ends: Tensor) -> Tensor:
        """`SpanScorer.forward`."""
        batch, length, dim = starts.shape
        width = self.band_width(length)
        blocks = max(1, math.ceil(length / _ROWS_PER_BLOCK))
        rows = max(1, math.ceil(length / blocks))
        columns = rows + width - 1  # the last tokens of a block's spans
        starts = F.pad(starts, (0, 0, 0, blocks * rows - length))
        ends = F.pad(ends, (0, 0, 0, blocks * rows + width - 1 - length))

        # W_c = [[U_c, a_c], [b_cᵀ, d_c]]; what multiplies E_j is U_cᵀ S_i + b_c, the rest is a_cᵀ S_i + d_c.
        bilinear, rest = self.weight[:, :dim, :dim], self.weight[:, :dim, dim]
        # Shape: (batch, blocks * rows, num_classes * dim)
        queries = F.linear(starts, bilinear.transpose(1, 2).flatten(0, 1), self.weight[:, dim, :dim].flatten())
        # Shape: (batch, blocks * rows, num_classes)
        offsets = F.linear(starts, rest, self.weight[:, dim, dim])

        # One product per block scores its rows against all its columns.
        windows = ends.unfold(1, columns, rows).flatten(0, 1)  # Shape: (batch * blocks, dim, columns)
        queries = queries.reshape(batch * blocks, rows * self.num_classes, dim)
        offsets = offsets.reshape(batch * blocks, rows * self.num_classes, 1)
        # Shape: (batch * blocks, rows * num_classes, columns)
        dense = torch.baddbmm(offsets, queries, windows).contiguous()

        # Row r's band starts at column r: one step in rows is also one in columns. (Strides hold for this layout only.)
        row_stride = self.num_classes * columns
        band = dense.as_strided(
            (batch, self.num_classes, blocks, rows, width),
            (blocks * rows * row_stride, columns, rows * row_stride, row_stride + 1, 1),
        )
        # Classes stay outermost in memory, where what follows reduces over them ten times as fast.
        band = band.reshape(batch, self.num_classes, blocks * rows, width)[:, :, :length].permute(0, 2, 3, 1)
        return band if self.width_features is None else band + self.width_features(width).to(band.dtype)


def span_mask(mask: Tensor, width: int) -> Tensor:
    """
    Which cells of a band are spans of the text: from a real token to a real token, and only real ones between.

    # Parameters

    mask : `torch.BoolTensor`
        Which tokens are real. Shape: (batch, length)
    width : `int`
        The band's number of widths.

    # Returns

    `torch.BoolTensor`
        Shape: (batch, length, width)
    """
    # Real tokens before each position; past the end there is none. Shape: (batch, length + width)
    before = F.pad(F.pad(mask, (0, width - 1)).cumsum(1), (1, 0))
    through = before[:, 1:].unfold(1, width, 1)  # Shape: (batch, length, width)
    widths = torch.arange(1, width + 1, device=mask.device)
    return through - before[:, : mask.size(1), None] == widths
