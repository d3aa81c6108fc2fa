"""From the labels of first and last tokens to entities (the head `pointer`, which computes the same in torch)."""

from typing import Optional

import numpy as np
from numpy.typing import NDArray

from ner_plugins.decoding.found_spans import Floats, FoundSpans, Ints
from ner_plugins.decoding.spans import blocks_of, candidates, cells_of, choose, joined

_CELLS_AT_ONCE = 1 << 20  # spans whose scores are in memory together
_NO_CANDIDATE = np.array([[0], [-1]], np.float32)  # scores of class 0 and of a type


def pointer_spans(
    starts: Floats,
    ends: Floats,
    lengths: Ints,
    max_width: Optional[int],
    thresholds: Floats,
    mode: str,
    rank_by: str,
) -> FoundSpans:
    """
    The spans that a mode keeps. A span's score for a type is the sum of its first token's start and its last token's
    end.

    # Parameters

    starts, ends : `Floats`
        Log-probabilities of each token's start, and end, label. Shape: (batch, length, classes)
    lengths : `Ints`
        The number of tokens of each text. Shape: (batch,)
    max_width : `Optional[int]`
        The widest span; `None` for no limit.
    thresholds : `Floats`
        The lowest probability of each type. Shape: (types,)
    mode, rank_by : `str`
        `published`, or as in `choose`.
    """
    if mode == "published":
        return published_spans(starts, ends, lengths, max_width, thresholds)
    batch, length, _ = starts.shape
    blocks = []
    for rows in blocks_of(batch, length, max_width, _CELLS_AT_ONCE):
        cells = cells_of(rows, length, max_width)
        pairs, likely = _best_pairs(starts, ends, cells, thresholds)
        # A sum that is not a number stays.
        blocks.append(candidates(np.where(likely[:, None], pairs, _NO_CANDIDATE), cells, lengths))
    # The logit of a pair is the logarithm of its probability.
    found = choose(*joined(blocks), mode, "logit" if rank_by == "probability" else rank_by, batch)
    sums = starts[found.sentence, found.start] + ends[found.sentence, found.end - 1]  # Shape: (spans, classes)
    found.type = sums[:, 1:].argmax(1)
    found.probability = np.exp(np.take_along_axis(sums, found.type[:, None] + 1, 1)[:, 0])
    return found


def _best_pairs(
    starts: Floats, ends: Floats, cells: tuple[Ints, Ints], thresholds: Floats
) -> tuple[Floats, NDArray[np.bool_]]:
    """
    The score of each span for class 0 and for its best type, and whether that reaches its threshold.
    Shapes: (batch, 2, cells), (batch, cells)
    """
    first, last = cells
    # Contiguous by class, so that each sum is one pass. Shape of each: (classes, batch, length)
    starts, ends = (np.ascontiguousarray(labels.transpose(2, 0, 1)) for labels in (starts, ends))
    pairs = np.stack([starts[label][:, first] + ends[label][:, last] for label in (0, 1)], 1)
    types = np.zeros(pairs[:, 0].shape, np.int64)
    # One type at a time (there are few), so that no array holds the scores of all types.
    for type_id in range(1, len(starts) - 1):
        sums = starts[type_id + 1][:, first] + ends[type_id + 1][:, last]
        types[sums > pairs[:, 1]] = type_id
        np.maximum(pairs[:, 1], sums, out=pairs[:, 1])
    with np.errstate(divide="ignore"):
        lowest = np.log(thresholds)  # minus infinity for no threshold
    return pairs, ~(pairs[:, 1] < lowest[types])


def published_spans(
    starts: Floats, ends: Floats, lengths: Ints, max_width: Optional[int], thresholds: Floats
) -> FoundSpans:
    """
    The published decoding: for each token whose likeliest start label is a type, the span up to the first token at or
    after it whose likeliest end label is that type, if there is one. Parameters as in `pointer_spans`.
    """
    length, classes = starts.shape[1:]
    inside = np.arange(length) < lengths[:, None]
    start_label, end_label = starts.argmax(2), ends.argmax(2)  # Shape of each: (batch, length)
    # The first token from each on that ends each label; `length` for none. Shape: (batch, length)
    last = np.full(start_label.shape, length)
    for label in range(1, classes):
        places = np.where((end_label == label) & inside, np.arange(length), length)
        nearest = np.minimum.accumulate(places[:, ::-1], axis=1)[:, ::-1]
        last = np.where(start_label == label, nearest, last)
    found = (start_label > 0) & inside & (last < length)
    if max_width is not None:
        found &= last - np.arange(length) < max_width
    sentence, start = np.nonzero(found)
    end, label = last[sentence, start], start_label[sentence, start]
    logit = starts[sentence, start, label] + ends[sentence, end, label]
    margin = logit - (starts[sentence, start, 0] + ends[sentence, end, 0])
    broken = np.flatnonzero((np.isnan(starts + ends).any(2) & inside).any(1)).tolist()
    spans = FoundSpans(sentence, start, end + 1, label - 1, margin, np.exp(logit), broken)
    return spans.select(~(spans.probability < thresholds[spans.type]))
