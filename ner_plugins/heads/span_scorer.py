"""The base of scorers of typed spans, and a span's width as a feature of its score."""

import math
from abc import ABC, abstractmethod
from typing import ClassVar, Hashable, Literal, Optional, Sequence

import torch
from allennlp.common import Registrable
from torch import Tensor, nn

from ner_plugins.errors import ConfigError
from ner_plugins.heads.band import SpanBand
from ner_plugins.heads.type_axes import Axes

Init = Literal["zeros", "xavier", "orthogonal"]
WidthFeatureKind = Literal["exact", "bucketed"]

# The smallest width of each bucket (Lee et al. 2017, section 5).
_BUCKETS = (1, 2, 3, 4, 5, 8, 16, 32, 64)


class SpanScorer(SpanBand, Registrable, ABC):
    """
    Scores every typed span up to a width, from the vectors of each token as the first and as the last token of a span.
    A subclass implements `forward`.

    # Parameters

    input_dim : `int`
        Size of the start and the end vectors.
    num_classes, max_span_width
        See `SpanBand`.
    init : `str`, optional (default=`"zeros"`)
        The initial weights: `zeros`, so that every class is equally likely, `xavier` (Glorot & Bengio 2010), or
        `orthogonal` (Saxe et al. 2014).
    prior : `Optional[float]`, optional (default=`None`)
        The initial probability that a span is an entity: see `none_bias`. `None` for a bias of 0.

    # Raises

    `ConfigError` as `SpanBand` and `none_bias`.
    """

    default_implementation = "biaffine"
    fixed_options: ClassVar[frozenset[str]] = frozenset({"input_dim", "num_classes", "max_span_width", "init", "prior"})
    """What the head gives; a config that gives one of these is refused."""

    def __init__(
        self,
        input_dim: int,
        num_classes: int,
        max_span_width: Optional[int] = None,
        init: Init = "zeros",
        prior: Optional[float] = None,
    ) -> None:
        super().__init__(input_dim, num_classes, max_span_width)

    @abstractmethod
    def forward(self, starts: Tensor, ends: Tensor) -> Tensor:
        """
        # Parameters

        starts, ends : `torch.Tensor`
            The vectors of each token as the first, and as the last, token of a span. Shape: (batch, length, input_dim)

        # Returns

        `torch.Tensor`
            Scores; cell [b, i, w] is the span of tokens i..i + w inclusive. Cells that reach past the text's end are
            finite and have no meaning (see `span_mask`). Shape: (batch, length, band_width(length), num_classes)
        """

    def class_axes(self, classes: Sequence[Hashable]) -> dict[str, Axes]:
        """
        Which parameters depend on the classes: see `Head.type_axes`.

        # Parameters

        classes : `Sequence[Hashable]`
            What each class stands for.

        # Raises

        `ConfigError` if the scorer does not define it.
        """
        raise ConfigError(
            f'the scorer {type(self).__name__} has no `class_axes`, which new_types: "extend" needs; "replace" gives '
            "the encoder a new head"
        )


def none_bias(prior: Optional[float], num_classes: int) -> float:
    """
    The bias of class 0, "not an entity", at which the other classes, with logits of 0, have the probability `prior`
    together (Lin et al. 2017, "Focal Loss for Dense Object Detection", section 3.3).

    Among a text's spans one in a thousand is an entity. Without such a bias the loss of all the others is large at
    first, and the first updates learn little else than that entities are rare.

    # Parameters

    prior : `Optional[float]`
        `None` for a bias of 0.
    num_classes : `int`
        The types and "not an entity".

    # Raises

    `ConfigError` if `prior` is not between 0 and 1.
    """
    if prior is None:
        return 0.0
    if not 0.0 < prior < 1.0:
        raise ConfigError(f"prior must be between 0 and 1, got {prior}")
    return math.log((num_classes - 1) * (1.0 - prior) / prior)


class WidthFeatures(nn.Module):
    """
    A learned vector for each width of a span, initially zero, which a scorer adds to its own terms (the width embedding
    of Lee et al. 2017, "End-to-end Neural Coreference Resolution", with its linear map multiplied out).

    Biaffine-BERT-NER tried BERT's absolute position embedding at either end of the span instead and lost a point of F1.
    That feature is also undefined for texts longer than the encoder's positions.

    # Parameters

    kind : `str`
        `exact`, a vector per width; or `bucketed`, one for each of 1, 2, 3, 4, 5-7, 8-15, 16-31, 32-63 and 64 tokens
        or more.
    max_span_width : `Optional[int]`
        The widest span; `exact` needs it.
    dim : `int`
        Size of the vectors.

    # Raises

    `ConfigError` if `kind` is `exact` and `max_span_width` is `None`.
    """

    bounds: Tensor

    def __init__(self, kind: WidthFeatureKind, max_span_width: Optional[int], dim: int) -> None:
        super().__init__()
        if kind == "exact" and max_span_width is None:
            raise ConfigError("width_features 'exact' needs max_span_width; without a limit use 'bucketed'")
        bounds = range(1, (max_span_width or 0) + 1) if kind == "exact" else _BUCKETS
        self.register_buffer("bounds", torch.tensor(bounds), persistent=False)
        self.weight = nn.Parameter(torch.zeros(len(bounds), dim))

    def forward(self, width: int) -> Tensor:
        """The vectors of the widths 1 .. `width`. Shape: (width, dim)"""
        widths = torch.arange(1, width + 1, device=self.weight.device)
        return self.weight[torch.searchsorted(self.bounds, widths, right=True) - 1]
