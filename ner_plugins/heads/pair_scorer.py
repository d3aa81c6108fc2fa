"""The score of a span by a feed-forward network over its two ends, without concatenating their vectors."""

from typing import Any, Hashable, Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ner_plugins.heads.activations import ACTIVATIONS, Activation, ActivationName
from ner_plugins.heads.span_scorer import Init, SpanScorer, WidthFeatureKind, WidthFeatures, none_bias
from ner_plugins.heads.type_axes import Axes


@SpanScorer.register("pair_ffn")
class PairSpanScorer(SpanScorer):
    """
    The score of a span as `V act(W [S_i; E_j] + a) + b`, a feed-forward network on its first and its last token, with
    no bilinear term (the "biaffine" head of bert4ner.pytorch, whose projections to S and E are the identity).

    `W [S_i; E_j]` is `W_s S_i + W_e E_j`, so each token is multiplied once instead of once per span (`score_pairs`).

    # Parameters

    input_dim, num_classes, max_span_width
        See `SpanScorer`.
    init : `str`, optional (default=`"zeros"`)
        Of V: `zeros`, `xavier` or `orthogonal`. W is always `xavier`.
    hidden_dim : `Optional[int]`, optional (default=`None`)
        Size of the hidden layer; `None` for `input_dim`.
    activation : `str`, optional (default=`"gelu"`)
        See `ner_plugins.heads.activations`.
    width_features : `Optional[str]`, optional (default=`None`)
        A learned vector for the span's width, added before the activation: `exact` or `bucketed` (`WidthFeatures`).
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
        hidden_dim: Optional[int] = None,
        activation: ActivationName = "gelu",
        width_features: Optional[WidthFeatureKind] = None,
        prior: Optional[float] = None,
    ) -> None:
        super().__init__(input_dim, num_classes, max_span_width, init, prior)
        hidden_dim = hidden_dim or input_dim
        self.hidden = nn.Linear(2 * input_dim, hidden_dim)
        self.output = nn.Linear(hidden_dim, num_classes)
        self.width_features = (
            None if width_features is None else WidthFeatures(width_features, max_span_width, hidden_dim)
        )
        self.activation = activation
        nn.init.xavier_uniform_(self.hidden.weight)
        if init == "zeros":
            nn.init.zeros_(self.output.weight)
        elif init == "xavier":
            nn.init.xavier_uniform_(self.output.weight)
        else:
            nn.init.orthogonal_(self.output.weight)
        nn.init.zeros_(self.hidden.bias)
        nn.init.zeros_(self.output.bias)
        with torch.no_grad():
            self.output.bias[0] = none_bias(prior, num_classes)

    def forward(self, starts: Tensor, ends: Tensor) -> Tensor:
        """`SpanScorer.forward`."""
        width = self.band_width(starts.size(1))
        of_start, of_end = torch.split(self.hidden.weight, self.input_dim, dim=1)
        starts, ends = F.linear(starts, of_start, self.hidden.bias), F.linear(ends, of_end)
        if self.width_features is None:
            widths = starts.new_zeros(width, starts.size(-1))
        else:
            widths = self.width_features(width)
        output, activation = self.output, ACTIVATIONS[self.activation]
        return score_pairs(starts, ends, widths, output.weight, output.bias, activation)

    def class_axes(self, classes: Sequence[Hashable]) -> dict[str, Axes]:
        """`SpanScorer.class_axes`: the output layer."""
        return {"output.weight": (classes, None), "output.bias": (classes,)}


def score_pairs(
    starts: Tensor, ends: Tensor, widths: Tensor, weight: Tensor, bias: Tensor, activation: Activation
) -> Tensor:
    """
    `weight activation(starts_i + ends_(i + w) + widths_w) + bias` for every cell of a band.

    The hidden layer of all cells is never in memory at once: one width is computed at a time, and again in the backward
    pass, so memory is that of the token vectors. It is computed in the dtype of `starts`, autocast's.

    # Parameters

    starts, ends : `torch.Tensor`
        Shape: (batch, length, hidden)
    widths : `torch.Tensor`
        Shape: (width, hidden)
    weight, bias : `torch.Tensor`
        Shape: (classes, hidden) and (classes,)
    activation : `Callable[[Tensor], Tensor]`
        Element by element.

    # Returns

    `torch.Tensor`
        0 where a cell reaches past the end. Shape: (batch, length, width, classes)
    """
    dtype = starts.dtype
    widths, weight, bias = widths.to(dtype), weight.to(dtype), bias.to(dtype)
    band: Tensor = _ScorePairs.apply(starts, ends, widths, weight, bias, activation)  # type: ignore[no-untyped-call]
    return band


class _ScorePairs(torch.autograd.Function):
    """`score_pairs` with its gradient."""

    @staticmethod
    def forward(
        ctx: Any, starts: Tensor, ends: Tensor, widths: Tensor, weight: Tensor, bias: Tensor, activation: Activation
    ) -> Tensor:
        ctx.save_for_backward(starts, ends, widths, weight)
        ctx.activation = activation
        batch, length, _ = starts.shape
        band = starts.new_zeros(batch, len(weight), length, len(widths)).permute(0, 2, 3, 1)  # as BiaffineSpanScorer's
        for w in range(min(len(widths), length)):
            hidden = activation(starts[:, : length - w] + widths[w] + ends[:, w:])
            band[:, : length - w, w] = F.linear(hidden, weight, bias)
        return band

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Optional[Tensor], ...]:
        starts, ends, widths, weight = ctx.saved_tensors
        # Sums over many widths or cells need float32 at least.
        exact = torch.promote_types(starts.dtype, torch.float32)
        of_starts, of_ends = torch.zeros_like(starts, dtype=exact), torch.zeros_like(ends, dtype=exact)
        of_widths, of_weight = torch.zeros_like(widths, dtype=exact), torch.zeros_like(weight, dtype=exact)
        of_bias = weight.new_zeros(len(weight), dtype=exact)
        length = starts.size(1)
        for w in range(min(len(widths), length)):
            cells = gradient[:, : length - w, w]  # Shape: (batch, length - w, classes)
            with torch.enable_grad():
                before = (starts[:, : length - w] + widths[w] + ends[:, w:]).detach().requires_grad_()
                hidden = ctx.activation(before)
            (of_before,) = torch.autograd.grad(hidden, before, cells @ weight)
            of_starts[:, : length - w] += of_before
            of_ends[:, w:] += of_before
            of_widths[w] = of_before.sum((0, 1), dtype=exact)
            of_weight += cells.flatten(0, 1).t() @ hidden.detach().flatten(0, 1)
            of_bias += cells.sum((0, 1), dtype=exact)
        gradients = (of_starts, of_ends, of_widths, of_weight, of_bias)
        return (*(of_input.to(starts.dtype) for of_input in gradients), None)
