"""
Inference in linear chains of arrays: the best tagging, the messages, the best few taggings. Numba's kernels compute the
first two if numba is installed; without it numpy computes the same, step by step over the tokens of a batch.

`ner_plugins.modules.crf` has the definitions. Here the tokens of a row are its first ones.
"""

import functools
import logging
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ner_plugins.kernels.message_arrays import OneWay, fill_other_way, kernel_of

logger = logging.getLogger(__name__)

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
LOW = np.float32(-1e30)  # replaces minus infinity, as in the kernels


class ChainScores(NamedTuple):
    """
    The scores of a chain that do not depend on the text, with the penalties of what a scheme forbids.

    # Parameters

    transitions : `Floats`
        [i, j]: tag j right after tag i. Shape: (tags, tags)
    start, end : `Floats`
        Of the first and the last tag. Shape of each: (tags,)
    """

    transitions: Floats
    start: Floats
    end: Floats


class ChainMessages(NamedTuple):
    """
    The forward and backward messages of each tag at each token, in logarithms; meaningless after the last token.

    # Parameters

    forward : `Doubles`
        From the tokens before, with the token's own emission. Shape: (batch, length, tags)
    backward : `Doubles`
        From the tokens after. Shape: (batch, length, tags)
    log_partition : `Doubles`
        log Z; NaN if a score is not a number. Shape: (batch,)
    """

    forward: Doubles
    backward: Doubles
    log_partition: Doubles


@functools.cache
def kernels_run() -> bool:
    """Whether numba is installed and compiles the kernels. The first call does so, or loads them from its cache."""
    try:
        from numba import config
        from numba.core.errors import NumbaError
    except ImportError:
        return False
    if config.DISABLE_JIT:  # the kernels' intrinsic cannot be interpreted
        return False
    emissions, mask = np.zeros((1, 1, 2), np.float32), np.ones((1, 1), bool)
    scores = ChainScores(np.zeros((2, 2), np.float32), np.zeros(2, np.float32), np.zeros(2, np.float32))
    try:
        _compiled_best(emissions, mask, scores)
        _compiled_messages(emissions, mask, scores)
    except (NumbaError, ImportError, OSError) as error:
        logger.warning("numba failed, so numpy decodes, which is slower: %s", error)
        return False
    return True


def best_tags(emissions: Floats, lengths: Ints, scores: ChainScores) -> tuple[Ints, Floats]:
    """
    The best tagging of each row. Ties go to the lowest tag, decided from the last token backwards.

    # Parameters

    emissions : `Floats`
        The score of each tag at each token. Shape: (batch, length, tags)
    lengths : `Ints`
        The number of tokens, at least 1. Shape: (batch,)
    scores : `ChainScores`

    # Returns

    tags : `Ints`
        0 after the last token. Shape: (batch, length)
    best : `Floats`
        Their scores; NaN if a score is NaN or plus infinity, or if all emissions of a token are minus infinity.
        Shape: (batch,)
    """
    mask = np.arange(emissions.shape[1]) < lengths[:, None]
    if kernels_run():
        return _compiled_best(emissions, mask, scores)
    return _best(emissions, mask, lengths, scores)


def messages(emissions: Floats, lengths: Ints, scores: ChainScores) -> ChainMessages:
    """The messages of chains; parameters as in `best_tags`."""
    if kernels_run():
        return _compiled_messages(emissions, np.arange(emissions.shape[1]) < lengths[:, None], scores)
    return _messages(emissions, lengths, scores)


def _compiled_best(emissions: Floats, mask: NDArray[np.bool_], scores: ChainScores) -> tuple[Ints, Floats]:
    tags, best = np.empty(mask.shape, np.int64), np.empty(len(mask), np.float32)
    kernel_of("viterbi", "viterbi")(np.ascontiguousarray(emissions), mask, *scores, tags, best)
    return tags, best


def _compiled_messages(emissions: Floats, mask: NDArray[np.bool_], scores: ChainScores) -> ChainMessages:
    arrays = (np.ascontiguousarray(emissions), mask, *scores)
    one_way = OneWay.filled(arrays)
    other_way = np.zeros_like(one_way.forward)
    fill_other_way(arrays, one_way, other_way, np.empty_like(arrays[0]))
    number = emissions.shape[2]
    forward, backward = (way[..., :number].astype(np.float64) for way in (one_way.forward, other_way))
    # forward + backward, summed over the tags of any token, is log Z: that recovers the shift of the backward messages.
    sums = log_sum(forward + backward, 2)
    backward += (one_way.log_z[:, None] - one_way.offsets - sums)[..., None]
    return ChainMessages(forward + one_way.offsets[..., None], backward, one_way.log_z)


def _best(
    emissions: Floats, mask: NDArray[np.bool_], lengths: Ints, scores: ChainScores
) -> tuple[Ints, Floats]:
    batch, length, number = emissions.shape
    transitions, start, end = scores
    best = np.empty((length, batch, number), np.float32)
    shifts = np.zeros((length, batch))
    before = np.broadcast_to(start, (batch, number))
    for token in range(length):
        shift = before.max(1)
        shifts[token] = shift
        best[token] = before - shift[:, None] + emissions[:, token]
        before = (best[token][:, :, None] + transitions).max(1)
    tags = np.zeros((batch, length), np.int64)
    rows = np.arange(batch)
    last = best[lengths - 1, rows] + end
    total = last.max(1) + np.where(mask.T, shifts, 0).sum(0)
    tag = last.argmax(1)
    for token in range(length - 1, -1, -1):
        inside = lengths > token + 1
        before_next = (best[token] + transitions[:, tag].T).argmax(1)
        tag = np.where(inside, before_next, tag)
        tags[:, token] = np.where(mask[:, token], tag, 0)
    # Maxima over a NaN are NaN, but those of the kernels ignore it, so both look at the scores themselves.
    sound = ~((~(emissions < np.inf)).any(2) & mask).any(1) & (total > LOW / 2)
    sound &= all(bool((one < np.inf).all()) for one in scores)
    return tags, np.where(sound, total, np.nan).astype(np.float32)


def _messages(emissions: Floats, lengths: Ints, scores: ChainScores) -> ChainMessages:
    batch, length, number = emissions.shape
    transitions, start, end = (one.astype(np.float64) for one in scores)
    own = np.maximum(emissions, LOW).astype(np.float64)
    forward, backward = np.empty((2, length, batch, number))
    forward[0] = start + own[:, 0]
    for token in range(1, length):
        forward[token] = log_sum(forward[token - 1][:, :, None] + transitions, 1) + own[:, token]
    backward[length - 1] = end
    for token in range(length - 2, -1, -1):
        after = backward[token + 1] + own[:, token + 1]
        received = log_sum(after[:, None, :] + transitions, 2)
        backward[token] = np.where((lengths > token + 1)[:, None], received, end)
    log_z = log_sum(forward[lengths - 1, np.arange(batch)] + end, 1)
    return ChainMessages(forward.swapaxes(0, 1), backward.swapaxes(0, 1), log_z)


def log_sum(values: Doubles, axis: int) -> Doubles:
    """The logarithm of the sum of exponentials along an axis; minus infinity if all values are."""
    highest = values.max(axis, keepdims=True)
    finite = np.where(np.isfinite(highest), highest, 0.0)
    # log(0) is minus infinity; after the end of a row there may be anything.
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        found: Doubles = np.log(np.exp(values - finite).sum(axis)) + finite.squeeze(axis)
    return found


def best_taggings(emissions: Floats, scores: ChainScores, number: int) -> tuple[Ints, Floats]:
    """
    The best taggings of one text, best first.

    # Parameters

    emissions : `Floats`
        Shape: (length, tags)
    scores : `ChainScores`
    number : `int`
        How many.

    # Returns

    tags : `Ints`
        Fewer if there are fewer taggings. Shape: (found, length)
    totals : `Floats`
        Their scores. Shape: (found,)
    """
    length, tags = emissions.shape
    transitions, start, end = scores
    values = (start + emissions[0])[None]  # of the k best paths to each tag. Shape: (k, tags)
    steps: list[Ints] = []
    for token in range(1, length):
        candidates = (values[:, :, None] + transitions).reshape(-1, tags)  # Shape: (k * tags, tags)
        order = np.argsort(-candidates, axis=0, kind="stable")[:number]
        values = np.take_along_axis(candidates, order, 0) + emissions[token]
        steps.append(order)
    totals = (values + end).reshape(-1)
    places = np.argsort(-totals, kind="stable")[:number]
    found = np.empty((len(places), length), np.int64)
    place = places.copy()
    for token in range(length - 1, -1, -1):
        found[:, token] = place % tags
        if token > 0:
            place = steps[token - 1][place // tags, place % tags]
    return found, totals[places]
