"""The heads `global_pointer` and `efficient_global_pointer`: spans scored by products of rotated vectors."""

import math
from typing import Any, NamedTuple, Optional, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from ner_plugins.errors import ConfigError
from ner_plugins.heads.band_products import band_products
from ner_plugins.heads.head import Head
from ner_plugins.heads.rotary import rotate
from ner_plugins.heads.span_head import BandDecoding, SpanHead
from ner_plugins.heads.type_axes import Axes
from ner_plugins.modules.losses.multi_label import MultiLabelLoss
from ner_plugins.modules.losses.span_loss import CellLoss


class PointerTerms(NamedTuple):
    """
    What the score of a span is a sum of; `products` is 1 where the types share a product, else their number.

    # Parameters

    queries, keys : `torch.Tensor`
        Vectors of first and of last tokens, whose product it is. Shape: (batch, products, tokens, inner_dim)
    of_start, of_end : `Optional[torch.Tensor]`
        What a first and a last token add to each type. Shape: (batch, types, tokens)
    """

    queries: Tensor
    keys: Tensor
    of_start: Optional[Tensor] = None
    of_end: Optional[Tensor] = None


@Head.register("global_pointer")
class GlobalPointerHead(SpanHead):
    """
    GlobalPointer (Su et al. 2022, "Global Pointer: Novel Efficient Span-based Approach for Named Entity Recognition").
    For each type two linear layers give every token a vector as the first and one as the last token
    of a span; the score of the span of tokens i..j for the type t is their product, scaled as in attention,

        s_t(i, j) = q_t(i) · k_t(j) / √inner_dim

    where q and k are rotated by their positions (`rotate`). The score of "not an entity" is 0: published decoding
    predicts a span where s > 0. A span has at most one type here, the one that scores highest.

    With the default loss a probability is `sigmoid(s)`: see `MultiLabelLoss`. With a loss over classes, such as
    `cross_entropy`, it is the softmax over 0 and the scores of the types.

    Scores stay in a band of `max_span_width`: there are none of the square's lower triangle, which the published code
    masks by -1e12, too much for float16.

    # Parameters

    encoding_dim, types, max_span_width
        See `SpanHead`.
    inner_dim : `int`, optional (default=`64`)
        Size of the vectors, an even number.
    rope : `bool`, optional (default=`True`)
        Whether the vectors are rotated by their positions. Published models without it lost 1 point and more.
    loss : `Optional[CellLoss]`, optional (default=`None`)
        `None` for `multi_label`, averaged over sentences and types.
    decoding : `str`, optional (default=`"flat_optimal"`)
        `flat_greedy`, `flat_optimal` or `nested`.
    **kwargs
        See `SpanHead`.

    # Raises

    `ConfigError` if `inner_dim` is below 2 or odd.
    """

    def __init__(
        self,
        encoding_dim: int,
        types: Sequence[str],
        inner_dim: int = 64,
        rope: bool = True,
        max_span_width: Optional[int] = None,
        loss: Optional[CellLoss] = None,
        decoding: BandDecoding = "flat_optimal",
        **kwargs: Any,
    ) -> None:
        loss = loss or MultiLabelLoss()
        super().__init__(encoding_dim, types, max_span_width, loss, decoding=decoding, **kwargs)
        if inner_dim < 2 or inner_dim % 2:
            raise ConfigError(f"inner_dim must be an even number, at least 2, got {inner_dim}")
        self.inner_dim, self.rope = inner_dim, rope
        self.projection = _linear(encoding_dim, self.products * 2 * inner_dim)

    @property
    def products(self) -> int:
        """How many products a span has."""
        return len(self.types)

    def score(self, encoded: Tensor, mask: Tensor) -> Tensor:
        """The scores of the typed spans, and 0 for class 0. Shape: (batch, tokens, width, types + 1)"""
        terms = self.terms(encoded)
        batch, products, length, _ = terms.queries.shape
        width = self.band_width(length)
        flat = band_products(terms.queries.flatten(0, 1).unsqueeze(2), terms.keys.flatten(0, 1), width)
        scores = flat.view(batch, products, length, width)
        if terms.of_start is not None and terms.of_end is not None:
            ends = F.pad(terms.of_end, (0, width - 1)).unfold(2, width, 1)  # Shape: (batch, types, tokens, width)
            scores = scores + terms.of_start.unsqueeze(3) + ends
        return F.pad(scores, (0, 0, 0, 0, 1, 0)).permute(0, 2, 3, 1)

    def terms(self, encoded: Tensor) -> PointerTerms:
        """What each token adds to its spans' scores. The queries are scaled. Shape of `encoded`: as in `score`"""
        projected = self.projection(encoded).unflatten(2, (self.products, 2, self.inner_dim))
        queries, keys = projected.permute(3, 0, 2, 1, 4).unbind(0)  # Shape of each: (batch, types, tokens, inner_dim)
        return PointerTerms(*self._placed(queries, keys))

    def type_axes(self) -> dict[str, Axes]:
        """The vectors of each type."""
        rows = [(name, unit) for name in self.types for unit in range(2 * self.inner_dim)]
        return {"projection.weight": (rows, None), "projection.bias": (rows,)}

    def _placed(self, queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        if self.rope:
            queries, keys = rotate(queries), rotate(keys)
        return queries / math.sqrt(self.inner_dim), keys  # before the product, which fits float16 then


@Head.register("efficient_global_pointer")
class EfficientGlobalPointerHead(GlobalPointerHead):
    """
    Efficient GlobalPointer (the same paper as `GlobalPointerHead`): the types share one product, which finds entities,
    and each has a score of its own for either end, which tells their types,

        s_t(i, j) = q(i) · k(j) / √inner_dim + (a_t(i) + b_t(j)) / 2

    where q and k are the even and the odd coordinates of p = W h, rotated by their positions, and a and b are linear in
    p. Its parameters hardly grow with the number of types.

    `GlobalPointerHead` says what a score, a probability and each parameter is. `bias` computes 2 types numbers for each
    token: b of the type t at 2 t, a at 2 t + 1, as in the authors' code.
    """

    def __init__(self, encoding_dim: int, types: Sequence[str], inner_dim: int = 64, **kwargs: Any) -> None:
        super().__init__(encoding_dim, types, inner_dim, **kwargs)
        self.bias = _linear(2 * inner_dim, 2 * len(types))

    @property
    def products(self) -> int:
        """One, which all types share."""
        return 1

    def terms(self, encoded: Tensor) -> PointerTerms:
        """`GlobalPointerHead.terms`."""
        projected = self.projection(encoded)  # Shape: (batch, tokens, 2 * inner_dim)
        queries, keys = projected.unflatten(2, (self.inner_dim, 2)).unsqueeze(1).unbind(-1)
        ends, starts = (self.bias(projected) / 2).unflatten(2, (len(self.types), 2)).transpose(1, 2).unbind(-1)
        return PointerTerms(*self._placed(queries, keys), starts, ends)

    def type_axes(self) -> dict[str, Axes]:
        """The scores of each type for either end."""
        rows = [(name, end) for name in self.types for end in ("last", "first")]
        return {"bias.weight": (rows, None), "bias.bias": (rows,)}


def _linear(input_dim: int, output_dim: int) -> nn.Linear:
    """With Glorot & Bengio's weights, as in the authors' code."""
    layer = nn.Linear(input_dim, output_dim)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
