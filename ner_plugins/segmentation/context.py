"""Neighbouring sentences around a sentence, as far as an encoder's window reaches."""

from typing import NamedTuple, Sequence

import numpy as np

from ner_plugins.segmentation.windows import IntArray


def context_sizes(length: int, before: int, after: int, size: int) -> tuple[int, int]:
    """
    The numbers of pieces before and after a sentence that fit into a window with it.

    Each side gets half of the room, and what the other side cannot use. A sentence that fills the window has no
    context.

        >>> context_sizes(4, before=10, after=1, size=10)
        (5, 1)

    # Parameters

    length : `int`
        The sentence's own pieces.
    before, after : `int`
        The pieces of its neighbours.
    size : `int`
        The number of pieces of a window, without special pieces.
    """
    room = max(size - length, 0)
    left = min(before, max(room // 2, room - after))
    return left, min(after, room - left)


class ContextLayout(NamedTuple):
    """
    Where the pieces of sentences and of their neighbours go.

    # Parameters

    sources : `IntArray`
        For each piece of a sentence in its context, its place in the row of the pieces before it, its own, and those
        after it. Shape: (batch, pieces in context)
    lengths : `IntArray`
        The number of pieces of each sentence in its context. Shape: (batch,)
    own : `IntArray`
        The place of each of the sentence's own pieces in its context. Shape: (batch, pieces)
    """

    sources: IntArray
    lengths: IntArray
    own: IntArray


def lay_out_context(
    lengths: Sequence[int], neighbours: Sequence[tuple[int, int]], widths: tuple[int, int], size: int
) -> ContextLayout:
    """
    Put sentences between the nearest pieces of their neighbours.

    # Parameters

    lengths : `Sequence[int]`
        The number of pieces of each sentence.
    neighbours : `Sequence[tuple[int, int]]`
        The numbers of pieces before and after each sentence.
    widths : `tuple[int, int]`
        The padded numbers of pieces before a sentence, and of its own.
    size : `int`
        As in `context_sizes`.
    """
    pairs = zip(lengths, neighbours, strict=True)
    sizes = [context_sizes(length, before, after, size) for length, (before, after) in pairs]
    left, right = np.array(sizes, dtype=np.int64).reshape(-1, 2).T  # Shape of these: (batch,)
    ends = left + np.asarray(lengths, dtype=np.int64)
    starts = np.array([before for before, _ in neighbours], dtype=np.int64) - left
    total = ends + right
    place = np.arange(total.max(initial=0))[None]  # Shape: (1, pieces in context)
    # From the end of the pieces before; then the sentence; then the beginning of those after.
    moved = np.where(place < left[:, None], starts[:, None], widths[0] - left[:, None])
    moved = np.where(place < ends[:, None], moved, sum(widths) - ends[:, None])
    sources = np.where(place < total[:, None], place + moved, 0)
    own = np.minimum(np.arange(widths[1])[None] + left[:, None], max(place.shape[1] - 1, 0))
    return ContextLayout(sources, total, own)
