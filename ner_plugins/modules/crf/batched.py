"""
Inference in linear chains in batched torch, for accelerators: few operations per token, no wait for the device, and
gradients by the forward-backward algorithm instead of a graph. Emissions are shifted first, which keeps messages small
in long texts.
"""

import math
from typing import Any, NamedTuple, Optional

import torch
from torch import Tensor

from ner_plugins.modules.crf import semiring
from ner_plugins.modules.crf.semiring import Chain, MaxSemiring

_PAIRS_AT_A_TIME = 1 << 24  # pairs of tags computed together; bounds the memory


class Messages(NamedTuple):
    """
    The forward and backward messages of each tag at each token, in logarithms.

    # Parameters

    forward : `torch.Tensor`
        From the tokens before, with the token's own emission. Shape: (batch, length, tags)
    backward : `torch.Tensor`
        From the tokens after. Shape: (batch, length, tags)
    log_partition : `torch.Tensor`
        log Z. Shape: (batch,)
    """

    forward: Tensor
    backward: Tensor
    log_partition: Tensor


def both_messages(chain: Chain) -> Messages:
    """The messages of chains, both directions in one recursion; meaningless after the last token."""
    back = chain.reversed()
    emissions = torch.stack((chain.emissions, back.emissions), 2)  # Shape: (batch, length, 2, tags)
    transitions = torch.stack((chain.transitions, back.transitions))  # Shape: (2, tags, tags)
    received = [torch.stack((chain.start, back.start)).expand_as(emissions[:, 0])]  # Shape of each: (batch, 2, tags)
    for emission in emissions.unbind(1)[:-1]:
        paths = (received[-1] + emission).unsqueeze(-1) + transitions  # Shape: (batch, 2, tags, tags)
        top = paths.amax(-2, keepdim=True)  # Shape: (batch, 2, 1, tags)
        received.append(paths.sub_(top).exp_().sum(-2).log_().add_(top.squeeze(-2)))
    forward, backward = torch.stack(received, 1).unbind(2)  # Shape of each: (batch, length, tags)
    forward = forward + chain.emissions
    last = (chain.lengths - 1).clamp(min=0).view(-1, 1, 1).expand(-1, 1, forward.size(2))  # Shape: (batch, 1, tags)
    log_z = (forward.gather(1, last).squeeze(1) + chain.end).logsumexp(1)  # Shape: (batch,)
    # Reversing is its own inverse.
    backward = Chain(backward, *chain[1:]).reversed().emissions
    return Messages(forward, backward, torch.where(chain.lengths > 0, log_z, 0))


def marginals(chain: Chain) -> Tensor:
    """
    The probability of each tag at each token.

    # Returns

    `torch.Tensor`
        0 after the last token. Shape: (batch, length, tags)
    """
    return _token_marginals(chain, both_messages(_shifted(chain)[0]))


def log_partition(chain: Chain) -> Tensor:
    """log Z of each row. Shape: (batch,)"""
    shifted, shift = _shifted(chain)
    log_z: Tensor = _LogPartition.apply(*shifted)  # type: ignore[no-untyped-call]
    return log_z + shift


def viterbi(chain: Chain, doubling: Optional[bool] = None) -> tuple[Tensor, Tensor]:
    """
    The best tagging of each row.

    # Parameters

    chain : `Chain`
    doubling : `Optional[bool]`, optional (default=`None`)
        Whether to walk back in a number of steps logarithmic in the length, each with more work. By default only on
        accelerators.

    # Returns

    tags : `torch.LongTensor`
        0 after the last token. Shape: (batch, length)
    scores : `torch.Tensor`
        Shape: (batch,)
    """
    chain, shift = _shifted(chain)
    found = semiring.messages(chain, MaxSemiring())  # Shape: (length, 1, batch, tags)
    scores, last = (semiring.last_message(chain, found)[0] + chain.end).max(-1)  # Shape of each: (batch,)
    if doubling is None:
        doubling = last.device.type != "cpu"
    walk = _walk_back_by_doubling if doubling else _walk_back
    tags = walk(chain, found.squeeze(1), last)
    return tags.masked_fill(~chain.inside, 0), torch.where(chain.lengths > 0, scores + shift, 0)


def _walk_back(chain: Chain, best: Tensor, last: Tensor) -> Tensor:
    """The best tags of each row, followed back from its `last` one. Shape: (batch, length)"""
    arcs = chain.transitions.t()
    tag, path = last, []
    for place in range(len(best) - 1, -1, -1):
        tag = torch.where(chain.lengths - 1 == place, last, tag)
        path.append(tag)
        if place > 0:
            tag = (best[place - 1] + arcs[tag]).argmax(-1)
    return torch.stack(path[::-1], 1)


def _walk_back_by_doubling(chain: Chain, best: Tensor, last: Tensor) -> Tensor:
    """`_walk_back`, by pointers from each tag to the best one 1, 2, 4, 8, … tokens before it."""
    length, batch, number = best.shape
    step = max(_PAIRS_AT_A_TIME // (number * number * max(batch, 1)), 1)
    pieces = [(piece.unsqueeze(-1) + chain.transitions).argmax(-2) for piece in torch.split(best, step)]
    origin = torch.cat(pieces)  # [i, b, t]: the tag at token i if t is at i + 1. Shape: (length, batch, tags)
    place = torch.arange(length, device=best.device).view(-1, 1, 1)
    origin = torch.where(place == (chain.lengths - 1).view(-1, 1), last.unsqueeze(1), origin)
    distance = 1
    while distance < length:
        farther = origin[:-distance].gather(2, origin[distance:])
        origin = torch.cat((farther, origin[-distance:]))
        distance *= 2
    return origin[..., 0].t()


def _shifted(chain: Chain) -> tuple[Chain, Tensor]:
    """
    The chains with scores lowered by constants, so that messages change little from token to token; and by how much
    this lowers the score of every tagging of a row. Shape of the latter: (batch,)
    """
    by_token = chain.emissions.detach().logsumexp(2, keepdim=True)  # Shape: (batch, length, 1)
    by_arc = chain.transitions.detach().logsumexp((0, 1)) - math.log(len(chain.start))  # a scalar
    lower = chain._replace(emissions=chain.emissions - by_token, transitions=chain.transitions - by_arc)
    total = torch.where(chain.inside, by_token.squeeze(2), 0).sum(1) + (chain.lengths - 1).clamp(min=0) * by_arc
    return lower, total


def _token_marginals(chain: Chain, found: Messages) -> Tensor:
    # Normalise each token by itself, since log Z loses digits in long texts.
    return torch.where(chain.inside.unsqueeze(2), (found.forward + found.backward).softmax(2), 0)


def _pair_marginals(chain: Chain, found: Messages, scale: Tensor) -> Tensor:
    """The expected counts of pairs of neighbouring tags, summed over rows weighted by `scale`. Shape: (tags, tags)"""
    number = len(chain.start)
    total_of_next = (found.forward + found.backward)[:, 1:].logsumexp(2, keepdim=True)  # Shape: (batch, length - 1, 1)
    before = (found.forward[:, :-1] - total_of_next).reshape(-1, number)  # Shape of these: (batch * (length - 1), tags)
    after = (chain.emissions + found.backward)[:, 1:].reshape(-1, number)
    weight = torch.where(chain.inside, scale.unsqueeze(1), 0)[:, 1:].reshape(-1, 1, 1)
    inside = chain.inside[:, 1:].reshape(-1, 1, 1)
    step = max(_PAIRS_AT_A_TIME // (number * number), 1)
    total = torch.zeros_like(chain.transitions)
    for piece in (slice(first, first + step) for first in range(0, len(before), step)):
        # Shape: (pairs of tokens, tags, tags)
        share = (before[piece].unsqueeze(2) + chain.transitions + after[piece].unsqueeze(1)).exp_()
        total += torch.where(inside[piece], share * weight[piece], 0).sum(0)
    return total


class _LogPartition(torch.autograd.Function):
    """log Z. Its gradient is the marginals."""

    @staticmethod
    def forward(ctx: Any, *chain: Tensor) -> Tensor:
        found = both_messages(Chain(*chain))
        ctx.save_for_backward(*chain, *found)
        return found.log_partition

    @staticmethod
    def backward(ctx: Any, scale: Tensor) -> tuple[Optional[Tensor], ...]:  # type: ignore[override]
        chain, found = Chain(*ctx.saved_tensors[:5]), Messages(*ctx.saved_tensors[5:])
        if torch.is_grad_enabled():  # for a second derivative
            return gradients(semiring.log_partition(chain), chain, ctx.needs_input_grad, scale)
        by_token = _token_marginals(chain, found) * scale.view(-1, 1, 1)  # Shape: (batch, length, tags)
        by_pair = _pair_marginals(chain, found, scale) if ctx.needs_input_grad[2] else None
        last = (chain.lengths - 1).clamp(min=0).view(-1, 1, 1).expand(-1, 1, by_token.size(2))
        return by_token, None, by_pair, by_token[:, 0].sum(0), by_token.gather(1, last).sum((0, 1))


def gradients(
    value: Tensor, tensors: tuple[Tensor, ...], needed: tuple[bool, ...], scale: Tensor
) -> tuple[Optional[Tensor], ...]:
    """The gradient of `value` times `scale` with respect to each of `tensors`; `None` if not needed. With a graph."""
    wanted = [tensor for tensor, is_needed in zip(tensors, needed, strict=True) if is_needed]
    found = iter(torch.autograd.grad(value, wanted, scale, create_graph=True))
    return tuple(next(found) if is_needed else None for is_needed in needed)
