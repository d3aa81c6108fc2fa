"""The bridge from torch to the compiled kernels in `ner_plugins.kernels`, for float32 on a CPU."""

import functools
import logging
from typing import Any, Optional, Sequence

import numpy as np
import torch
from torch import Tensor

from ner_plugins.errors import NerError
from ner_plugins.kernels.message_arrays import NOTHING, OneWay, fill_other_way, kernel_of
from ner_plugins.modules.crf import semiring
from ner_plugins.modules.crf.batched import Messages, gradients
from ner_plugins.modules.crf.semiring import Chain, Potentials

logger = logging.getLogger(__name__)

_NO_GOLD = np.empty((0, 0), np.int64)
_TOKENS_AT_ONCE = 4096


@functools.cache
def is_available(module: str) -> bool:
    """
    Whether the kernels of a module, `messages` or `viterbi`, can be used. The first call imports and compiles them, and
    logs a warning if numba is missing or fails.
    """
    try:
        from numba import config
        from numba.core.errors import NumbaError
    except ImportError as error:
        logger.warning("CRFs run in plain torch, which is slower on a CPU: %s", error)
        return False
    if config.DISABLE_JIT:  # NUMBA_DISABLE_JIT; the kernels' intrinsic cannot be interpreted
        logger.warning("CRFs run in plain torch, which is slower on a CPU: NUMBA_DISABLE_JIT is set")
        return False
    try:
        try:
            _try_out(module)
        except OSError as error:
            # Writing the machine code to the cache failed, but it is in memory: only the next process recompiles it.
            logger.warning("cannot cache the compiled CRF kernels, so every start compiles them: %s", error)
            _try_out(module)
    except (NumbaError, ImportError, OSError) as error:
        logger.warning("CRFs run in plain torch, which is slower on a CPU; numba failed: %s", error)
        return False
    return True


def viterbi(potentials: Potentials) -> tuple[Tensor, Tensor]:
    """
    The best tagging of each row.

    # Returns

    tags : `torch.LongTensor`
        0 outside the mask. Shape: (batch, length)
    scores : `torch.Tensor`
        NaN if an emission is NaN or plus infinity. Shape: (batch,)
    """
    tags = np.empty(potentials.mask.shape, np.int64)
    scores = np.empty(len(tags), np.float32)
    kernel_of("viterbi", "viterbi")(*_arrays(potentials), tags, scores)
    return torch.from_numpy(tags), torch.from_numpy(scores)


def marginals(potentials: Potentials) -> Tensor:
    """
    The probability of each tag at each token.

    # Returns

    `torch.Tensor`
        0 outside the mask; NaN in rows whose `viterbi` score is NaN. Shape: (batch, length, tags)
    """
    emissions, mask, *scores = _arrays(potentials)
    by_token = np.empty_like(emissions)
    # A few rows at a time, so that messages fit the cache and memory is reused.
    rows = max(1, _TOKENS_AT_ONCE // max(mask.shape[1], 1))
    one_way = OneWay.unfilled(emissions[:rows])
    for first in range(0, len(mask), rows):
        some = slice(first, first + rows)
        arrays = (emissions[some], mask[some], *scores)
        those = OneWay(*(array[: len(arrays[0])] for array in one_way))
        kernel_of("messages", "forward_messages")(*arrays, *those)
        fill_other_way(arrays, those, NOTHING, by_token[some])
    return torch.from_numpy(by_token)


def both_messages(potentials: Potentials) -> Messages:
    """The messages of chains, indexed by kept token, in float64; meaningless after the last token."""
    arrays = _arrays(potentials)
    one_way = OneWay.filled(arrays)
    other_way = np.zeros_like(one_way.forward)
    fill_other_way(arrays, one_way, other_way, np.empty_like(arrays[0]))
    number = len(potentials.start)
    # Shape of each: (batch, length, tags)
    forward, backward = (torch.from_numpy(way)[..., :number].double() for way in (one_way.forward, other_way))
    # Shapes: (batch,), (batch, length, 1)
    log_z, offsets = torch.from_numpy(one_way.log_z), torch.from_numpy(one_way.offsets).unsqueeze(2)
    # forward + backward, summed over the tags of any token, is log Z: that recovers the shift of the backward messages.
    backward = backward + (log_z.view(-1, 1, 1) - offsets - (forward + backward).logsumexp(2, keepdim=True))
    return Messages(forward + offsets, backward, log_z)


def negative_log_likelihood(potentials: Potentials, tags: Optional[Tensor]) -> Tensor:
    """
    log Z of each row, minus the score of `tags` if they are given; differentiable.

    # Parameters

    potentials : `Potentials`
    tags : `Optional[torch.LongTensor]`
        Read only at tokens. Shape: (batch, length)

    # Returns

    `torch.Tensor`
        Shape: (batch,)

    # Raises

    `NerError` if a gold tag is out of range.
    """
    loss: Tensor = _NegativeLogLikelihood.apply(potentials.mask, tags, *potentials[:1], *potentials[2:])  # type: ignore[no-untyped-call]
    return loss


class _NegativeLogLikelihood(torch.autograd.Function):
    """log Z, minus the score of the tags if they are given."""

    @staticmethod
    def forward(ctx: Any, mask: Tensor, tags: Optional[Tensor], *scores: Tensor) -> Tensor:
        emissions, transitions, start, end = scores
        ctx.arrays = _arrays((emissions, mask, transitions, start, end))
        ctx.gold = _NO_GOLD if tags is None else _arrays((tags,))[0]
        ctx.one_way = OneWay.unfilled(ctx.arrays[0])
        loss = np.empty(len(mask), np.float32)
        if not kernel_of("messages", "loss_forward")(*ctx.arrays, ctx.gold, *ctx.one_way, loss):
            raise NerError(f"gold tags must be from 0 to {len(start) - 1}, but one is not")
        ctx.save_for_backward(mask, tags, *scores)
        return torch.from_numpy(loss)

    @staticmethod
    def backward(ctx: Any, scale: Tensor) -> tuple[Optional[Tensor], ...]:  # type: ignore[override]
        mask, tags, *scores = ctx.saved_tensors  # raises if one was changed in place since, which `ctx.arrays` cannot
        if torch.is_grad_enabled():  # for a second derivative
            value = _differentiable(mask, tags, *scores)
            return None, None, *gradients(value, tuple(scores), ctx.needs_input_grad[2:], scale)
        emissions, _, transitions, _, end = ctx.arrays
        weights, log_z = ctx.one_way.weights, ctx.one_way.log_z
        by_token, by_pair = np.empty_like(emissions), np.zeros_like(transitions)
        by_edge = np.zeros((2, len(end)), np.float32)
        following = np.empty_like(weights) if ctx.needs_input_grad[3] else NOTHING
        (each,) = _arrays((scale,))
        each = np.where(np.isnan(log_z), np.float32(np.nan), each)
        kernel_of("messages", "loss_backward")(
            emissions, ctx.arrays[1], transitions, end, ctx.gold, ctx.one_way.forward, weights, each, following,
            by_token, by_pair, by_edge,
        )  # fmt: skip
        d_token, d_pair, d_edge = (torch.from_numpy(array) for array in (by_token, by_pair, by_edge))
        if following.size > 0:
            d_pair += _pair_sums(weights, following, scores[1].detach())
        return None, None, d_token, d_pair, d_edge[0], d_edge[1]


def _pair_sums(weights: np.ndarray, following: np.ndarray, transitions: Tensor) -> Tensor:
    """The gradient of the transitions, as one matrix product instead of in the kernel. Shape: (tags, tags)"""
    width, number = weights.shape[2], len(transitions)
    sums = torch.empty(width, width)
    # Autocast does not touch a product with `out`.
    torch.mm(torch.from_numpy(weights).view(-1, width).t(), torch.from_numpy(following).view(-1, width), out=sums)
    return sums[:number, :number].mul_((transitions - transitions.max()).exp_())


def _differentiable(mask: Tensor, tags: Optional[Tensor], *scores: Tensor) -> Tensor:
    """The definition, differentiable as often as one likes. Shape: (batch,)"""
    emissions, transitions, start, end = scores
    chain = Chain.of(Potentials(emissions, mask, transitions, start, end))
    value = semiring.log_partition(chain)
    return value if tags is None else value - semiring.path_scores(chain, semiring.compact_tags(tags, mask))


def _arrays(tensors: Sequence[Tensor]) -> tuple[np.ndarray, ...]:
    """The tensors as arrays, copied only if they are not contiguous."""
    return tuple(tensor.detach().contiguous().numpy() for tensor in tensors)


def _try_out(module: str) -> None:
    """Compile the kernels of a module by running them on one token with two tags."""
    emissions, edge = torch.zeros(1, 1, 2), torch.zeros(2)
    potentials = Potentials(emissions, torch.ones(1, 1, dtype=torch.bool), torch.zeros(2, 2), edge, edge)
    if module == "viterbi":
        viterbi(potentials)
        return
    with torch.enable_grad():
        potentials = potentials._replace(emissions=emissions.requires_grad_())
        loss = negative_log_likelihood(potentials, torch.zeros(1, 1, dtype=torch.int64))
        loss.sum().backward()  # type: ignore[no-untyped-call]
