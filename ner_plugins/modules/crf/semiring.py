"""
Linear chains by one recursion over a semiring (Goodman 1999, "Semiring Parsing"; Li & Eisner 2009), in plain torch.

This defines what a CRF computes, on any device, in float32 or float64, differentiable as often as one likes.
`ner_plugins.modules.crf.inference` computes the same values faster.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ner_plugins.modules.crf.compaction import Compaction


class Potentials(NamedTuple):
    """
    The scores of a batch of chains. A tagging's score is the sum of those on its path.

    # Parameters

    emissions : `torch.Tensor`
        float32 or float64. Shape: (batch, length, tags)
    mask : `torch.BoolTensor`
        The tokens of the chain; others are skipped, whatever their emissions. Shape: (batch, length)
    transitions : `torch.Tensor`
        [i, j]: tag j right after tag i. Shape: (tags, tags)
    start, end : `torch.Tensor`
        The first and the last tag of a chain. Shape of each: (tags,)
    """

    emissions: Tensor
    mask: Tensor
    transitions: Tensor
    start: Tensor
    end: Tensor


class Chain(NamedTuple):
    """
    Potentials without gaps: the tokens of each row are at its left.

    # Parameters

    emissions : `torch.Tensor`
        0 after the last token. At least two columns, so that every score is in the graph and gets a gradient.
        Shape: (batch, length, tags)
    lengths : `torch.LongTensor`
        Shape: (batch,)
    transitions, start, end : `torch.Tensor`
        As in `Potentials`.
    """

    emissions: Tensor
    lengths: Tensor
    transitions: Tensor
    start: Tensor
    end: Tensor

    @classmethod
    def of(cls, potentials: Potentials) -> "Chain":
        """The chains of `potentials`."""
        emissions, mask, transitions, start, end = potentials
        missing = max(2 - mask.size(1), 0)
        emissions, mask = F.pad(emissions, (0, 0, 0, missing)), F.pad(mask, (0, missing))
        compaction = Compaction(mask)
        return cls(compaction.left(emissions), compaction.lengths, transitions, start, end)

    def reversed(self) -> "Chain":
        """The chains from their last token to their first."""
        place = torch.arange(self.emissions.size(1), device=self.lengths.device)
        place = (self.lengths.unsqueeze(1) - 1 - place).clamp(min=0)  # Shape: (batch, length)
        emissions = self.emissions.gather(1, place.unsqueeze(2).expand_as(self.emissions))
        return Chain(emissions, self.lengths, self.transitions.t(), self.end, self.start)

    @property
    def inside(self) -> Tensor:
        """Which columns hold a token. Shape: (batch, length)"""
        return torch.arange(self.emissions.size(1), device=self.lengths.device) < self.lengths.unsqueeze(1)


class Semiring(ABC):
    """
    Sums and products of weights. A weight has components along the first dimension. The recursion multiplies weights
    only by the weights of scores, which is an addition in every semiring here.
    """

    @abstractmethod
    def weight(self, scores: Tensor) -> Tensor:
        """The weights of scores. Shape: (components, ...)"""

    def factor(self, scores: Tensor) -> Tensor:
        """The tensor that, added to weights, multiplies them by those of `scores`. Shape: (components or 1, ...)"""
        return scores.unsqueeze(0)

    @abstractmethod
    def plus(self, weights: Tensor, dim: int) -> Tensor:
        """The sum of weights along the negative dimension `dim`."""


class LogSemiring(Semiring):
    """Log-sums of exponentials: the total is log Z. One component."""

    def weight(self, scores: Tensor) -> Tensor:
        """The scores."""
        return scores.unsqueeze(0)

    def plus(self, weights: Tensor, dim: int) -> Tensor:
        """`logsumexp`."""
        return weights.logsumexp(dim)


class MaxSemiring(LogSemiring):
    """Maxima: the total is the score of the best tagging. One component."""

    def plus(self, weights: Tensor, dim: int) -> Tensor:
        """The maximum."""
        return weights.amax(dim)


class KBestSemiring(Semiring):
    """
    The `k` best scores, best first, in `k` components; minus infinity if there are fewer taggings.

    # Parameters

    k : `int`
    """

    def __init__(self, k: int) -> None:
        self.k = k

    def weight(self, scores: Tensor) -> Tensor:
        """The score, then minus infinity."""
        others = torch.full_like(scores, -torch.inf).expand(self.k - 1, *scores.shape)
        return torch.cat((scores.unsqueeze(0), others))

    def plus(self, weights: Tensor, dim: int) -> Tensor:
        """The `k` best of all components."""
        return best_of_components(weights, dim, self.k)[0]


class EntropySemiring(Semiring):
    """
    log Z, and the entropy of the taggings so far, in two components. The entropy of a mixture is the mean of the
    entropies it mixes plus the entropy of the choice among them.
    """

    def weight(self, scores: Tensor) -> Tensor:
        """The scores, with entropy 0."""
        return torch.stack((scores, torch.zeros_like(scores)))

    def factor(self, scores: Tensor) -> Tensor:
        """Changes only log Z."""
        return self.weight(scores)

    def plus(self, weights: Tensor, dim: int) -> Tensor:
        """The mixture."""
        log_weight, entropy = weights  # Shape of each: (...)
        log_share = log_weight.log_softmax(dim)
        mixed = (log_share.exp() * (entropy - log_share.clamp(min=torch.finfo(log_share.dtype).min))).sum(dim)
        return torch.stack((log_weight.logsumexp(dim), mixed))


def best_of_components(weights: Tensor, dim: int, k: int) -> tuple[Tensor, Tensor]:
    """
    The `k` best of all components along a dimension.

    # Parameters

    weights : `torch.Tensor`
        Shape: (components, ..., n, ...)
    dim : `int`
        The dimension of size n, negative.
    k : `int`

    # Returns

    values : `torch.Tensor`
        Best first. Shape: (k, ..., ...)
    choice : `torch.LongTensor`
        Component * n + index of each. Shape: (k, ..., ...)
    """
    candidates = weights.movedim((0, dim), (-2, -1)).flatten(-2)  # Shape: (..., components * n)
    # Stable, so that walking back meets the same candidates in the same order.
    values, choice = candidates.sort(dim=-1, descending=True, stable=True)
    missing = max(k - candidates.size(-1), 0)
    values = F.pad(values[..., :k], (0, missing), value=-torch.inf)
    choice = F.pad(choice[..., :k], (0, missing))
    return values.movedim(-1, 0), choice.movedim(-1, 0)


def messages(chain: Chain, semiring: Semiring) -> Tensor:
    """
    The recursion: for each token and tag, the sum over all taggings of the tokens up to there that end in the tag.

    # Returns

    `torch.Tensor`
        Meaningless after the last token of a row. Shape: (length, components, batch, tags)
    """
    step = semiring.factor(chain.transitions.unsqueeze(0))  # Shape: (components or 1, 1, tags, tags)
    found = [semiring.weight(chain.start + chain.emissions[:, 0])]  # Shape of each: (components, batch, tags)
    for emissions in chain.emissions.unbind(1)[1:]:
        found.append(semiring.plus(found[-1].unsqueeze(-1) + step, -2) + semiring.factor(emissions))
    return torch.stack(found)


def last_message(chain: Chain, found: Tensor) -> Tensor:
    """The `messages` at each row's last token. Shape: (components, batch, tags)"""
    last = (chain.lengths - 1).clamp(min=0)
    return found[last, :, torch.arange(len(last), device=last.device)].transpose(0, 1)


def total(chain: Chain, semiring: Semiring) -> Tensor:
    """
    The sum over all taggings. A row without tokens has one tagging, with score 0.

    # Returns

    `torch.Tensor`
        Shape: (components, batch)
    """
    # Shape: (components, batch, tags)
    weights = last_message(chain, messages(chain, semiring)) + semiring.factor(chain.end.unsqueeze(0))
    empty = semiring.weight(torch.zeros_like(chain.emissions[:, 0, 0]))  # Shape: (components, batch)
    return torch.where(chain.lengths > 0, semiring.plus(weights, -1), empty)


def compact_tags(tags: Tensor, mask: Tensor) -> Tensor:
    """Moves tags that go with `Potentials` to the places of their `Chain`. Shape: (batch, length)"""
    missing = max(2 - mask.size(1), 0)
    return Compaction(F.pad(mask, (0, missing))).left(F.pad(tags, (0, missing)))


def path_scores(chain: Chain, tags: Tensor) -> Tensor:
    """
    The scores of given taggings.

    # Parameters

    tags : `torch.LongTensor`
        0 after the last token. Shape: (batch, length)

    # Returns

    `torch.Tensor`
        Shape: (batch,)
    """
    emissions, lengths, transitions, start, end = chain
    inside = chain.inside
    at_tokens = emissions.gather(2, tags.unsqueeze(2)).squeeze(2)  # Shape: (batch, length)
    # By `index_select`, whose gradient is a single addition by index.
    pairs = (tags[:, :-1] * len(start) + tags[:, 1:]).flatten()  # Shape: (batch * (length - 1),)
    between = transitions.flatten().index_select(0, pairs).view(len(tags), tags.size(1) - 1)
    # Shape of these: (batch,)
    scores = torch.where(inside, at_tokens, 0).sum(1) + torch.where(inside[:, 1:], between, 0).sum(1)
    last = tags.gather(1, (lengths - 1).clamp(min=0).unsqueeze(1)).squeeze(1)
    edges = start.index_select(0, tags[:, 0]) + end.index_select(0, last)
    return scores + torch.where(lengths > 0, edges, 0)


def log_partition(chain: Chain) -> Tensor:
    """log Z of each row. Shape: (batch,)"""
    return total(chain, LogSemiring())[0]


def entropy(chain: Chain) -> Tensor:
    """The entropy of the distribution over taggings, in nats. Shape: (batch,)"""
    return total(chain, EntropySemiring())[1]


def marginals(chain: Chain) -> Tensor:
    """
    The probability of each tag at each token: the gradient of log Z. Differentiable if gradients are enabled.

    # Returns

    `torch.Tensor`
        0 after the last token. Shape: (batch, length, tags)
    """
    differentiable = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in chain)
    with torch.enable_grad():
        emissions = chain.emissions if differentiable else chain.emissions.detach()
        emissions = emissions if emissions.requires_grad else emissions.requires_grad_()
        value = log_partition(chain._replace(emissions=emissions)).sum()
        (gradient,) = torch.autograd.grad(value, emissions, create_graph=differentiable)
    return gradient


@torch.no_grad()
def n_best(chain: Chain, n: int) -> tuple[Tensor, Tensor]:
    """
    The `n` best taggings of each row, best first.

    # Returns

    tags : `torch.LongTensor`
        0 after the last token. Shape: (batch, n, length)
    scores : `torch.Tensor`
        Minus infinity, with meaningless tags, if a row has fewer taggings. Shape: (batch, n)
    """
    semiring, number = KBestSemiring(n), len(chain.start)
    found = messages(chain, semiring)  # Shape: (length, n, batch, tags)
    # Shape: (n, batch, tags)
    weights = last_message(chain, found) + semiring.factor(chain.end.unsqueeze(0))
    scores, choice = (value.t() for value in best_of_components(weights, -1, n))  # Shape of each: (batch, n)
    last = choice
    path = []
    for place in range(len(found) - 1, -1, -1):
        # A row's walk starts at its last token and follows each path back to where its weight came from.
        choice = torch.where((chain.lengths - 1 == place).unsqueeze(1), last, choice)
        path.append(choice % number)
        if place > 0:
            arcs = chain.transitions.t()[choice % number]  # Shape: (batch, n, tags)
            candidates = found[place - 1].unsqueeze(2) + arcs  # Shape: (n, batch, n, tags)
            _, came_from = best_of_components(candidates, -1, n)  # Shape: (n, batch, n)
            choice = came_from.gather(0, (choice // number).unsqueeze(0)).squeeze(0)
    tags = torch.stack(path[::-1], 2)
    empty = semiring.weight(torch.zeros_like(scores[:, 0])).t()
    return tags.masked_fill(~chain.inside.unsqueeze(1), 0), torch.where(chain.lengths.unsqueeze(1) > 0, scores, empty)
