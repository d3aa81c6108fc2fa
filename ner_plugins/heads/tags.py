"""The head `tags`: a tag for each token, chosen together by a CRF or one by one."""

from typing import Any, Literal, Optional, Sequence

import torch
from torch import Tensor

from ner_plugins.entities import Entity, resolve_overlaps
from ner_plugins.errors import ConfigError
from ner_plugins.heads.candidates import spans_within
from ner_plugins.heads.decoding import DecodedSpans
from ner_plugins.heads.distributions import SMALLEST, DistributionAxis, inside, log_softmax
from ner_plugins.heads.divergence import symmetric_divergence
from ner_plugins.heads.head import Head
from ner_plugins.heads.tag_scorers import TagScorer, make_tag_scorer, type_axes_of
from ner_plugins.heads.type_axes import Axes
from ner_plugins.modules.crf.crf import FORBIDDEN, ConditionalRandomField
from ner_plugins.modules.crf.entity_probabilities import entity_probabilities
from ner_plugins.modules.crf.inference import viterbi
from ner_plugins.modules.crf.semiring import Potentials
from ner_plugins.modules.crf.tagging import Spans, TagSet
from ner_plugins.modules.losses.sampling import NegativeSampling
from ner_plugins.modules.losses.span_loss import CellLoss, CrossEntropyLoss
from ner_plugins.modules.losses.weighted_loss import WeightedLoss

Decoder = Literal["crf", "softmax"]
CrfReduction = Literal["mean", "token_mean", "sum"]

# Probabilities of one or zero have no finite log-odds.
_SMALLEST = 1e-7
# What a marginal in float32 may lack.
_ROUNDING = 1e-5
_SPANS_AT_A_TIME = 1 << 18


@Head.register("crf_tagger")  # its name in configs of the model `flat`
@Head.register("tags")
class TagsHead(Head):
    """
    A tagger: a linear layer scores the tags of each token. With the decoder `crf` a linear-chain CRF learns and finds
    whole taggings: over a BiLSTM the model of Huang, Xu & Yu 2015 ("Bidirectional LSTM-CRF Models for Sequence
    Tagging"), over a transformer the BERT-CRF of the published systems. With `softmax` each token is learnt by itself.

    An entity's score is its exact probability: that a tagging drawn from the model has exactly this entity there.

    # Parameters

    encoding_dim, types
        See `Head`.
    scheme : `str`, optional (default=`"BIO"`)
        The tag scheme (`ner_plugins.tag_schemes`). It is independent of the scheme of the files.
    decoder : `str`, optional (default=`"crf"`)
        `crf` or `softmax`.
    tag_head : `str`, optional (default=`"joint"`)
        How a token's tags are scored: `joint`, each by itself; `factored`, as a sum of a score of the chunk (B, I, …)
        and a score of the type (`FactoredTagScorer`).
    constrain : `bool`, optional (default=`True`)
        Whether only taggings that the scheme allows are predicted.
    constrain_training : `bool`, optional (default=`False`)
        Whether the CRF's loss normalises over these alone.
    use_start_end : `bool`, optional (default=`True`)
        Whether the CRF scores first and last tags.
    reduction : `Optional[str]`, optional (default=`None`)
        Of the CRF's loss: `mean` over the sentences (also `None`), `token_mean` or `sum`.
    loss : `Optional[CellLoss]`, optional (default=`None`)
        Of `softmax`, over the tokens; those in an entity are the positives. `None` for cross-entropy, averaged over the
        tokens. `boundary_smoothing` is for spans only. A CRF's loss is that of whole taggings: it has no cells that a
        type could weigh, so `type_weights` is of `softmax` alone.
    negative_sampling : `Optional[NegativeSampling]`, optional (default=`None`)
        Which tokens outside of entities count in a training step of `softmax`; `None` for all.

    # Raises

    `ConfigError` if `scheme` is not a tag scheme or if an option has no effect with the `decoder`.
    """

    def __init__(
        self,
        encoding_dim: int,
        types: Sequence[str],
        scheme: str = "BIO",
        decoder: Decoder = "crf",
        tag_head: TagScorer = "joint",
        constrain: bool = True,
        constrain_training: bool = False,
        use_start_end: bool = True,
        reduction: Optional[CrfReduction] = None,
        loss: Optional[CellLoss] = None,
        negative_sampling: Optional[NegativeSampling] = None,
    ) -> None:
        super().__init__(encoding_dim, types)
        self.decoder, self.constrained = decoder, constrain
        self._refuse_what_has_no_effect(constrain, constrain_training, reduction, loss, negative_sampling)
        self.tag_set = TagSet(self.types, scheme)
        self.tag_projection = make_tag_scorer(tag_head, encoding_dim, self.tag_set)
        self.crf = ConditionalRandomField(
            len(self.tag_set),
            self.tag_set.constraints() if constrain else None,
            constrain_training=constrain_training,
            use_start_end=use_start_end and decoder == "crf",
            reduction=reduction or "mean",
        )
        if decoder == "softmax":  # a chain without transitions
            torch.nn.init.zeros_(self.crf.transitions)
            self.crf.requires_grad_(False)
        self.tag_loss = loss or CrossEntropyLoss(reduction="cells")
        self.tag_loss.name_classes([None, *(name for name in self.types for _ in self.tag_set.letters)])
        self.negative_sampling = negative_sampling

    def _refuse_what_has_no_effect(
        self,
        constrain: bool,
        constrain_training: bool,
        reduction: Optional[str],
        loss: Optional[CellLoss],
        negative_sampling: Optional[NegativeSampling],
    ) -> None:
        if self.decoder == "crf" and loss is not None and loss.type_weights is not None:
            raise ConfigError(
                'loss.type_weights has no effect with the decoder "crf", whose loss is the probability of a whole '
                'tagging, not a sum over tokens that have a type each: remove the loss, or use the decoder "softmax"'
            )
        of_crf = {"reduction": reduction is not None, "constrain_training": constrain_training}
        of_softmax = {"loss": loss is not None, "negative_sampling": negative_sampling is not None}
        for name, given in (of_crf if self.decoder == "softmax" else of_softmax).items():
            if given:
                raise ConfigError(f'{name} has no effect with the decoder "{self.decoder}": remove it')
        if constrain_training and not constrain:
            raise ConfigError("constrain_training needs constrain: leave constrain at true")
        if loss is not None and loss.needs_band:
            raise ConfigError("the loss is over spans together, but this head scores tokens, not spans")

    def score(self, encoded: Tensor, mask: Tensor) -> Tensor:
        """The emissions. Shape: (batch, tokens, tags)"""
        emissions: Tensor = self.tag_projection(encoded)
        return emissions

    def loss(self, scores: Tensor, entities: Tensor, mask: Tensor) -> Tensor:
        """The loss of the gold tags; where gold overlaps, only the longest entities have tags."""
        return self.weighted_loss(scores, entities, mask).loss

    def weighted_loss(
        self, scores: Tensor, entities: Tensor, mask: Tensor, weights: Optional[Tensor] = None
    ) -> WeightedLoss:
        """`loss`, with the number that the CRF's or the tokens' loss divides by."""
        tags = self.tag_set.targets(entities, mask)  # Shape: (batch, tokens)
        if self.decoder == "crf":
            return WeightedLoss(self.crf(scores, tags, mask, weights), self.crf.loss_number(mask, weights))
        return self.tag_loss.weighted(scores, tags, mask, len(mask), self.negative_sampling, weights)

    def divergence(
        self, first: Tensor, second: Tensor, entities: Tensor, mask: Tensor, weights: Optional[Tensor] = None
    ) -> Tensor:
        """That of the CRF's distributions over taggings, exactly; with `softmax` that of the tags of each token."""
        if self.decoder == "crf":
            return self.crf.divergence(first, second, mask, weights)
        return symmetric_divergence(first, second, mask, weights=weights)

    def distributions(self, scores: Tensor, mask: Tensor, temperature: float = 1.0) -> Tensor:
        """
        The marginals of the tags of each token: with a CRF by forward-backward, over the taggings that it may predict;
        with `softmax` those of the loss. Shape: (batch, tokens, 1, tags)
        """
        if self.decoder == "softmax":
            logs = log_softmax(scores, temperature)
        else:
            logs = self.crf.marginals(scores, mask, temperature).clamp(min=SMALLEST).log()
        return inside(logs.unsqueeze(-2), mask)

    def distribution_axis(self) -> DistributionAxis:
        """The tags."""
        return DistributionAxis(f"the tags of the scheme {self.tag_set.scheme}", -1, self.tag_set.tags)

    def decode(self, scores: Tensor, mask: Tensor, thresholds: Optional[Tensor] = None) -> DecodedSpans:
        """The entities of the best tagging whose probability reaches their type's threshold."""
        return self.decode_logits(self.logits_of(scores, mask), mask, thresholds)

    @torch.no_grad()
    def logits_of(self, scores: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        """
        The emissions, and the scores of transitions, first and last tags, with what the scheme forbids: their sums are
        the scores of taggings, so the mean of several chains is a chain. Shapes: (batch, tokens, tags), (tags, tags),
        (tags,), (tags,)
        """
        found = self.crf.potentials(scores, mask)
        return found.emissions, found.transitions, found.start, found.end

    @torch.no_grad()
    def decode_logits(
        self, logits: tuple[Tensor, ...], mask: Tensor, thresholds: Optional[Tensor] = None
    ) -> DecodedSpans:
        """`decode` of a chain's scores."""
        chain = Potentials(logits[0], mask.bool(), *logits[1:])
        best = viterbi(chain)
        spans = self.tag_set.spans(best.tags, mask)
        probability = entity_probabilities(chain, self.tag_set, spans)  # Shape: (spans,)
        decoded = DecodedSpans(
            *spans,
            score=torch.logit(probability, eps=_SMALLEST),
            probability=probability,
            invalid=best.invalid.nonzero().flatten(),
        )
        if thresholds is None:
            return decoded
        return decoded.select(probability >= thresholds.to(probability)[spans.type])

    def decoding_options(self) -> dict[str, Any]:
        """`Head.decoding_options`."""
        return {"scheme": self.tag_set.scheme, "decoder": self.decoder, "constrain": self.constrained}

    @torch.no_grad()
    def n_best(self, scores: Tensor, mask: Tensor, number: int) -> list[tuple[list[tuple[int, int, int]], float]]:
        """The best taggings, without those that the scheme does not allow."""
        tags, found = self.crf.n_best(scores, mask, number)  # Shapes: (1, number, tokens), (1, number)
        legal = found[0] > FORBIDDEN / 2  # Shape: (number,)
        tags, found = tags[0][legal], found[0][legal]  # Shapes: (legal, tokens), (legal,)
        probabilities = (found - self.crf.log_partition(scores, mask)).exp().tolist()
        entities: list[list[tuple[int, int, int]]] = [[] for _ in probabilities]
        spans = self.tag_set.spans(tags, mask.expand_as(tags))
        for rank, *span in zip(*(column.tolist() for column in spans), strict=True):
            entities[rank].append((span[0], span[1], span[2]))
        return list(zip(entities, probabilities, strict=True))

    @torch.no_grad()
    def candidates(self, scores: Tensor, mask: Tensor, floor: float) -> DecodedSpans:
        """
        The spans with at least this probability. All tokens of an entity have tags of its type, so no entity is more
        probable than that at any of its tokens: only spans of tokens that reach the floor are computed.
        """
        tags = self.crf.marginals(scores, mask)[..., 1:]  # Shape: (batch, tokens, types * letters)
        of_type = tags.reshape(*mask.shape, len(self.types), -1).sum(-1)  # Shape: (batch, tokens, types)
        spans = spans_within((of_type >= floor * (1 - _ROUNDING) - _ROUNDING) & mask.unsqueeze(-1))
        probability = self.span_probabilities(scores, mask, spans)  # Shape: (spans,)
        found = DecodedSpans(
            *spans,
            score=torch.logit(probability, eps=_SMALLEST),
            probability=probability,
            invalid=(~scores.isfinite().all(-1) & mask).any(1).nonzero().flatten(),
        )
        return found.select(probability >= floor)

    @torch.no_grad()
    def span_probabilities(self, scores: Tensor, mask: Tensor, spans: Spans) -> Tensor:
        """The exact probabilities, as in `decode`. Shape: (spans,)"""
        pieces = [
            self.crf.entity_probabilities(
                scores, mask, self.tag_set, Spans(*(column[first : first + _SPANS_AT_A_TIME] for column in spans))
            )
            for first in range(0, max(len(spans.start), 1), _SPANS_AT_A_TIME)
        ]
        return torch.cat(pieces)

    def type_axes(self) -> dict[str, Axes]:
        """The scores of the tags, and of their transitions, starts and ends."""
        tags = self.tag_set.tags
        of_scorer = type_axes_of(self.tag_projection, self.tag_set)
        of_crf = {name: (tags,) * parameter.dim() for name, parameter in self.crf.named_parameters()}
        return {
            **{f"tag_projection.{name}": axes for name, axes in of_scorer.items()},
            **{f"crf.{name}": axes for name, axes in of_crf.items()},
        }

    def reachable(self, entities: Sequence[Entity]) -> Sequence[Entity]:
        """Where entities overlap, the longest: tags are flat."""
        return resolve_overlaps(entities)
