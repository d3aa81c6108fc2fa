"""The model `span`: start and end pointers, or a classifier of every span up to a width."""

from functools import partial
from typing import Any, Optional, Sequence

from allennlp.common import Lazy
from allennlp.data import Vocabulary
from allennlp.models import Model
from allennlp.modules import TextFieldEmbedder
from torch import Tensor

from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError
from ner_plugins.heads.decoding import SCORES, DecodedSpans
from ner_plugins.heads.span_head import SpanHead
from ner_plugins.models.ner_model import NerModel
from ner_plugins.modules.losses.sampling import NegativeSampling
from ner_plugins.modules.losses.span_loss import CrossEntropySpanLoss, SpanLoss


@Model.register("span")
class SpanNer(NerModel):
    """
    The span models of bert4ner.pytorch, over any encoder, with decoding that looks at the scores.

    # Parameters

    head : `Lazy[SpanHead]`
        `pointer` ("span" there): labels of first and of last tokens; `enumeration` ("span-v2"): every span up to a
        width is classified; `dense` ("span-v3"): the same scores, computed from every pair of tokens. Or one of your
        own: a registered `SpanHead`.
    max_span_width : `Optional[int]`
        The widest span, in tokens, that can be predicted; `None` for what the head has by itself: no limit with
        `pointer`, 10 with the others. Wider gold counts as missed.
    loss : `Optional[SpanLoss]`
        By default softmax cross-entropy, its mean over the spans (with `pointer`: over the tokens), as published.
        `boundary_smoothing` is not for `pointer`.
    negative_sampling : `Optional[NegativeSampling]`
        Which spans (with `pointer`: tokens) that are no entity count in a training step; by default all.
    decoding : `str`
        `flat_optimal`, `flat_greedy`, `nested` (not with `pointer`), see `ner_plugins.heads.decoding.decode_spans`;
        or `published` (only with `pointer`).
    decoding_score : `str`
        What `flat_greedy` and `nested` rank by: `margin` over "not an entity", `logit` or `probability`.
    **kwargs
        See `NerModel`.

    # Raises

    `ConfigError` if `decoding` or `decoding_score` is none of those, or `loss` is not for the head.
    """

    def __init__(
        self,
        vocab: Vocabulary,
        text_field_embedder: TextFieldEmbedder,
        head: Lazy[SpanHead],
        max_span_width: Optional[int] = None,
        loss: Optional[SpanLoss] = None,
        negative_sampling: Optional[NegativeSampling] = None,
        decoding: str = "flat_optimal",
        decoding_score: str = "margin",
        **kwargs: Any,
    ) -> None:
        super().__init__(vocab, text_field_embedder, **kwargs)
        self.head: SpanHead = head.construct(
            input_dim=self.encoding_dim, num_classes=len(self.types) + 1, max_span_width=max_span_width
        )
        if decoding not in self.head.decodings:
            raise ConfigError(
                f"model.decoding is {decoding!r}; with this head it can be {', '.join(self.head.decodings)}"
            )
        if decoding_score not in SCORES:
            raise ConfigError(f"model.decoding_score is {decoding_score!r}; it can be {', '.join(SCORES)}")
        if loss is not None and loss.needs_band and not self.head.scores_band:
            raise ConfigError("model.loss shares gold among spans, which needs a head that scores spans, not tokens")
        self.span_loss = loss or CrossEntropySpanLoss(reduction="cells")
        self.negative_sampling = negative_sampling
        self.decoding = decoding
        self.decoding_score = decoding_score
        self.initialize()

    def score(self, encoded: Tensor, mask: Tensor) -> Any:
        """The head's scores."""
        # Whatever stands at padding, even what is not a number, is of no consequence.
        return self.head(encoded.masked_fill(~mask.unsqueeze(-1), 0.0), mask)

    def loss(self, scores: Any, entities: Tensor, mask: Tensor) -> Tensor:
        """`span_loss` as the head applies it: to spans, or to first and to last tokens."""
        return self.head.loss(scores, entities, mask, partial(self.span_loss, sampling=self.negative_sampling))

    def reachable(self, entities: Sequence[Entity]) -> Sequence[Entity]:
        """`SpanHead.reachable`."""
        return self.head.reachable(entities, self.decoding)

    def decode(self, scores: Any, mask: Tensor) -> DecodedSpans:
        """The spans that `decoding` keeps."""
        return self.head.decode(scores, mask, self.decoding, self.thresholds, self.decoding_score)
