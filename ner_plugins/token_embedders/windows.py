"""Overlapping windows over texts that are longer than what an encoder reads at once."""

from dataclasses import dataclass
from typing import Sequence

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class WindowPlan:
    """
    Which windows to encode, and which of them gives each piece its vector.

    # Parameters

    sentence : `IntArray`
        The sentence of each window, ascending. Shape: (windows,)
    start : `IntArray`
        The first piece of each window, counted in its sentence; ascending in a sentence. Shape: (windows,)
    length : `IntArray`
        How many pieces each window has. Shape: (windows,)
    owned : `IntArray`
        How many pieces get their vector from each window. They are consecutive, and all windows' together are all
        pieces of all sentences, in order. Shape: (windows,)
    """

    sentence: IntArray
    start: IntArray
    length: IntArray
    owned: IntArray

    def piece_windows(self) -> IntArray:
        """The window of each piece of all sentences, one sentence after the other. Shape: (pieces,)"""
        return np.repeat(np.arange(len(self.owned), dtype=np.int64), self.owned)


def plan_windows(lengths: Sequence[int], size: int, overlap: int) -> WindowPlan:
    """
    Cover sentences with windows, and assign each piece to the window that gives it most context on its scarcer side.

    A sentence that fits has one window, an empty one none. In a longer one all windows have the full size and are
    spaced evenly, as far apart as `overlap` allows. Of windows of one size, the one that gives a piece most context on
    its scarcer side is the one whose middle is nearest (of two, the earlier).

    # Parameters

    lengths : `Sequence[int]`
        Pieces in each sentence.
    size : `int`
        The most pieces in a window, special ones not counted.
    overlap : `int`
        The fewest pieces that a window shares with the next.

    # Raises

    `ValueError` unless 0 <= overlap < size.
    """
    if not 0 <= overlap < size:
        raise ValueError(f"windows of {size} pieces cannot overlap by {overlap}")
    pieces = np.asarray(lengths, dtype=np.int64).reshape(-1)
    surplus = np.maximum(pieces - size, 0)
    steps = -(-surplus // (size - overlap))  # windows after the first
    counts = np.where(pieces > 0, steps + 1, 0)
    sentence = np.repeat(np.arange(len(pieces), dtype=np.int64), counts)
    # The rank of each window among those of its sentence.
    rank = np.arange(len(sentence), dtype=np.int64) - np.repeat(np.cumsum(counts) - counts, counts)
    start = rank * surplus[sentence] // np.maximum(steps[sentence], 1)
    length = np.minimum(pieces[sentence], size)
    # The first piece nearer to the next window's middle; in the last window, the end of the sentence.
    last = rank == steps[sentence]
    end = pieces[sentence]
    following = np.append(start[1:], 0)
    end = np.where(last, end, (start + following + length - 1) // 2 + 1)
    begin = np.where(rank == 0, 0, np.append(0, end[:-1])[: len(end)])
    return WindowPlan(sentence, start, length, end - begin)
