"""
Forward and backward messages of linear chains, and from them log Z, marginals and gradients.

Messages are logarithms, shifted so that the largest at a token is 0. The sum over tags is a product with the
exponentials of the transitions. If such a sum underflows in float32, it is computed again term by term, so the result
is right however far apart the scores are.

Arrays are `emissions: float32[batch, length, tags]`, `mask: bool[batch, length]`, `transitions: float32[tags, tags]`,
`start, end: float32[tags]`, and `forward, weights: float32[batch, length, width]`, which are indexed by kept token and
padded with tags of weight 0.
"""

import math

import numpy as np

from ner_plugins.kernels.arithmetic import (
    LOW,
    TINY,
    are_numbers,
    dot,
    exponential,
    exponentials,
    largest,
    logarithms,
    smallest,
    weighted_rows,
)
from ner_plugins.kernels.compiling import Array, Number, helper, kernel


@kernel
def forward_messages(
    emissions: Array,
    mask: Array,
    transitions: Array,
    start: Array,
    end: Array,
    forward: Array,
    weights: Array,
    offsets: Array,
    log_z: Array,
) -> None:
    """
    # Parameters

    forward, weights : `float32[batch, length, width]`
        Filled with the forward messages, which include each token's own emission, and their exponentials (0 after the
        last token).
    offsets : `float64[batch, length]`
        Filled with the shift of the messages of each kept token.
    log_z : `float64[batch]`
        Filled with log Z; NaN if any score is NaN or plus infinity, or if all emissions of a token are minus infinity.
    """
    batch, length, _ = emissions.shape
    arcs = _transposed(transitions)
    shift, rows = _exponential_rows(transitions, forward.shape[2])
    numbers = are_numbers(transitions, start, end)
    row = np.full(forward.shape[2], LOW, np.float32)
    sums = np.empty(forward.shape[2], np.float32)
    for b in range(batch):
        offset = 0.0
        kept = 0
        sound = numbers
        for i in range(length):
            if not mask[b, i]:
                continue
            sound &= _copy(emissions[b, i], row)
            message = forward[b, kept]
            if kept == 0:
                _fill(message, LOW)
                _add(row, start, message)
            else:
                weighted_rows(weights[b, kept - 1], rows, sums)
                logarithms(sums, row, message)
                if smallest(sums) < TINY:
                    _repair(sums, forward[b, kept - 1], arcs, shift, row, message)
                offset += shift
            highest = largest(message)
            sound &= highest > LOW / 2
            offset += highest
            for t in range(message.size):
                message[t] -= highest
            exponentials(message, np.float32(0), weights[b, kept])
            offsets[b, kept] = offset
            kept += 1
        for k in range(kept, length):
            _fill(weights[b, k], 0)
        log_z[b] = 0.0 if kept == 0 else offset + _log_sum(forward[b, kept - 1], end)
        if not sound:
            log_z[b] = np.nan


@kernel
def backward_messages(
    emissions: Array,
    mask: Array,
    transitions: Array,
    end: Array,
    forward: Array,
    weights: Array,
    scale: Array,
    backward: Array,
    following: Array,
    d_emissions: Array,
    d_transitions: Array,
    d_edges: Array,
) -> None:
    """
    # Parameters

    forward, weights : `float32[batch, length, width]`
        From `forward_messages`.
    scale : `float32[batch]`
        Factor of each row's derivatives; NaN makes them all NaN.
    backward : `float32[batch, length, width]`
        Filled with the backward messages, without each token's own emission; skipped if its size is 0.
    following : `float32[batch, length, width]`
        Filled so that `weights[s] * following[t] * exp(transitions[s, t] - max)` is the derivative of log Z, times
        `scale`, by the score of tag s at a token and tag t at the next; skipped if its size is 0.
    d_emissions : `float32[batch, length, tags]`
        Filled with the derivatives of log Z times `scale`: marginals if `scale` is 1.
    d_transitions : `float32[tags, tags]`
        Pairs whose derivative underflows in `following` are added to it.
    d_edges : `float32[2, tags]`
        The derivatives by `start` and `end` are added to it.
    """
    batch, length, number = emissions.shape
    width = forward.shape[2]
    shift, rows = _exponential_rows(_transposed(transitions), width)
    # The backward message with and without the token's emission, and the same as sums of exponentials.
    incoming, message = np.full(width, LOW, np.float32), np.full(width, LOW, np.float32)
    share, sums = np.empty(width, np.float32), np.empty(width, np.float32)
    nothing = np.full(width, LOW, np.float32)
    _fill(nothing[:number], 0)
    for b in range(batch):
        last = np.sum(mask[b]) - 1
        if following.size > 0:
            for k in range(max(last, 0), length):
                _fill(following[b, k], 0)
        k = last
        for i in range(length - 1, -1, -1):
            if not mask[b, i]:
                _fill(d_emissions[b, i], 0)
                continue
            total = np.float32(0)
            if k == last:
                _scaled(end, np.float32(1), message[:number])
            else:
                highest = largest(incoming)
                exponentials(incoming, highest, share)
                weighted_rows(share, rows, sums)
                logarithms(sums, nothing, message)
                if smallest(sums) < TINY:
                    _repair(sums, incoming, transitions, shift + highest, nothing, message)
                total = dot(weights[b, k], sums)
            if total > 100 * TINY:
                _product(weights[b, k], sums, scale[b] / total, d_emissions[b, i])
                if following.size > 0:
                    _scaled(share, scale[b] / total, following[b, k])
            else:
                _softmax(forward[b, k], message, scale[b], sums, d_emissions[b, i])
                if k < last and following.size > 0:
                    _fill(following[b, k], 0)
                    _add_pairs(forward[b, k], transitions, incoming, scale[b], d_transitions)
            if backward.size > 0:
                _scaled(message, np.float32(1), backward[b, k])
            if k == 0:
                _accumulate(d_emissions[b, i], d_edges[0])
            if k == last:
                _accumulate(d_emissions[b, i], d_edges[1])
            _add(message, emissions[b, i], incoming)
            k -= 1


@kernel
def loss_forward(
    emissions: Array,
    mask: Array,
    transitions: Array,
    start: Array,
    end: Array,
    tags: Array,
    forward: Array,
    weights: Array,
    offsets: Array,
    log_z: Array,
    loss: Array,
) -> bool:
    """
    `forward_messages`, and from them the loss.

    # Parameters

    tags : `int64[batch, length]`
        Gold tags, read only at tokens; none if its size is 0.
    loss : `float32[batch]`
        Filled with log Z minus the gold score.

    # Returns

    `bool`
        Whether every gold tag is in range; if not, the outputs are meaningless.
    """
    forward_messages(emissions, mask, transitions, start, end, forward, weights, offsets, log_z)
    legal = True
    for b in range(len(loss)):
        score = 0.0
        if tags.size > 0:
            found, score = _gold_score(emissions[b], mask[b], transitions, start, end, tags[b])
            legal &= found
        loss[b] = log_z[b] - score
    return legal


@kernel
def loss_backward(
    emissions: Array,
    mask: Array,
    transitions: Array,
    end: Array,
    tags: Array,
    forward: Array,
    weights: Array,
    scale: Array,
    following: Array,
    d_emissions: Array,
    d_transitions: Array,
    d_edges: Array,
) -> None:
    """`backward_messages`, with the derivatives of `loss_forward`'s loss instead of those of log Z."""
    nothing = np.empty((0, 0, 0), np.float32)
    backward_messages(
        emissions, mask, transitions, end, forward, weights, scale, nothing, following, d_emissions, d_transitions,
        d_edges,
    )  # fmt: skip
    if tags.size > 0:
        for b in range(len(scale)):
            _subtract_gold(mask[b], tags[b], scale[b], d_emissions[b], d_transitions, d_edges)


@helper
def _gold_score(
    emissions: Array, mask: Array, transitions: Array, start: Array, end: Array, tags: Array
) -> tuple[bool, Number]:
    """Whether every tag is in range, and the score of this tagging."""
    score = 0.0
    before = -1
    for i in range(len(mask)):
        if not mask[i]:
            continue
        tag = tags[i]
        if tag < 0 or tag >= len(start):
            return False, score
        score += emissions[i, tag] + (start[tag] if before < 0 else transitions[before, tag])
        before = tag
    return True, score + (end[before] if before >= 0 else 0.0)


@helper
def _subtract_gold(
    mask: Array, tags: Array, scale: Number, d_emissions: Array, d_transitions: Array, d_edges: Array
) -> None:
    """Subtract the derivatives of `_gold_score`, times `scale`."""
    before = -1
    for i in range(len(mask)):
        if not mask[i]:
            continue
        tag = tags[i]
        d_emissions[i, tag] -= scale
        if before < 0:
            d_edges[0, tag] -= scale
        else:
            d_transitions[before, tag] -= scale
        before = tag
    if before >= 0:
        d_edges[1, before] -= scale


@helper
def _exponential_rows(scores: Array, width: Number) -> tuple[Number, Array]:
    """The largest score, and exp(scores - largest); 1 in columns of padding, so that no sum there is below `TINY`."""
    number = scores.shape[0]
    shift = scores[0, 0]
    for s in range(number):
        for t in range(number):
            shift = scores[s, t] if scores[s, t] > shift else shift
    rows = np.ones((number, width), np.float32)
    for s in range(number):
        for t in range(number):
            rows[s, t] = exponential(scores[s, t] - shift)
    return shift, rows


@helper
def _transposed(matrix: Array) -> Array:
    """The transpose of a square matrix."""
    out = np.empty_like(matrix)
    for s in range(len(matrix)):
        for t in range(len(matrix)):
            out[t, s] = matrix[s, t]
    return out


@helper
def _fill(out: Array, value: Number) -> None:
    """out = value"""
    for t in range(out.size):
        out[t] = value


@helper
def _accumulate(x: Array, out: Array) -> None:
    """out += x"""
    for t in range(out.size):
        out[t] += x[t]


@helper
def _copy(emissions: Array, row: Array) -> bool:
    """Copy to a padded vector, no less than `LOW`; returns whether none is NaN or plus infinity."""
    unsound = 0
    for t in range(emissions.size):
        row[t] = emissions[t] if not emissions[t] < LOW else LOW
        unsound += not (emissions[t] < np.inf)
    return unsound == 0


@helper
def _add(x: Array, y: Array, out: Array) -> None:
    """out = x + y, up to the shorter of x and y, and no less than `LOW`."""
    for t in range(min(x.size, y.size)):
        value = x[t] + y[t]
        out[t] = LOW if value < LOW else value


@helper
def _product(x: Array, y: Array, scale: Number, out: Array) -> None:
    """out = x * y * scale, up to the length of out"""
    for t in range(out.size):
        out[t] = x[t] * y[t] * scale


@helper
def _scaled(x: Array, scale: Number, out: Array) -> None:
    """out = x * scale, up to the length of out"""
    for t in range(out.size):
        out[t] = x[t] * scale


@helper
def _softmax(x: Array, y: Array, scale: Number, work: Array, out: Array) -> None:
    """out = softmax(x + y) * scale, up to the length of out"""
    for t in range(work.size):
        work[t] = x[t] + y[t]
    exponentials(work, largest(work), work)
    total = np.float32(0)
    for t in range(out.size):
        total += work[t]
    # Scores below LOW have no probabilities.
    _scaled(work, scale / total if total > 0 else np.float32(np.nan), out)


@helper
def _log_sum(x: Array, y: Array) -> Number:
    """log of the sum of exp(x + y), up to the length of y."""
    top = x[0] + y[0]
    for t in range(1, y.size):
        top = max(top, x[t] + y[t])
    total = 0.0
    for t in range(y.size):
        total += math.exp(x[t] + y[t] - top)
    return top + math.log(total)


@helper
def _repair(sums: Array, x: Array, arcs: Array, shift: Number, add: Array, out: Array) -> None:
    """out[t] = add[t] + log of the sum over s of exp(x[s] + arcs[t, s] - shift), where `sums` are below `TINY`."""
    for t in range(arcs.shape[0]):
        if sums[t] < TINY:
            out[t] = np.float32(_log_sum(x, arcs[t]) - shift) + add[t]


@helper
def _add_pairs(forward: Array, transitions: Array, incoming: Array, scale: Number, out: Array) -> None:
    """out += scale * the probability of each pair of tags at a token and the next."""
    number = len(transitions)
    top = LOW
    for s in range(number):
        for t in range(number):
            top = max(top, forward[s] + transitions[s, t] + incoming[t])
    total = 0.0
    for s in range(number):
        for t in range(number):
            total += math.exp(forward[s] + transitions[s, t] + incoming[t] - top)
    if not total > 0:  # as in `_softmax`
        total = np.nan
    for s in range(number):
        for t in range(number):
            out[s, t] += np.float32(math.exp(forward[s] + transitions[s, t] + incoming[t] - top) / total) * scale
