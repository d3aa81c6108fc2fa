"""The best tagging of each row (Viterbi 1967). The way back recomputes the maxima instead of storing pointers."""

import numpy as np

from ner_plugins.kernels.arithmetic import LANES, LOW, are_numbers, largest
from ner_plugins.kernels.compiling import Array, Number, helper, kernel

_ROWS = 4  # rows of transitions per step


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
        Filled with the best tags; ties go to the lowest tag, decided from the last token backwards. 0 outside the mask.
    scores : `float32[batch]`
        Filled with their scores; NaN if any score is NaN or plus infinity, or if all emissions of a token are minus
        infinity.
    """
    batch, length, number = emissions.shape
    width = (number + LANES - 1) // LANES * LANES
    rows = np.full(((number + _ROWS - 1) // _ROWS * _ROWS, width), LOW, np.float32)
    columns = np.empty((number, number), np.float32)
    for s in range(number):
        for t in range(number):
            rows[s, t] = columns[t, s] = transitions[s, t]
    numbers = are_numbers(transitions, start, end)  # maxima would ignore NaN
    # One extra row, so that whole vectors can be read past the last tag.
    best = np.full((length + 1, width), LOW, np.float32)
    incoming = np.empty(width, np.float32)
    place = np.empty(length, np.int64)
    for b in range(batch):
        kept = 0
        offset = 0.0  # the shift that keeps scores small
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
    """best = before - shift + emissions; returns whether no emission is NaN or plus infinity."""
    unsound = 0
    for t in range(emissions.size):
        best[t] = before[t] - shift + emissions[t]
        unsound += not (emissions[t] < np.inf)
    return unsound == 0


@helper
def _last_tag(best: Array, after: Array) -> tuple[int, Number]:
    """The lowest tag with the largest best[t] + after[t], and that sum."""
    tag, score = 0, best[0] + after[0]
    for t in range(1, after.size):
        value = best[t] + after[t]
        if value > score:
            tag, score = t, value
    return tag, score
