"""The head `pairs`: classifies every span up to a width by its two ends and its width."""

from typing import Any, Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ner_plugins.errors import ConfigError
from ner_plugins.heads.head import Head
from ner_plugins.heads.pair_scorer import score_pairs
from ner_plugins.heads.span_head import BandDecoding, SpanHead
from ner_plugins.heads.span_scorer import none_bias
from ner_plugins.heads.type_axes import Axes

_PUBLISHED_WIDTH = 10


@Head.register("dense")  # bert4ner.pytorch's "span-v3", which computes the same scores from every pair of tokens
@Head.register("enumeration")  # its "span-v2"
@Head.register("pairs")
class PairsHead(SpanHead):
    """
    A classifier of every span up to a width, as bert4ner.pytorch's "span-v2": the vectors of the first and the last
    token and an embedding of the width, `[H_i; H_j; E_(j - i + 1)]`, through linear, ReLU, linear.

    The first linear layer is a sum of one term for each part, so no span's vector is concatenated. The hidden units of
    all spans are never in memory at once (see `score_pairs`): memory grows with length × width × classes.

    # Parameters

    encoding_dim, types
        See `Head`.
    max_span_width : `Optional[int]`, optional (default=`None`)
        The widest span, in tokens; `None` for 10, as published.
    width_dim : `int`, optional (default=`150`)
        Size of the width embedding.
    hidden_dim : `Optional[int]`, optional (default=`None`)
        Number of hidden units; `None` for `encoding_dim`, as published.
    prior : `Optional[float]`, optional (default=`None`)
        The initial probability that a span is an entity, by the bias of "not an entity" (`none_bias`); `None` for the
        random bias of a linear layer, as published.
    decoding : `str`, optional (default=`"flat_optimal"`)
        `flat_greedy`, `flat_optimal` or `nested`.
    **kwargs
        See `SpanHead`.

    # Raises

    `ConfigError` if a size is below 1.
    """

    max_span_width: int

    def __init__(
        self,
        encoding_dim: int,
        types: Sequence[str],
        max_span_width: Optional[int] = None,
        width_dim: int = 150,
        hidden_dim: Optional[int] = None,
        prior: Optional[float] = None,
        decoding: BandDecoding = "flat_optimal",
        **kwargs: Any,
    ) -> None:
        width = _PUBLISHED_WIDTH if max_span_width is None else max_span_width
        super().__init__(encoding_dim, types, max_span_width=width, decoding=decoding, **kwargs)
        units = encoding_dim if hidden_dim is None else hidden_dim
        if min(width_dim, units) < 1:
            raise ConfigError(f"width_dim and hidden_dim must be >= 1, got {width_dim} and {units}")
        self.width_embedding = nn.Embedding(width + 1, width_dim)  # row w embeds the width w; row 0 is unused
        self.hidden = nn.Linear(2 * encoding_dim + width_dim, units)
        self.classifier = nn.Linear(units, self.num_classes)
        if prior is not None:
            with torch.no_grad():
                self.classifier.bias[0] = none_bias(prior, self.num_classes)

    def score(self, encoded: Tensor, mask: Tensor) -> Tensor:
        """The band of scores. Shape: (batch, length, band_width(length), num_classes)."""
        starts, ends, widths = self._terms(encoded)
        widths = widths[1 : self.band_width(encoded.size(1)) + 1]
        return score_pairs(starts, ends, widths, self.classifier.weight, self.classifier.bias, F.relu)

    def type_axes(self) -> dict[str, Axes]:
        """The classifier."""
        return {"classifier.weight": (self.classes, None), "classifier.bias": (self.classes,)}

    def _terms(self, encoded: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What a first token (with the bias), a last token and a width add to the hidden units."""
        sizes = [self.encoding_dim, self.encoding_dim, self.width_embedding.embedding_dim]
        of_start, of_end, of_width = torch.split(self.hidden.weight, sizes, 1)
        starts = F.linear(encoded, of_start, self.hidden.bias)  # Shape of this and ends: (batch, length, units)
        ends = F.linear(encoded, of_end)
        return starts, ends, F.linear(self.width_embedding.weight, of_width)
