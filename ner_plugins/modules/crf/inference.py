"""
Inference in linear chains, each quantity in the fastest way available; all ways give the same values.

- On a CPU in float32: the compiled kernels (`crf_compiled`).
- On accelerators, or without numba: batched torch (`crf_batched`), without waiting for the device.
- In float64: the recursion of `semiring`, which is the definition.
"""

from typing import Any, NamedTuple, Optional

import torch
from torch import Tensor

from ner_plugins.modules.crf import batched as crf_batched
from ner_plugins.modules.crf import compiled as crf_compiled
from ner_plugins.modules.crf import semiring
from ner_plugins.modules.crf.batched import Messages, gradients
from ner_plugins.modules.crf.compaction import Compaction
from ner_plugins.modules.crf.semiring import Chain, Potentials


class BestTagging(NamedTuple):
    """
    The best tagging of each row.

    # Parameters

    tags : `torch.LongTensor`
        0 outside the mask. Shape: (batch, length)
    scores : `torch.Tensor`
        Their scores. Shape: (batch,)
    invalid : `torch.BoolTensor`
        The rows with a score that is not finite; their tags are meaningless. Shape: (batch,)
    """

    tags: Tensor
    scores: Tensor
    invalid: Tensor


@torch.no_grad()
def viterbi(potentials: Potentials) -> BestTagging:
    """The best tagging of each row. Ties go to the lowest tag, decided from the last token backwards."""
    if _has_kernels(potentials, "viterbi"):
        tags, scores = crf_compiled.viterbi(potentials)
    else:
        tags, scores = crf_batched.viterbi(Chain.of(potentials))
        tags = Compaction(potentials.mask).back(tags)
    return BestTagging(tags, scores, ~scores.isfinite())


def negative_log_likelihood(potentials: Potentials, tags: Tensor) -> Tensor:
    """
    log Z minus the score of `tags`; differentiable, and 0 for a row without tokens.

    # Parameters

    potentials : `Potentials`
    tags : `torch.LongTensor`
        Read only at tokens. Shape: (batch, length)

    # Returns

    `torch.Tensor`
        Shape: (batch,)
    """
    if _has_kernels(potentials, "messages"):
        return crf_compiled.negative_log_likelihood(potentials, tags)
    chain = Chain.of(potentials)
    return _log_partition(chain) - semiring.path_scores(chain, semiring.compact_tags(tags, potentials.mask))


def log_partition(potentials: Potentials) -> Tensor:
    """log Z of each row, differentiable. Shape: (batch,)"""
    if _has_kernels(potentials, "messages"):
        return crf_compiled.negative_log_likelihood(potentials, None)
    return _log_partition(Chain.of(potentials))


def marginals(potentials: Potentials) -> Tensor:
    """
    The probability of each tag at each token. Differentiable; the cost of gradients is paid in the backward pass.

    # Returns

    `torch.Tensor`
        0 outside the mask. Shape: (batch, length, tags)
    """
    if potentials.emissions.dtype == torch.float64:
        return _defined_marginals(potentials)
    found: Tensor = _Marginals.apply(*potentials)  # type: ignore[no-untyped-call]
    return found


@torch.no_grad()
def both_messages(potentials: Potentials) -> Messages:
    """The messages of chains, indexed by kept token, in float32 or float64."""
    if _has_kernels(potentials, "messages") and potentials.mask.size(1) > 0:
        return crf_compiled.both_messages(potentials)
    return crf_batched.both_messages(Chain.of(potentials))


def entropy(potentials: Potentials) -> Tensor:
    """The entropy of the distribution over taggings, in nats, differentiable. Shape: (batch,)"""
    return semiring.entropy(Chain.of(potentials))


def n_best(potentials: Potentials, n: int) -> tuple[Tensor, Tensor]:
    """
    The `n` best taggings of each row, best first.

    # Returns

    tags : `torch.LongTensor`
        0 outside the mask. Shape: (batch, n, length)
    scores : `torch.Tensor`
        Minus infinity, with meaningless tags, if a row has fewer taggings. Shape: (batch, n)
    """
    tags, scores = semiring.n_best(Chain.of(potentials), n)  # Shapes: (batch, n, kept tokens), (batch, n)
    return Compaction(potentials.mask).back(tags.transpose(1, 2)).transpose(1, 2), scores


def _defined_marginals(potentials: Potentials) -> Tensor:
    return Compaction(potentials.mask).back(semiring.marginals(Chain.of(potentials)))


class _Marginals(torch.autograd.Function):
    """Marginals computed the fast way, with the gradient of the definition."""

    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> Tensor:
        potentials = Potentials(*tensors)
        ctx.save_for_backward(*tensors)
        if _has_kernels(potentials, "messages"):
            return crf_compiled.marginals(potentials)
        return Compaction(potentials.mask).back(crf_batched.marginals(Chain.of(potentials)))

    @staticmethod
    def backward(ctx: Any, scale: Tensor) -> tuple[Optional[Tensor], ...]:  # type: ignore[override]
        tensors, needed = tuple(ctx.saved_tensors), ctx.needs_input_grad
        again = torch.is_grad_enabled()  # for a second derivative
        if not again:
            tensors = tuple(map(torch.Tensor.detach, tensors))
            for tensor, is_needed in zip(tensors, needed, strict=True):
                tensor.requires_grad_(is_needed)
        with torch.enable_grad():
            found = gradients(_defined_marginals(Potentials(*tensors)), tensors, needed, scale)
        return found if again else tuple(None if gradient is None else gradient.detach() for gradient in found)


def _log_partition(chain: Chain) -> Tensor:
    if chain.emissions.dtype == torch.float64:
        return semiring.log_partition(chain)
    return crf_batched.log_partition(chain)


def _has_kernels(potentials: Potentials, module: str) -> bool:
    emissions = potentials.emissions
    fits = emissions.device.type == "cpu" and emissions.dtype == torch.float32
    return fits and not torch.compiler.is_compiling() and crf_compiled.is_available(module)
