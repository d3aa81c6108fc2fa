"""What heads that score spans share: options, loss, decoding, and the gold within reach."""

from typing import Any, ClassVar, Iterable, Literal, Optional, Sequence

from allennlp.common import Lazy, Params
from torch import Tensor

from ner_plugins.archives.assets import is_loading
from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError
from ner_plugins.heads.band import band_width, checked_width, reachable_spans, span_mask
from ner_plugins.heads.candidates import TypeBand, band_of_types, candidates_in_band, probabilities_in_band
from ner_plugins.heads.decoding import MODES, DecodedSpans, decode_spans
from ner_plugins.heads.distributions import DistributionAxis, inside, log_sigmoids, log_softmax
from ner_plugins.heads.divergence import symmetric_divergence
from ner_plugins.heads.head import Head
from ner_plugins.modules.crf.tagging import Spans
from ner_plugins.modules.losses.sampling import NegativeSampling
from ner_plugins.modules.losses.span_loss import CellLoss, CrossEntropyLoss, span_targets
from ner_plugins.modules.losses.weighted_loss import WeightedLoss

BandDecoding = Literal["flat_greedy", "flat_optimal", "nested"]
Decoding = Literal["flat_greedy", "flat_optimal", "nested", "published"]
DecodingScore = Literal["margin", "logit", "probability"]


class SpanHead(Head):
    """
    A head that scores every typed span up to a width. A subclass gives `score`, which returns a band of logits: cell
    [b, i, w] scores the span of tokens i..i + w inclusive, class 0 is "not an entity" and class t + 1 the type t. Cells
    past a text's end are finite and mean nothing. Shape: (batch, tokens, band_width(tokens), types + 1)

    # Parameters

    encoding_dim, types
        See `Head`.
    max_span_width : `Optional[int]`, optional (default=`None`)
        The widest span, in tokens, that can be predicted; `None` for no limit. Wider gold counts as missed.
    loss : `Optional[CellLoss]`, optional (default=`None`)
        `None` for softmax cross-entropy, averaged over the spans.
    negative_sampling : `Optional[NegativeSampling]`, optional (default=`None`)
        Which spans that are no entity count in a training step; `None` for all.
    decoding : `str`, optional (default=`"flat_optimal"`)
        One of `decodings`: see `ner_plugins.heads.decoding.decode_spans`.
    decoding_score : `str`, optional (default=`"margin"`)
        What `flat_greedy` and `nested` rank by: `margin` over "not an entity", `logit` or `probability`.

    # Raises

    `ConfigError` if `decoding` is not one of `decodings`, if `loss` is not for this head, or if `max_span_width` is
    below 1.
    """

    scores_band: ClassVar[bool] = True
    """Whether `score` returns a band of spans, which a loss over neighbouring spans needs."""
    decodings: ClassVar[tuple[str, ...]] = MODES
    """The values of `decoding` that this head can have."""
    shared_options: ClassVar[frozenset[str]] = frozenset(
        {"max_span_width", "loss", "negative_sampling", "decoding", "decoding_score"}
    )
    """The options that a `span` model takes for its head."""

    def __init__(
        self,
        encoding_dim: int,
        types: Sequence[str],
        max_span_width: Optional[int] = None,
        loss: Optional[CellLoss] = None,
        negative_sampling: Optional[NegativeSampling] = None,
        decoding: Decoding = "flat_optimal",
        decoding_score: DecodingScore = "margin",
    ) -> None:
        super().__init__(encoding_dim, types)
        if decoding not in self.decodings:
            *others, last = self.decodings
            raise ConfigError(f'decoding is "{decoding}"; with this head it can be {", ".join(others)} or {last}')
        if loss is not None and loss.needs_band and not self.scores_band:
            raise ConfigError("the loss is over spans together, but this head scores tokens, not spans")
        self.max_span_width = checked_width(max_span_width)
        self.span_loss = loss or CrossEntropyLoss(reduction="cells")
        self.span_loss.name_classes(self.classes)
        self.negative_sampling = negative_sampling
        self.decoding = decoding
        self.decoding_score = decoding_score

    @property
    def num_classes(self) -> int:
        """The types and "not an entity"."""
        return len(self.types) + 1

    @property
    def classes(self) -> list[Optional[str]]:
        """What each class stands for: `None` for "not an entity", then the types."""
        return [None, *self.types]

    def band_width(self, length: int) -> int:
        """The number of widths scored for texts of `length` tokens."""
        return band_width(length, self.max_span_width)

    @classmethod
    def check_config(cls, params: Params) -> None:
        """
        Check the parameters of a `span` model, as a model or as a head; other heads have no `head` in theirs.

        # Raises

        `ConfigError` if `head` has no type, or if an option stands both in `head` and beside it.
        """
        if "head" not in params or is_loading():  # archives from before this check still load
            return
        place, inner = params.history, params.get("head")
        if not isinstance(inner, Params):
            return  # a name, or refused where it is read
        if "type" not in inner:
            raise ConfigError(f'{place}head has to name the "type" of a head that scores spans, such as "pairs"')
        for name in sorted(cls.shared_options):
            if name in params and name in inner:
                raise ConfigError(f"{place}head.{name} and {place}{name} are the same option: remove one")

    @classmethod
    def of_span_model(
        cls,
        encoding_dim: int,
        types: Sequence[str],
        head: Lazy[Head],
        max_span_width: Optional[int] = None,
        loss: Optional[CellLoss] = None,
        negative_sampling: Optional[NegativeSampling] = None,
        decoding: Decoding = "flat_optimal",
        decoding_score: DecodingScore = "margin",
    ) -> Head:
        """
        `head` with the options that stand beside it in a config of the model `span`; parameters as above.

        # Raises

        `ConfigError` if `head` does not score spans.
        """
        options: dict[str, Any] = {"decoding": decoding, "decoding_score": decoding_score}
        options |= {"max_span_width": max_span_width, "loss": loss, "negative_sampling": negative_sampling}
        # AllenNLP passes these on to nested objects too: an absent `loss` would replace a loss's own `loss`. An option
        # that `head` gives itself wins over a default.
        given = {name: value for name, value in options.items() if value is not None and name not in head._params}
        inner: Head = head.construct(encoding_dim=encoding_dim, types=types, **given)
        if not isinstance(inner, SpanHead):
            raise ConfigError('head does not score spans: use "pairs" or "pointer", or the model "ner"')
        return inner

    def loss(self, scores: Any, entities: Tensor, mask: Tensor) -> Tensor:
        """`span_loss` over the spans of the texts."""
        return self.weighted_loss(scores, entities, mask).loss

    def weighted_loss(
        self, scores: Any, entities: Tensor, mask: Tensor, weights: Optional[Tensor] = None
    ) -> WeightedLoss:
        """`loss`, with the number that `span_loss` divides by."""
        batch, length, width, _ = scores.shape
        targets, _ = span_targets(entities, (batch, length, width))
        return self.span_loss.weighted(scores, targets, span_mask(mask, width), batch, self.negative_sampling, weights)

    def divergence(
        self, first: Any, second: Any, entities: Tensor, mask: Tensor, weights: Optional[Tensor] = None
    ) -> Tensor:
        """That of the classes of each span of the texts; or of each of its types, where the loss learns them so."""
        cells = span_mask(mask, first.size(2))
        return symmetric_divergence(first, second, cells, self.span_loss.independent_types, weights)

    def distributions(self, scores: Any, mask: Tensor, temperature: float = 1.0) -> Tensor:
        """
        Those of the classes of each span; where the loss learns each type by itself, of each of its types. Shape:
        (batch, tokens, width, 1, types + 1) or (batch, tokens, width, types, 2)
        """
        cells = span_mask(mask, scores.size(2))
        if self.span_loss.independent_types:
            return inside(log_sigmoids(scores[..., 1:] - scores[..., :1], temperature), cells)
        return inside(log_softmax(scores, temperature).unsqueeze(-2), cells)

    def distribution_axis(self) -> DistributionAxis:
        """The classes, or the types."""
        if self.span_loss.independent_types:
            return DistributionAxis("each type of a span by itself", -2, self.types)
        return DistributionAxis("the classes of spans", -1, self.classes)

    def decode(self, scores: Any, mask: Tensor, thresholds: Optional[Tensor] = None) -> DecodedSpans:
        """The spans that `decoding` keeps."""
        return decode_spans(
            scores,
            span_mask(mask, scores.size(2)),
            self.decoding,
            thresholds,
            score=self.decoding_score,
            independent=self.span_loss.independent_types,
        )

    def candidates(self, scores: Any, mask: Tensor, floor: float) -> DecodedSpans:
        """The typed spans of the band that reach the probability."""
        return candidates_in_band(self._band_of_types(scores), self._valid(scores, mask), floor)

    def span_probabilities(self, scores: Any, mask: Tensor, spans: Spans) -> Tensor:
        """The probabilities in the band; NaN for wider spans. Shape: (spans,)"""
        return probabilities_in_band(self._band_of_types(scores), self._valid(scores, mask), spans)

    def _band_of_types(self, scores: Any) -> Iterable[TypeBand]:
        """The probability of each typed span, type by type, as `decode` computes it."""
        return band_of_types(scores, self.span_loss.independent_types)

    def _valid(self, scores: Any, mask: Tensor) -> Tensor:
        """Which cells of the band are spans of the texts. Shape: (batch, tokens, width)"""
        return span_mask(mask, self.band_width(mask.size(1)))

    def logits_of(self, scores: Any, mask: Tensor) -> tuple[Tensor, ...]:
        """The band."""
        return (scores,)

    def decode_logits(
        self, logits: tuple[Tensor, ...], mask: Tensor, thresholds: Optional[Tensor] = None
    ) -> DecodedSpans:
        """`decode` of a band."""
        return self.decode(logits[0], mask, thresholds)

    def decoding_options(self) -> dict[str, Any]:
        """`Head.decoding_options`."""
        names = ("max_span_width", "decoding", "decoding_score")
        options = {name: getattr(self, name) for name in names}
        return {**options, "independent probabilities of types": self.span_loss.independent_types}

    def reachable(self, entities: Sequence[Entity]) -> Sequence[Entity]:
        """The gold that fits into the band and into the decoding: see `reachable_spans`."""
        return reachable_spans(entities, self.max_span_width, self.decoding == "nested")


Head.register("span", constructor="of_span_model")(SpanHead)  # `flat` took whole models as heads: {"type": "span", …}
