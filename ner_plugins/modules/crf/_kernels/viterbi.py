"""The best tagging of each row (Viterbi 1967), with its way back computed again instead of stored."""

import numpy as np

from ner_plugins.modules.crf._kernels.arithmetic import LANES, LOW, are_numbers, largest
from ner_plugins.modules.crf._kernels.compiling import Array, Number, helper, kernel

_ROWS = 4  # transitions from so many tags are looked at together


@kernel
def viterbi(
    emissions: Array, mask: Array, transitions: Array, start: Array, end: Array, tags: Array, scores: Array
) -> None:
    """
    # Parameters

    emissions : `float32[batch, length, tags]`
    mask : `bool[batch, length]`
    transitions : `float32[tags, tags]`
    start, end : `float32[tags]`
    tags : `int64[batch, length]`
        Filled with the best tags, the first of equals from the last token on; 0 where there is no token.
    scores : `float32[batch]`
        Filled with their scores; NaN where an emission, or one of the other scores, is NaN or plus infinity, or all
        of a token's emissions are minus infinity.
    """
    batch, length, number = emissions.shape
    width = (number + LANES - 1) // LANES * LANES
    rows = np.full(((number + _ROWS - 1) // _ROWS * _ROWS, width), LOW, np.float32)
    columns = np.empty((number, number), np.float32)
    for s in range(number):
        for t in range(number):
            rows[s, t] = columns[t, s] = transitions[s, t]
    numbers = are_numbers(transitions, start, end)  # comparisons pass over what is none
    # One row more, so that whole vectors can be read behind the last tag.
    best = np.full((length + 1, width), LOW, np.float32)
    incoming = np.empty(width, np.float32)
    place = np.empty(length, np.int64)
    for b in range(batch):
        kept = 0
        offset = 0.0  # what scores are lowered by, so that they stay small numbers
        sound = numbers
        for i in range(length):
            tags[b, i] = 0
            if not mask[b, i]:
                continue
            if kept > 0:
                _best_incoming(best[kept - 1], rows, incoming)
            before = start if kept == 0 else incoming
            shift = largest(before)
            offset += shift
            sound &= _extend(before, shift, emissions[b, i], best[kept])
            place[kept] = i
            kept += 1
        if kept == 0:
            scores[b] = 0
            continue
        tag, score = _last_tag(best[kept - 1], end)
        score += offset
        scores[b] = score if sound and score > LOW / 2 else np.nan
        tags[b, place[kept - 1]] = tag
        for k in range(kept - 2, -1, -1):
            tag, _ = _last_tag(best[k], columns[tag])
            tags[b, place[k]] = tag


@helper
def _best_incoming(best: Array, rows: Array, incoming: Array) -> None:
    """incoming[t] = max over s of best[s] + rows[s, t]"""
    for t in range(incoming.size):
        incoming[t] = LOW
    for s in range(0, rows.shape[0], _ROWS):
        a, b, c, d = best[s], best[s + 1], best[s + 2], best[s + 3]
        for t in range(incoming.size):
            x, y, z, w = a + rows[s, t], b + rows[s + 1, t], c + rows[s + 2, t], d + rows[s + 3, t]
            x = x if x > y else y
            z = z if z > w else w
            x = x if x > z else z
            incoming[t] = x if x > incoming[t] else incoming[t]


@helper
def _extend(before: Array, shift: Number, emissions: Array, best: Array) -> bool:
    """best = before - shift + emissions; whether no emission is NaN or plus infinity."""
    unsound = 0
    for t in range(emissions.size):
        best[t] = before[t] - shift + emissions[t]
        unsound += not (emissions[t] < np.inf)
    return unsound == 0


@helper
def _last_tag(best: Array, after: Array) -> tuple[int, Number]:
    """The first tag with the largest best[t] + after[t], and that sum."""
    tag, score = 0, best[0] + after[0]
    for t in range(1, after.size):
        value = best[t] + after[t]
        if value > score:
            tag, score = t, value
    return tag, score
