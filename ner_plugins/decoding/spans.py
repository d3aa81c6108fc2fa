"""
From the scores of typed spans to entities: candidates, and the choice among those that exclude each other. The modes
are those of `ner_plugins.heads.decoding`, which computes the same in torch.
"""

from typing import Iterator, Optional, Sequence

import numpy as np
from numpy.typing import NDArray

from ner_plugins.decoding.found_spans import Floats, FoundSpans, Ints, no_spans

_LARGE = np.float32(1e30)  # replaces an infinite margin, so that sums over a text stay finite


def cells_of(rows: range, length: int, max_width: Optional[int]) -> tuple[Ints, Ints]:
    """
    The spans of a text that begin in a range of tokens, in order: their first and their last token.

    # Parameters

    rows : `range`
        First tokens.
    length : `int`
        The number of tokens.
    max_width : `Optional[int]`
        The widest span; `None` for no limit.
    """
    tokens = np.arange(rows.start, rows.stop)
    widths = np.minimum(length - tokens, length if max_width is None else max_width)
    first = np.repeat(tokens, widths)
    return first, first + np.arange(len(first)) - np.repeat(np.cumsum(widths) - widths, widths)


def blocks_of(batch: int, length: int, max_width: Optional[int], most: int) -> Iterator[range]:
    """Ranges of first tokens, so that a batch has about `most` spans in each, or one token in each."""
    width = max(min(length, max_width or length), 1)
    rows = max(1, most // (batch * width))
    for first in range(0, length, rows):
        yield range(first, min(first + rows, length))


def candidates(
    logits: Floats,
    cells: tuple[Ints, Ints],
    lengths: Ints,
    thresholds: Optional[Floats] = None,
    independent: bool = False,
) -> tuple[FoundSpans, Floats]:
    """
    The spans whose best class is a type, and whose probability reaches the type's threshold.

    # Parameters

    logits : `Floats`
        Class 0 is "not an entity", class t + 1 the type t. Shape: (batch, classes, cells)
    cells : `tuple[Ints, Ints]`
        The first and the last token of each span, in order. Shape of each: (cells,)
    lengths : `Ints`
        The number of tokens of each text; spans past it mean nothing. Shape: (batch,)
    thresholds : `Optional[Floats]`, optional (default=`None`)
        The lowest probability of each type. Shape: (types,)
    independent : `bool`, optional (default=`False`)
        Whether a type's probability is the sigmoid of its margin over class 0, not the softmax.

    # Returns

    spans : `FoundSpans`
        Ordered by sentence, start and end.
    winning : `Floats`
        The logits of their types. Shape: (spans,)
    """
    first, last = cells
    # NaN propagates through the maximum and fails every comparison, so it stays a candidate, as does plus infinity.
    none = logits[:, 0]
    wins = ~((logits[:, 1:].max(1) <= none) & (none < np.inf)) & (last < lengths[:, None])
    sentence, cell = np.nonzero(wins)
    if len(cell) == 0:
        return no_spans(), np.empty(0, np.float32)
    classes = logits[sentence, :, cell]  # Shape: (spans, classes)
    type_id = classes[:, 1:].argmax(1)
    best = np.take_along_axis(classes, type_id[:, None] + 1, 1)[:, 0]
    with np.errstate(invalid="ignore"):
        margin = best - classes[:, 0]
        highest = classes.max(1)
        probability = np.exp(best - highest - np.log(np.exp(classes - highest[:, None]).sum(1)))
        if independent:
            probability = np.where(np.isnan(probability), probability, 1 / (1 + np.exp(-margin)))
    # A candidate's margin is only negative if class 0 is infinite.
    broken = np.isnan(probability) | (margin < 0)
    spans = FoundSpans(sentence, first[cell], last[cell] + 1, type_id, margin, probability)
    spans.invalid = sorted(set(sentence[broken].tolist()))
    keep = ~broken if thresholds is None else ~broken & (probability >= thresholds[type_id])
    return spans.select(keep), best[keep]


def joined(blocks: Sequence[tuple[FoundSpans, Floats]]) -> tuple[FoundSpans, Floats]:
    """The candidates of several blocks of rows, in order of sentence, start and end."""
    if len(blocks) == 1:
        return blocks[0]
    parts = [spans for spans, _ in blocks]
    found = FoundSpans(
        np.concatenate([spans.sentence for spans in parts]),
        np.concatenate([spans.start for spans in parts]),
        np.concatenate([spans.end for spans in parts]),
        np.concatenate([spans.type for spans in parts]),
        np.concatenate([spans.score for spans in parts]),
        np.concatenate([spans.probability for spans in parts]),
        sorted({place for spans in parts for place in spans.invalid}),
    )
    order = np.lexsort((found.end, found.start, found.sentence))
    return found.select(order), np.concatenate([logits for _, logits in blocks])[order]


def choose(spans: FoundSpans, winning: Floats, mode: str, rank_by: str, batch: int) -> FoundSpans:
    """
    The spans that are kept together.

    # Parameters

    spans : `FoundSpans`
        Candidates, ordered by sentence, start and end.
    winning : `Floats`
        The logits of their types. Shape: (spans,)
    mode : `str`
        `flat_greedy`, `flat_optimal` or `nested`.
    rank_by : `str`
        What the greedy modes rank by: `margin`, `logit` or `probability`. Ties go to the earlier span.
    batch : `int`
        The number of sentences.
    """
    if len(spans) == 0:
        return spans
    if mode == "flat_optimal":
        return spans.select(_optimal(spans))
    ranks = {"margin": spans.score, "logit": winning, "probability": spans.probability}[rank_by]
    order = np.argsort(-ranks, kind="stable")
    return spans.select(_greedy(spans, order, batch, mode == "nested"))


def _greedy(spans: FoundSpans, order: NDArray[np.int64], batch: int, nested: bool) -> NDArray[np.bool_]:
    """Which spans are kept by going down a ranking. Shape: (spans,)"""
    kept = np.zeros(len(spans), bool)
    taken: list[Optional[_Flat | _Nested]] = [None] * batch
    rows = zip(order.tolist(), *(c[order].tolist() for c in (spans.sentence, spans.start, spans.end)), strict=True)
    length = int(spans.end.max())
    for place, sentence, start, end in rows:
        those = taken[sentence]
        if those is None:
            those = taken[sentence] = _Nested(length) if nested else _Flat(length)
        if those.admits(start, end):
            kept[place] = True
    return kept


class _Flat:
    """The tokens of the spans kept in a sentence."""

    def __init__(self, length: int) -> None:
        self._tokens = bytearray(length)

    def admits(self, start: int, end: int) -> bool:
        """Whether a span shares no token with those kept; if so it is kept."""
        if self._tokens.find(1, start, end) >= 0:
            return False
        self._tokens[start:end] = b"\1" * (end - start)
        return True


class _Nested:
    """For each position, the farthest end of the kept spans that start there, and the first start of those that end."""

    def __init__(self, length: int) -> None:
        self._farthest = np.full(length + 1, -1, np.int64)
        self._earliest = np.full(length + 1, length + 1, np.int64)

    def admits(self, start: int, end: int) -> bool:
        """Whether a span crosses none of those kept; if so it is kept."""
        inside = slice(start + 1, end)
        if end - start > 1 and (self._farthest[inside].max() > end or self._earliest[inside].min() < start):
            return False
        self._farthest[start] = max(int(self._farthest[start]), end)
        self._earliest[end] = min(int(self._earliest[end]), start)
        return True


def _optimal(spans: FoundSpans) -> NDArray[np.bool_]:
    """
    Which spans have the largest sum of scores without sharing a token; of several such sets, the one whose first
    differing span starts, then ends, earlier. Shape: (spans,)

    best[p] = max(best[p + 1], max over spans s that start at p of score(s) + best[first start at or after end(s)]),
    where p counts the distinct starts of a sentence.
    """
    kept = np.zeros(len(spans), bool)
    borders = np.flatnonzero(np.diff(spans.sentence)) + 1
    for first, stop in zip([0, *borders.tolist()], [*borders.tolist(), len(spans)], strict=True):
        starts, group = np.unique(spans.start[first:stop], return_inverse=True)
        following = np.searchsorted(starts, spans.end[first:stop]).tolist()
        gains = np.minimum(spans.score[first:stop], _LARGE)
        best = np.zeros(len(starts) + 1, np.float32)
        choice = [-1] * len(starts)
        groups = group.tolist()
        span = stop - first - 1
        for place in range(len(starts) - 1, -1, -1):
            highest = best[place + 1]
            while span >= 0 and groups[span] == place:
                value = gains[span] + best[following[span]]
                if value >= highest:  # from the last span that starts here to the first, which wins ties
                    highest, choice[place] = value, span
                span -= 1
            best[place] = highest
        place = 0
        while place < len(starts):
            if choice[place] < 0:
                place += 1
            else:
                kept[first + choice[place]] = True
                place = following[choice[place]]
    return kept
