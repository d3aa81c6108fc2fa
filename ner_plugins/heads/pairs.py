"""The heads `enumeration` and `dense`: every span up to a width, from its two ends and its width."""

from typing import Optional

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ner_plugins.errors import ConfigError
from ner_plugins.heads.pair_scorer import score_pairs
from ner_plugins.heads.span_head import SpanHead

_PUBLISHED_WIDTH = 10

# Hidden units of the dense form held at a time.
_UNITS_AT_A_TIME = 1 << 24


@SpanHead.register("enumeration")
class EnumerationSpanHead(SpanHead):
    """
    A classifier of every span up to a width, as bert4ner.pytorch's "span-v2": the vectors of the first and the last
    token and an embedding of the width, `[H_i; H_j; E_(j - i + 1)]`, through linear, ReLU, linear.

    The first linear layer is the sum of a term for each part, so no span's vector is put together: a term for each
    token as first, one for each as last, one for each width. The hidden units of all spans never stand in memory (see
    `ner_plugins.heads.pair_scorer.score_pairs`), which grows with length × width × classes.

    # Parameters

    input_dim, num_classes
        See `SpanHead`.
    max_span_width : `Optional[int]`, optional (default = `None`)
        The widest span, in tokens; `None` for 10, as published.
    width_dim : `int`, optional (default = `150`)
        Size of the width embedding.
    hidden_dim : `Optional[int]`, optional (default = `None`)
        Number of hidden units; `None` for `input_dim`, as published.

    # Raises

    `ConfigError` when a size is below 1.
    """

    max_span_width: int

    def __init__(
        self,
        input_dim: int,
        num_classes: int,
        max_span_width: Optional[int] = None,
        width_dim: int = 150,
        hidden_dim: Optional[int] = None,
    ) -> None:
        super().__init__(input_dim, num_classes, _PUBLISHED_WIDTH if max_span_width is None else max_span_width)
        units = input_dim if hidden_dim is None else hidden_dim
        if min(width_dim, units) < 1:
            raise ConfigError(f"width_dim and hidden_dim are at least 1, not {width_dim} and {units}")
        # Row 0 belongs to what is no span, which only the dense form has.
        self.width_embedding = nn.Embedding(self.max_span_width + 1, width_dim)
        self.hidden = nn.Linear(2 * input_dim + width_dim, units)
        self.classifier = nn.Linear(units, num_classes)

    def forward(self, encoded: Tensor, mask: Tensor) -> Tensor:
        """The band of scores. Shape: (batch, length, band_width(length), num_classes)."""
        starts, ends, widths = self._terms(encoded)
        widths = widths[1 : self.band_width(encoded.size(1)) + 1]
        return score_pairs(starts, ends, widths, self.classifier.weight, self.classifier.bias, F.relu)

    def _terms(self, encoded: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What a first token, a last token and a width add to the hidden units, bias included; row 0: no span."""
        sizes = [self.input_dim, self.input_dim, self.width_embedding.embedding_dim]
        of_start, of_end, of_width = torch.split(self.hidden.weight, sizes, 1)
        starts = F.linear(encoded, of_start, self.hidden.bias)  # Shape of this and ends: (batch, length, units)
        ends = F.linear(encoded, of_end)
        return starts, ends, F.linear(self.width_embedding.weight, of_width)


@SpanHead.register("dense")
class DenseSpanHead(EnumerationSpanHead):
    """
    `EnumerationSpanHead` computed as bert4ner.pytorch's "span-v3": every pair of tokens is scored, and the band is cut
    from the square. Parameters and scores are the same; the time grows with the square of the length. It is here to
    compare with, and as the plain form of the other.
    """

    def forward(self, encoded: Tensor, mask: Tensor) -> Tensor:
        """The band of scores. Shape: (batch, length, band_width(length), num_classes)."""
        batch, length, _ = encoded.shape
        starts, ends, widths = self._terms(encoded)
        rows = max(1, _UNITS_AT_A_TIME // (batch * length * starts.size(-1)))
        blocks = [
            checkpoint(
                self._band_of_rows,
                starts[:, first : first + rows],
                ends,
                widths,
                first,
                use_reentrant=False,
                preserve_rng_state=False,
            )
            for first in range(0, length, rows)
        ]
        return torch.cat(blocks, 1)

    def _band_of_rows(self, starts: Tensor, ends: Tensor, widths: Tensor, first: int) -> Tensor:
        """The part of the band whose spans begin at the tokens `first`, `first + 1` … that `starts` holds."""
        square = self._rows(starts, ends, widths, first)
        rows, length = square.shape[1:3]
        row = torch.arange(rows, device=square.device).unsqueeze(1)
        last = first + row + torch.arange(self.band_width(length), device=square.device)
        return square[:, row, last.clamp(max=length - 1)]

    def _rows(self, starts: Tensor, ends: Tensor, widths: Tensor, first: int) -> Tensor:
        """Rows of the square: some first tokens against every last one. Shape: (batch, rows, length, classes)"""
        row = torch.arange(first, first + starts.size(1), device=ends.device)
        width = torch.arange(ends.size(1), device=ends.device) - row.unsqueeze(1) + 1
        width = width.masked_fill((width < 1) | (width > self.max_span_width), 0)
        logits: Tensor = self.classifier(F.relu(starts.unsqueeze(2) + ends.unsqueeze(1) + widths[width]))
        return logits
