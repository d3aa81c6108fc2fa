"""The biaffine score of every typed span in a band of widths."""

import math
from typing import Hashable, Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ner_plugins.heads.band_products import band_products
from ner_plugins.heads.span_scorer import Init, SpanScorer, WidthFeatureKind, WidthFeatures, none_bias
from ner_plugins.heads.type_axes import Axes


@SpanScorer.register("biaffine")
class BiaffineSpanScorer(SpanScorer):
    """
    The score of every typed span up to a width: `[S_i; 1]ᵀ W_c [E_j; 1]` for the tokens i..j and the class c. It has a
    bilinear term, a linear term in either end, and a bias per class (Yu et al. 2020, equation 3, as released).

    Only the band of cells (i, j = i + w) with w below the width is computed, so time and memory grow with
    length × width instead of length².

    # Parameters

    input_dim, num_classes, max_span_width
        See `SpanScorer`.
    init : `str`, optional (default=`"zeros"`)
        `zeros`, as published: every class is equally likely at first; `xavier`: each class's matrix is uniform as in
        Glorot & Bengio 2010, linear terms and biases are zero; or `orthogonal`: the matrices of the classes, read as
        vectors, are orthonormal, and so are the linear terms (boundary smoothing as released, Zhu & Li 2022).
    width_features : `Optional[str]`, optional (default=`None`)
        Adds a learned score of each class for the span's width: `exact` or `bucketed` (`WidthFeatures`).
    prior : `Optional[float]`, optional (default=`None`)
        See `SpanScorer`.

    # Raises

    `ConfigError` as `SpanScorer` and `WidthFeatures`.
    """

    def __init__(
        self,
        input_dim: int,
        num_classes: int,
        max_span_width: Optional[int] = None,
        init: Init = "zeros",
        width_features: Optional[WidthFeatureKind] = None,
        prior: Optional[float] = None,
    ) -> None:
        super().__init__(input_dim, num_classes, max_span_width, init, prior)
        self.weight = nn.Parameter(torch.zeros(num_classes, input_dim + 1, input_dim + 1))
        self.width_features = (
            None if width_features is None else WidthFeatures(width_features, max_span_width, num_classes)
        )
        self._initialise(init, prior)

    @torch.no_grad()
    def _initialise(self, init: Init, prior: Optional[float]) -> None:
        dim = self.input_dim
        self.weight[0, dim, dim] = none_bias(prior, self.num_classes)
        if init == "xavier":
            bound = math.sqrt(6.0 / (dim + dim))
            self.weight[:, :dim, :dim].uniform_(-bound, bound)
        elif init == "orthogonal":
            self.weight[:, :dim, :dim] = nn.init.orthogonal_(torch.empty(self.num_classes, dim, dim))
            linear = nn.init.orthogonal_(torch.empty(self.num_classes, 2 * dim))
            self.weight[:, :dim, dim], self.weight[:, dim, :dim] = linear[:, :dim], linear[:, dim:]

    def forward(self, starts: Tensor, ends: Tensor) -> Tensor:
        """`SpanScorer.forward`."""
        batch, length, dim = starts.shape
        # W_c = [[U_c, a_c], [b_cᵀ, d_c]]: E_j is multiplied by U_cᵀ S_i + b_c; the rest is a_cᵀ S_i + d_c.
        bilinear, rest = self.weight[:, :dim, :dim], self.weight[:, :dim, dim]
        # Shape: (batch, length, num_classes * dim)
        queries = F.linear(starts, bilinear.transpose(1, 2).flatten(0, 1), self.weight[:, dim, :dim].flatten())
        offsets = F.linear(starts, rest, self.weight[:, dim, dim])  # Shape: (batch, length, num_classes)
        width = self.band_width(length)
        band = band_products(queries.view(batch, length, self.num_classes, dim), ends, width, offsets)
        band = band.permute(0, 2, 3, 1)  # classes stay outermost in memory
        return band if self.width_features is None else band + self.width_features(width).to(band.dtype)

    def class_axes(self, classes: Sequence[Hashable]) -> dict[str, Axes]:
        """`SpanScorer.class_axes`: the matrix of each class, and its score of each width."""
        axes: dict[str, Axes] = {"weight": (classes, None, None)}
        return axes if self.width_features is None else {**axes, "width_features.weight": (None, classes)}
