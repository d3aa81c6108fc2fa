"""The head `biaffine`: a biaffine score of every span for every type."""

from typing import Any, Optional, Sequence

from allennlp.common import Lazy
from torch import Tensor

from ner_plugins.heads.biaffine_scorer import BiaffineSpanScorer
from ner_plugins.heads.head import Head
from ner_plugins.heads.projection import SpanProjection
from ner_plugins.heads.span_head import BandDecoding, SpanHead
from ner_plugins.heads.span_scorer import Init, SpanScorer
from ner_plugins.heads.type_axes import Axes
from ner_plugins.modules.losses.span_loss import CellLoss, CrossEntropyLoss


@Head.register("biaffine")
class BiaffineHead(SpanHead):
    """
    Biaffine NER (Yu, Bohnet & Poesio 2020, "Named Entity Recognition as Dependency Parsing", equations 1 to 4). Two
    projections give each token a vector as the first and one as the last token of a span; a biaffine product of the two
    scores the span for each type and for "not an entity". With the scorer `pair_ffn` and a projection of depth 0 it is
    the "biaffine" head of bert4ner.pytorch, which has no biaffine product.

    Scores stay in a band of `max_span_width`, so memory grows linearly with the length of a text.

    # Parameters

    encoding_dim, types, max_span_width
        See `SpanHead`.
    projection : `Lazy[SpanProjection]`
        The start and the end projection, each with its own weights: `dim`, `depth` (0 for none), `activation`,
        `dropout`, `variational`.
    scorer : `Lazy[SpanScorer]`
        `biaffine`, or `pair_ffn` (`hidden_dim`, `activation`); `width_features` in either.
    init : `str`, optional (default=`"zeros"`)
        Of the scorer's weights: `zeros`, as published, `xavier` or `orthogonal`.
    prior : `Optional[float]`, optional (default=`None`)
        The initial probability that a span is an entity, by the bias of "not an entity" (`none_bias`); `None` for a
        bias of 0, as published.
    loss : `Optional[CellLoss]`, optional (default=`None`)
        `None` for softmax cross-entropy, summed over the spans and divided by the number of sentences.
    decoding : `str`, optional (default=`"flat_greedy"`)
        `flat_greedy`, `flat_optimal` or `nested`.
    **kwargs
        See `SpanHead`.
    """

    def __init__(
        self,
        encoding_dim: int,
        types: Sequence[str],
        projection: Lazy[SpanProjection] = Lazy(SpanProjection),  # noqa: B008 (AllenNLP's idiom; it holds no state)
        scorer: Lazy[SpanScorer] = Lazy(BiaffineSpanScorer),  # noqa: B008
        max_span_width: Optional[int] = None,
        init: Init = "zeros",
        prior: Optional[float] = None,
        loss: Optional[CellLoss] = None,
        decoding: BandDecoding = "flat_greedy",
        **kwargs: Any,
    ) -> None:
        loss = loss or CrossEntropyLoss()
        super().__init__(encoding_dim, types, max_span_width, loss, decoding=decoding, **kwargs)
        self.start_projection = projection.construct(input_dim=encoding_dim)
        self.end_projection = projection.construct(input_dim=encoding_dim)
        self.scorer = scorer.construct(
            input_dim=self.start_projection.get_output_dim(),
            num_classes=self.num_classes,
            max_span_width=max_span_width,
            init=init,
            prior=prior,
        )

    def score(self, encoded: Tensor, mask: Tensor) -> Tensor:
        """Logits of the typed spans in the band. Shape: (batch, tokens, width, types + 1)"""
        starts = self.start_projection(encoded)  # Shape: (batch, tokens, dim)
        ends = self.end_projection(encoded)  # Shape: (batch, tokens, dim)
        logits: Tensor = self.scorer(starts, ends)
        return logits

    def type_axes(self) -> dict[str, Axes]:
        """Those of the scorer."""
        return {f"scorer.{name}": axes for name, axes in self.scorer.class_axes(self.classes).items()}
