"""The model `crf_tagger`: a tag for each token, chosen together or one by one."""

from typing import Any, Optional, Sequence

import torch
from allennlp.data import Vocabulary
from allennlp.models import Model
from allennlp.modules import TextFieldEmbedder
from torch import Tensor

from ner_plugins.entities import Entity, resolve_overlaps
from ner_plugins.errors import ConfigError
from ner_plugins.heads.decoding import DecodedSpans
from ner_plugins.heads.tag_scorers import make_tag_head
from ner_plugins.models.ner_model import NerModel
from ner_plugins.modules.crf.crf import ConditionalRandomField
from ner_plugins.modules.crf.tagging import TagSet
from ner_plugins.modules.losses.sampling import NegativeSampling
from ner_plugins.modules.losses.span_loss import (
    CrossEntropySpanLoss,
    SpanLoss,
)

_DECODERS = ("crf", "softmax")
# Probabilities of one or zero have no finite log-odds.
_SMALLEST = 1e-7


@Model.register("crf_tagger", exist_ok=True)
class CrfTagger(NerModel):
    """
    A tagger: a linear layer scores the tags of each token. With the decoder `crf` a linear-chain CRF over them learns
    and finds whole taggings: over a BiLSTM the model of Huang, Xu & Yu 2015 ("Bidirectional LSTM-CRF Models for
    Sequence Tagging"), over a transformer the BERT-CRF of the published systems. With `softmax` each token is learnt
    by itself.

    An entity's score is its exact probability: that a tagging drawn from the model has just this entity there.

    It is the model that `type: "crf_tagger"` finds; that of allennlp_models is
    `type: "allennlp_models.tagging.models.crf_tagger.CrfTagger"`.

    # Parameters

    scheme : `str`, optional (default=`"BIO"`)
        The tag scheme: see `ner_plugins.tag_schemes`. It has nothing to do with the scheme of the files.
    decoder : `str`, optional (default=`"crf"`)
        `crf` or `softmax`.
    tag_head : `str`, optional (default=`"joint"`)
        How a token's tags are scored: `joint`, each by itself; `factored`, as a sum of a score of the chunk (B, I, …)
        and a score of the type: see `FactoredTagHead`.
    constrain : `bool`, optional (default=`True`)
        Whether only taggings that the scheme allows are predicted.
    constrain_training : `bool`, optional (default=`False`)
        Whether the CRF's loss shares out probability among these alone.
    use_start_end : `bool`, optional (default=`True`)
        Whether the CRF scores first and last tags.
    reduction : `Optional[str]`
        What the CRF's loss is divided by: by default the number of sentences, `mean`; with `token_mean` the number of
        tokens, with `sum` nothing.
    loss : `Optional[SpanLoss]`
        Of `softmax`, whose cells are the tokens and whose positives are those in an entity: by default cross-entropy,
        its mean over the tokens. `boundary_smoothing` is not for tags.
    negative_sampling : `Optional[NegativeSampling]`
        Which tokens outside of entities count in a training step of `softmax`; by default all.
    **kwargs
        See `NerModel`.

    # Raises

    `ConfigError` if `scheme`, `decoder`, `tag_head` or `reduction` is none of those, or if an option is not for the
    `decoder`.
    """

    def __init__(
        self,
        vocab: Vocabulary,
        text_field_embedder: TextFieldEmbedder,
        scheme: str = "BIO",
        decoder: str = "crf",
        tag_head: str = "joint",
        constrain: bool = True,
        constrain_training: bool = False,
        use_start_end: bool = True,
        reduction: Optional[str] = None,
        loss: Optional[SpanLoss] = None,
        negative_sampling: Optional[NegativeSampling] = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(vocab, text_field_embedder, **kwargs)
        if decoder not in _DECODERS:
            raise ConfigError(f"model.decoder is {decoder!r}; it can be {', '.join(_DECODERS)}")
        self.decoder = decoder
        self._refuse_what_has_no_effect(constrain, constrain_training, reduction, loss, negative_sampling)
        self.tag_set = TagSet(self.types, scheme)
        self.tag_projection = make_tag_head(tag_head, self.encoding_dim, self.tag_set)
        self.crf = ConditionalRandomField(
            len(self.tag_set),
            self.tag_set.constraints() if constrain else None,
            constrain_training=constrain_training,
            use_start_end=use_start_end and decoder == "crf",
            reduction=reduction or "mean",
        )
        if decoder == "softmax":  # a chain whose tags do not look at each other
            torch.nn.init.zeros_(self.crf.transitions)
            self.crf.requires_grad_(False)
        self.tag_loss = loss or CrossEntropySpanLoss(reduction="cells")
        self.negative_sampling = negative_sampling
        self.initialize()

    def _refuse_what_has_no_effect(
        self,
        constrain: bool,
        constrain_training: bool,
        reduction: Optional[str],
        loss: Optional[SpanLoss],
        negative_sampling: Optional[NegativeSampling],
    ) -> None:
        of_crf = {"reduction": reduction is not None, "constrain_training": constrain_training}
        of_softmax = {"loss": loss is not None, "negative_sampling": negative_sampling is not None}
        for name, given in (of_crf if self.decoder == "softmax" else of_softmax).items():
            if given:
                raise ConfigError(f'model.{name} is not for the decoder "{self.decoder}": leave it out')
        if constrain_training and not constrain:
            raise ConfigError("model.constrain_training goes with model.constrain: leave the latter as it is, true")
        if loss is not None and loss.needs_band:
            raise ConfigError("model.loss looks at neighbouring spans, and needs a model that scores spans, not tags")

    def score(self, encoded: Tensor, mask: Tensor) -> Tensor:
        """The emissions. Shape: (batch, tokens, tags)."""
        # Whatever stands at padding, even what is not a number, is of no consequence.
        emissions: Tensor = self.tag_projection(encoded.masked_fill(~mask.unsqueeze(-1), 0.0))
        return emissions

    def loss(self, scores: Tensor, entities: Tensor, mask: Tensor) -> Tensor:
        """Of the gold tags; of gold that overlaps, only the longest entities have tags."""
        tags = self.tag_set.targets(entities, mask)
        loss: Tensor
        if self.decoder == "crf":
            loss = self.crf(scores, tags, mask)
        else:
            loss = self.tag_loss(scores, tags, mask, len(mask), self.negative_sampling)
        return loss

    def reachable(self, entities: Sequence[Entity]) -> Sequence[Entity]:
        """Of entities that overlap, the longest: tags are flat."""
        return resolve_overlaps(entities)

    def decode(self, scores: Tensor, mask: Tensor) -> DecodedSpans:
        """The entities of the best tagging whose probability reaches their type's threshold."""
        best = self.crf.viterbi(scores, mask)
        spans = self.tag_set.spans(best.tags, mask)
        probability = self.crf.entity_probabilities(scores, mask, self.tag_set, spans)
        decoded = DecodedSpans(
            *spans,
            score=torch.logit(probability, eps=_SMALLEST),
            probability=probability,
            invalid=best.invalid.nonzero().flatten(),
        )
        return decoded.select(probability >= self.thresholds.to(probability)[spans.type])
