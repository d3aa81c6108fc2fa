"""What the model `span` asks of a head, and what heads that score a band of spans share."""

from abc import abstractmethod
from typing import Any, Callable, ClassVar, Optional, Sequence

from allennlp.common import Registrable
from torch import Tensor

from ner_plugins.entities import Entity
from ner_plugins.heads.band import SpanBand, reachable_spans
from ner_plugins.heads.biaffine import span_mask
from ner_plugins.heads.decoding import MODES, DecodedSpans, decode_spans
from ner_plugins.modules.losses.span_loss import span_targets

CellLoss = Callable[[Tensor, Tensor, Tensor, int], Tensor]
"""A `SpanLoss`: of logits, targets, mask and number of sentences."""


class SpanHead(SpanBand, Registrable):
    """
    Scores spans over encoded tokens. One that gives a band of scores has to have a `forward` and no more; what else is
    here trains and decodes the band. Its parameters, and what it raises, are `SpanBand`'s; class t + 1 is the type t.
    """

    scores_band: ClassVar[bool] = True
    """Whether `forward` gives a band, which a loss with an eye on neighbouring spans needs."""
    decodings: ClassVar[tuple[str, ...]] = MODES
    """The words that `decode` takes as its `mode`."""

    @abstractmethod
    def forward(self, encoded: Tensor, mask: Tensor) -> Any:
        """
        # Parameters

        encoded : `torch.Tensor`
            Tokens in context, zero at padding. Shape: (batch, length, input_dim)
        mask : `torch.BoolTensor`
            Which tokens are real. Shape: (batch, length)

        # Returns

        `torch.Tensor`, or a `NamedTuple` of tensors for a head with a `loss` and a `decode` of its own
            Cell [b, i, w] scores the span of tokens i..i + w inclusive; cells past a text's end are finite and mean
            nothing. Shape: (batch, length, band_width(length), num_classes)
        """
        raise NotImplementedError

    def loss(self, scores: Any, entities: Tensor, mask: Tensor, span_loss: CellLoss) -> Tensor:
        """`span_loss` of the scores against gold rows, shape (batch, entities, 3), over the spans of the texts."""
        batch, length, width, _ = scores.shape
        targets, _ = span_targets(entities, (batch, length, width))
        return span_loss(scores, targets, span_mask(mask, width), batch)

    def decode(
        self, scores: Any, mask: Tensor, mode: str, threshold: Optional[Tensor] = None, score: str = "margin"
    ) -> DecodedSpans:
        """The spans that `mode` keeps; `threshold` and `score` as in `ner_plugins.heads.decoding.decode_spans`."""
        return decode_spans(scores, span_mask(mask, scores.size(2)), mode, threshold, score)

    def reachable(self, entities: Sequence[Entity], mode: str) -> Sequence[Entity]:
        """`ner_plugins.heads.band.reachable_spans` of the gold, in tokens."""
        return reachable_spans(entities, self.max_span_width, mode == "nested")
