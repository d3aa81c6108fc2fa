"""A linear-chain conditional random field over tags."""

from typing import Optional

import torch
from torch import Tensor

from ner_plugins.errors import ConfigError, NerError
from ner_plugins.modules.crf import inference as crf_inference
from ner_plugins.modules.crf.entity_probabilities import entity_probabilities
from ner_plugins.modules.crf.inference import BestTagging
from ner_plugins.modules.crf.semiring import Potentials
from ner_plugins.modules.crf.tagging import Constraints, Spans, TagSet
from ner_plugins.modules.losses.weighted_loss import divisor, number_on, weighed

REDUCTIONS = ("sum", "mean", "token_mean")

# Penalty of a forbidden tag or transition. It is finite, so that every tagging has a probability and a gradient, and
# larger than any logit in half precision.
FORBIDDEN = -1e6


class ConditionalRandomField(torch.nn.Module):
    """
    A linear-chain CRF (Lafferty, McCallum & Pereira 2001, "Conditional Random Fields"). The package's docstring has
    the definitions.

    A mask may keep any tokens: the chain runs from one kept token to the next and skips the others. A sentence without
    tokens has one tagging, with score 0. Scores are float64 if the emissions are, otherwise float32, under autocast
    too.

        >>> tag_set = TagSet(["PER"])
        >>> crf = ConditionalRandomField(len(tag_set), tag_set.constraints())
        >>> for scores in crf.parameters():
        ...     _ = torch.nn.init.zeros_(scores)
        >>> emissions = torch.tensor([[[2.0, 1.5, 0.0], [0.0, 0.0, 3.0]]])  # best without constraints: O I-PER
        >>> mask = torch.tensor([[True, True]])
        >>> tags = crf.viterbi(emissions, mask).tags
        >>> [tag_set.tags[tag] for tag in tags[0].tolist()]
        ['B-PER', 'I-PER']
        >>> round(crf(emissions, tags, mask).item(), 4)  # the loss: -log P without constraints
        1.1499
        >>> entity = tag_set.spans(tags, mask)
        >>> round(crf.entity_probabilities(emissions, mask, tag_set, entity).item(), 4)
        0.7913

    # Parameters

    num_tags : `int`
    constraints : `Optional[Constraints]`, optional (default=`None`)
        Which tag may follow which (`TagSet.constraints`). They apply to everything but the loss.
    constrain_training : `bool`, optional (default=`False`)
        Whether they apply to the loss too, to the gold score as well as to log Z. Each violation in the gold then
        costs 1e6, with finite gradients. `TagSet.targets` never violates them.
    use_start_end : `bool`, optional (default=`True`)
        Whether the first and the last tag have scores.
    reduction : `str`, optional (default=`"mean"`)
        Of the loss: `sum`, or divided by the number of sentences (`mean`) or of tokens (`token_mean`).

    # Raises

    `ConfigError` for another `reduction`, for `constrain_training` without constraints, and for constraints with
    another number of tags. The methods raise `NerError` if shapes do not match or a gold tag is out of range.
    """

    def __init__(
        self,
        num_tags: int,
        constraints: Optional[Constraints] = None,
        constrain_training: bool = False,
        use_start_end: bool = True,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        if reduction not in REDUCTIONS:
            raise ConfigError(f"a CRF's reduction must be one of {', '.join(REDUCTIONS)}, got {reduction!r}")
        if constrain_training and constraints is None:
            raise ConfigError("constrain_training needs constraints")
        self.num_tags = num_tags
        self.reduction = reduction
        self.constrain_training = constrain_training
        self.transitions = torch.nn.Parameter(torch.empty(num_tags, num_tags))
        self.start_scores = torch.nn.Parameter(torch.empty(num_tags)) if use_start_end else None
        self.end_scores = torch.nn.Parameter(torch.empty(num_tags)) if use_start_end else None
        # Not saved with the weights, since they follow from the tags. The last two rows are start and end.
        # Shape: (tags + 2, tags)
        self._penalties: Optional[Tensor]
        self.register_buffer("_penalties", self._penalties_of(constraints), persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every score uniformly from [-0.1, 0.1], as published CRF taggers do."""
        for parameter in self.parameters():
            torch.nn.init.uniform_(parameter, -0.1, 0.1)

    def forward(self, emissions: Tensor, tags: Tensor, mask: Tensor, weights: Optional[Tensor] = None) -> Tensor:
        """
        The negative log-likelihood of the gold tags, reduced.

        # Parameters

        emissions : `torch.Tensor`
            The score of each tag at each token. Shape: (batch, length, tags)
        tags : `torch.LongTensor`
            The gold tags, read only at tokens. Shape: (batch, length)
        mask : `torch.BoolTensor`
            The tokens. Shape: (batch, length)
        weights : `Optional[torch.Tensor]`, optional (default=`None`)
            Of the sentences; `None` if all weigh the same. Shape: (batch,)

        # Returns

        `torch.Tensor`
            A scalar; NaN if an emission is. Every parameter gets a gradient, even from an empty batch.
        """
        losses = -self.log_likelihood(emissions, tags, mask)  # Shape: (batch,)
        return weighed(losses, weights).sum() / divisor(self.loss_number(mask, weights))

    def loss_number(self, mask: Tensor, weights: Optional[Tensor] = None) -> Tensor:
        """What `forward` divides by: the (weighted) number of sentences or of tokens, or 0 for a sum. A scalar."""
        if self.reduction == "token_mean":
            return weighed(mask, weights).sum()
        if self.reduction == "mean" and weights is not None:
            return weights.sum()
        return number_on(len(mask) if self.reduction == "mean" else 0, mask.device)

    def log_likelihood(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """The log-probability of each sentence's gold tags; parameters as in `forward`. Shape: (batch,)"""
        potentials = self.potentials(emissions, mask, constrained=self.constrain_training)
        if tags.shape != mask.shape:
            raise NerError(f"gold tags have shape {tuple(tags.shape)}, but the mask has shape {tuple(mask.shape)}")
        return -crf_inference.negative_log_likelihood(potentials, tags)

    def log_partition(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """log Z of each sentence; minus it, a score is a log-probability. Shape: (batch,)"""
        return crf_inference.log_partition(self.potentials(emissions, mask))

    @torch.no_grad()
    def viterbi(self, emissions: Tensor, mask: Tensor) -> BestTagging:
        """The best tagging of each sentence, and which sentences have emissions that are not finite."""
        return crf_inference.viterbi(self.potentials(emissions, mask))

    @torch.no_grad()
    def n_best(self, emissions: Tensor, mask: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """
        The `n` best taggings of each sentence, best first, to rerank or to show as alternatives. Those that violate
        constraints come last.

        # Returns

        tags : `torch.LongTensor`
            Shape: (batch, n, length)
        scores : `torch.Tensor`
            Minus infinity if a sentence has fewer taggings. Shape: (batch, n)
        """
        return crf_inference.n_best(self.potentials(emissions, mask), n)

    def marginals(self, emissions: Tensor, mask: Tensor, temperature: float = 1.0) -> Tensor:
        """
        The probability of each tag at each token; 0 outside the mask. All scores are divided by `temperature`.
        Differentiable. Shape: (batch, length, tags)
        """
        potentials = self.potentials(emissions, mask)
        if temperature != 1.0:
            scaled = {name: getattr(potentials, name) / temperature for name in potentials._fields if name != "mask"}
            potentials = potentials._replace(**scaled)
        return crf_inference.marginals(potentials)

    def entropy(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """
        The entropy of each sentence's distribution over taggings, in nats: how unsure the model is, for instance to
        pick sentences to annotate, or to regularise with. Shape: (batch,)
        """
        return crf_inference.entropy(self.potentials(emissions, mask))

    def divergence(self, first: Tensor, second: Tensor, mask: Tensor, weights: Optional[Tensor] = None) -> Tensor:
        """
        (KL(P || Q) + KL(Q || P)) / 2 of the distributions over taggings, those of the loss, that two sets of emissions
        give; summed over the sentences, each with its weight. Differentiable.

        Transitions and both log Z cancel: the sum of the two is that of (p(y) - q(y))(first(y) - second(y)), with p and
        q the marginals of each tag at each token. So it is exact, and no more expensive than a divergence of marginals.
        """
        marginals = [
            crf_inference.marginals(self.potentials(emissions, mask, constrained=self.constrain_training))
            for emissions in (first, second)
        ]  # Shape of each: (batch, length, tags)
        difference = (first.to(marginals[0]) - second.to(marginals[0])).masked_fill(~mask.bool().unsqueeze(-1), 0.0)
        return weighed((marginals[0] - marginals[1]) * difference, weights).sum() / 2

    @torch.no_grad()
    def entity_probabilities(self, emissions: Tensor, mask: Tensor, tag_set: TagSet, spans: Spans) -> Tensor:
        """The exact probability of each entity (`ner_plugins.modules.crf.entity_probabilities`). Shape: (spans,)"""
        return entity_probabilities(self.potentials(emissions, mask), tag_set, spans)

    def potentials(self, emissions: Tensor, mask: Tensor, constrained: bool = True) -> Potentials:
        """The scores of a batch, in float32 or float64, with or without the constraints' penalties."""
        if emissions.shape != (*mask.shape, self.num_tags):
            expected = (*mask.shape, self.num_tags)
            raise NerError(f"emissions have shape {tuple(emissions.shape)}, but the mask and tags need {expected}")
        dtype = torch.float64 if emissions.dtype == torch.float64 else torch.float32
        scores = [self.transitions.to(dtype)]  # transitions, start, end
        for edge in (self.start_scores, self.end_scores):
            scores.append(scores[0].new_zeros(self.num_tags) if edge is None else edge.to(dtype))
        if constrained and self._penalties is not None:
            penalties = self._penalties.to(dtype)  # Shape: (tags + 2, tags)
            scores = [scores[0] + penalties[:-2], scores[1] + penalties[-2], scores[2] + penalties[-1]]
        return Potentials(emissions.to(dtype), mask.bool(), *scores)

    def extra_repr(self) -> str:
        """Sizes and settings."""
        constrained = self._penalties is not None
        return f"{self.num_tags} tags, {constrained=}, constrain_training={self.constrain_training}, {self.reduction}"

    def _penalties_of(self, constraints: Optional[Constraints]) -> Optional[Tensor]:
        if constraints is None:
            return None
        # Shape: (tags + 2, tags)
        allowed = torch.cat((constraints.transitions, constraints.start.unsqueeze(0), constraints.end.unsqueeze(0)))
        if allowed.shape != (self.num_tags + 2, self.num_tags):
            raise ConfigError(f"the CRF has {self.num_tags} tags, but its constraints have {allowed.size(1)}")
        return torch.zeros(allowed.shape).masked_fill(~allowed, FORBIDDEN)
