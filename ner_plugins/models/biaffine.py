"""The model `biaffine`: every span of a text is scored for every type."""

from typing import Any, Optional, Sequence

from allennlp.common import Lazy
from allennlp.data import Vocabulary
from allennlp.models import Model
from allennlp.modules import TextFieldEmbedder
from torch import Tensor

from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError
from ner_plugins.heads.band import reachable_spans
from ner_plugins.heads.biaffine import BiaffineSpanScorer, SpanProjection, span_mask
from ner_plugins.heads.decoding import MODES, SCORES, DecodedSpans, decode_spans
from ner_plugins.heads.span_scorer import SpanScorer
from ner_plugins.models.ner_model import NerModel
from ner_plugins.modules.losses.sampling import NegativeSampling
from ner_plugins.modules.losses.span_loss import CrossEntropySpanLoss, SpanLoss, span_targets


@Model.register("biaffine")
class BiaffineNer(NerModel):
    """
    Biaffine NER (Yu, Bohnet & Poesio 2020, "Named Entity Recognition as Dependency Parsing", equations 1 to 4): each
    token is projected to what it is as the first and as the last token of a span; a biaffine product of the two scores
    the span for each type and for "not an entity". With the scorer `pair_ffn` and a projection of depth 0 it is the
    "biaffine" head of bert4ner.pytorch, which has no biaffine product.

    Scores stand in a band of `max_span_width`, so memory grows linearly with the length of a text.

    # Parameters

    projection : `Lazy[SpanProjection]`
        The start and the end projection (each has its own weights): `dim`, `depth` (0: none), `activation`,
        `dropout`, `variational`.
    scorer : `Lazy[SpanScorer]`
        `biaffine`, or `pair_ffn` (`hidden_dim`, `activation`); with `width_features` in either.
    max_span_width : `Optional[int]`
        The widest span, in tokens, that can be predicted; `None` for no limit. Wider gold counts as missed.
    init : `str`
        Of the scorer's weights: `zeros`, as published, or `xavier`.
    loss : `Optional[SpanLoss]`
        By default softmax cross-entropy, summed over the spans and divided by the number of sentences. Others are
        `focal`, `dice` and `boundary_smoothing`.
    negative_sampling : `Optional[NegativeSampling]`
        Which spans that are no entity count in a training step: `ratio` or `per_positive`; by default all.
    decoding : `str`
        `flat_greedy`, `flat_optimal` or `nested` (`ner_plugins.heads.decoding.decode_spans`).
    decoding_score : `str`
        What the greedy ones rank by: `margin` over "not an entity", `logit` or `probability`.
    **kwargs
        See `NerModel`.

    # Raises

    `ConfigError` if `decoding` or `decoding_score` is none of those.
    """

    def __init__(
        self,
        vocab: Vocabulary,
        text_field_embedder: TextFieldEmbedder,
        projection: Lazy[SpanProjection] = Lazy(SpanProjection),  # noqa: B008 (AllenNLP's idiom; it holds no state)
        scorer: Lazy[SpanScorer] = Lazy(BiaffineSpanScorer),  # noqa: B008
        max_span_width: Optional[int] = None,
        init: str = "zeros",
        loss: Optional[SpanLoss] = None,
        negative_sampling: Optional[NegativeSampling] = None,
        decoding: str = "flat_greedy",
        decoding_score: str = "margin",
        **kwargs: Any,
    ) -> None:
        super().__init__(vocab, text_field_embedder, **kwargs)
        if decoding not in MODES:
            raise ConfigError(f"model.decoding is {decoding!r}; it can be {', '.join(MODES)}")
        if decoding_score not in SCORES:
            raise ConfigError(f"model.decoding_score is {decoding_score!r}; it can be {', '.join(SCORES)}")
        self.start_projection = projection.construct(input_dim=self.encoding_dim)
        self.end_projection = projection.construct(input_dim=self.encoding_dim)
        self.scorer = scorer.construct(
            input_dim=self.start_projection.get_output_dim(),
            num_classes=len(self.types) + 1,
            max_span_width=max_span_width,
            init=init,
        )
        self.span_loss = loss or CrossEntropySpanLoss()
        self.negative_sampling = negative_sampling
        self.decoding = decoding
        self.decoding_score = decoding_score
        self.initialize()

    def score(self, encoded: Tensor, mask: Tensor) -> Tensor:
        """Logits of the typed spans in the band. Shape: (batch, tokens, width, types + 1)."""
        # Whatever stands at padding, even what is not a number, is of no consequence.
        encoded = encoded.masked_fill(~mask.unsqueeze(-1), 0.0)
        logits: Tensor = self.scorer(self.start_projection(encoded), self.end_projection(encoded))
        return logits

    def loss(self, scores: Tensor, entities: Tensor, mask: Tensor) -> Tensor:
        """`span_loss` over the spans that lie in their text."""
        batch, length, width, _ = scores.shape
        targets, _ = span_targets(entities, (batch, length, width))
        loss: Tensor = self.span_loss(scores, targets, span_mask(mask, width), batch, self.negative_sampling)
        return loss

    def reachable(self, entities: Sequence[Entity]) -> Sequence[Entity]:
        """`ner_plugins.heads.band.reachable_spans` of the gold, in tokens."""
        return reachable_spans(entities, self.scorer.max_span_width, self.decoding == "nested")

    def decode(self, scores: Tensor, mask: Tensor) -> DecodedSpans:
        """The spans that `decoding` keeps."""
        valid = span_mask(mask, scores.size(2))
        return decode_spans(scores, valid, self.decoding, self.thresholds, score=self.decoding_score)
