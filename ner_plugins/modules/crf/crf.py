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

REDUCTIONS = ("sum", "mean", "token_mean")

# What a forbidden tag or transition adds to a score: finite, so that every tagging has a probability and a gradient,
# and more than logits in half precision can make up for.
FORBIDDEN = -1e6


class ConditionalRandomField(torch.nn.Module):
    """
    A linear-chain CRF (Lafferty, McCallum & Pereira 2001, "Conditional Random Fields"): the score of a tagging is the
    sum of the emissions of its tags, of the transitions between neighbours, and of its first and last tag.

    Masks may keep any tokens: the chain runs from one kept token to the next, as if the others were not there. A
    sentence without a token has one tagging, of score 0. Scores are float32, whatever the autocast and the emissions'
    type, or float64 where emissions are.

    # Parameters

    num_tags : `int`
    constraints : `Optional[Constraints]`, optional (default = `None`)
        What may follow what (`TagSet.constraints`). It counts in everything but the loss.
    constrain_training : `bool`, optional (default = `False`)
        Whether constraints count in the loss too, in the gold tagging's score as in the normaliser. Gold that breaks
        them then costs 1e6 for each breach: finite, with gradients as usual. `TagSet.targets` never does.
    use_start_end : `bool`, optional (default = `True`)
        Whether there are scores of the first and the last tag.
    reduction : `str`, optional (default = `"mean"`)
        Of the loss: `sum`, or divided by the number of sentences (`mean`) or of tokens (`token_mean`).

    # Raises

    `ConfigError` when `reduction` is another word, when `constrain_training` lacks constraints, or when these are of
    another number of tags; by the methods, `NerError` when shapes do not fit or a gold tag is none.
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
            raise ConfigError(f"unknown CRF reduction {reduction!r}: it must be one of {', '.join(REDUCTIONS)}")
        if constrain_training and constraints is None:
            raise ConfigError("a CRF can only constrain its training if it is given constraints")
        self.num_tags = num_tags
        self.reduction = reduction
        self.constrain_training = constrain_training
        self.transitions = torch.nn.Parameter(torch.empty(num_tags, num_tags))
        self.start_scores = torch.nn.Parameter(torch.empty(num_tags)) if use_start_end else None
        self.end_scores = torch.nn.Parameter(torch.empty(num_tags)) if use_start_end else None
        # Not part of the weights: they follow from the tags. Shape: (tags + 2, tags), the last rows start and end
        self._penalties: Optional[Tensor]
        self.register_buffer("_penalties", self._penalties_of(constraints), persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every score from -0.1 to 0.1, as published CRF taggers do."""
        for parameter in self.parameters():
            torch.nn.init.uniform_(parameter, -0.1, 0.1)

    def forward(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """
        The loss: the reduced negative log-likelihood.

        # Parameters

        emissions : `torch.Tensor`
            The score of each tag at each token. Shape: (batch, length, tags)
        tags : `torch.LongTensor`
            The gold tags, looked at where there is a token. Shape: (batch, length)
        mask : `torch.BoolTensor`
            The tokens. Shape: (batch, length)

        # Returns

        `torch.Tensor`
            A scalar; NaN where emissions are. Every parameter gets a gradient, also of an empty batch.
        """
        losses = -self.log_likelihood(emissions, tags, mask)
        if self.reduction == "mean" and len(mask) > 0:
            return losses.mean()
        if self.reduction == "token_mean":
            return losses.sum() / mask.sum().clamp(min=1)
        return losses.sum()

    def log_likelihood(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """The log-probability of each sentence's gold tags, as trained; `forward`'s parameters. Shape: (batch,)."""
        potentials = self.potentials(emissions, mask, constrained=self.constrain_training)
        if tags.shape != mask.shape:
            raise NerError(f"gold tags of shape {tuple(tags.shape)} do not fit a mask of shape {tuple(mask.shape)}")
        return -crf_inference.negative_log_likelihood(potentials, tags)

    def log_partition(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """log Z of each sentence. Shape: (batch,)."""
        return crf_inference.log_partition(self.potentials(emissions, mask))

    @torch.no_grad()
    def viterbi(self, emissions: Tensor, mask: Tensor) -> BestTagging:
        """The best tagging of each sentence, and which sentences have emissions that are not numbers."""
        return crf_inference.viterbi(self.potentials(emissions, mask))

    @torch.no_grad()
    def n_best(self, emissions: Tensor, mask: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """
        The `n` best taggings of each sentence, best first; those that break constraints come last.

        # Returns

        tags : `torch.LongTensor`
            Shape: (batch, n, length)
        scores : `torch.Tensor`
            Minus infinity where a sentence has fewer taggings. Shape: (batch, n)
        """
        return crf_inference.n_best(self.potentials(emissions, mask), n)

    def marginals(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """The probability of each tag at each token, 0 where there is none. Shape: (batch, length, tags)."""
        return crf_inference.marginals(self.potentials(emissions, mask))

    def entropy(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """The entropy of each sentence's distribution over taggings, in nats. Shape: (batch,)."""
        return crf_inference.entropy(self.potentials(emissions, mask))

    @torch.no_grad()
    def entity_probabilities(self, emissions: Tensor, mask: Tensor, tag_set: TagSet, spans: Spans) -> Tensor:
        """The exact probability of each entity (`ner_plugins.modules.crf.entity_probabilities`). Shape: (spans,)."""
        return entity_probabilities(self.potentials(emissions, mask), tag_set, spans)

    def potentials(self, emissions: Tensor, mask: Tensor, constrained: bool = True) -> Potentials:
        """The scores of a batch, in float32 or float64, with the constraints' or without."""
        if emissions.shape != (*mask.shape, self.num_tags):
            shapes = f"{tuple(emissions.shape)} and a mask of shape {tuple(mask.shape)}"
            raise NerError(f"a CRF of {self.num_tags} tags cannot take emissions of shape {shapes}")
        dtype = torch.float64 if emissions.dtype == torch.float64 else torch.float32
        scores = [self.transitions.to(dtype)]
        for edge in (self.start_scores, self.end_scores):
            scores.append(scores[0].new_zeros(self.num_tags) if edge is None else edge.to(dtype))
        if constrained and self._penalties is not None:
            penalties = self._penalties.to(dtype)
            scores = [scores[0] + penalties[:-2], scores[1] + penalties[-2], scores[2] + penalties[-1]]
        return Potentials(emissions.to(dtype), mask.bool(), *scores)

    def extra_repr(self) -> str:
        """Sizes and settings."""
        constrained = self._penalties is not None
        return f"{self.num_tags} tags, {constrained=}, constrain_training={self.constrain_training}, {self.reduction}"

    def _penalties_of(self, constraints: Optional[Constraints]) -> Optional[Tensor]:
        if constraints is None:
            return None
        allowed = torch.cat((constraints.transitions, constraints.start.unsqueeze(0), constraints.end.unsqueeze(0)))
        if allowed.shape != (self.num_tags + 2, self.num_tags):
            raise ConfigError(f"the CRF has {self.num_tags} tags, but its constraints have {allowed.size(1)}")
        return torch.zeros(allowed.shape).masked_fill(~allowed, FORBIDDEN)
