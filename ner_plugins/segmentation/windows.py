"""Overlapping windows over texts that are too long for an encoder."""

from dataclasses import dataclass
from typing import NamedTuple, Sequence

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class WindowPlan:
    """
    The windows to encode, and which of them each piece takes its vector from.

    # Parameters

    sentence : `IntArray`
        The sentence of each window, ascending. Shape: (windows,)
    start : `IntArray`
        The index of each window's first piece in its sentence; ascending in a sentence. Shape: (windows,)
    length : `IntArray`
        The number of pieces of each window. Shape: (windows,)
    owned : `IntArray`
        The number of pieces that take their vector from each window. They are consecutive, and those of all windows
        together are the pieces of all sentences, in order. Shape: (windows,)
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
    Cover sentences with windows, and assign each piece to the window with the most context on its shorter side.

    A sentence that fits has one window, an empty sentence none. In a longer sentence all windows have the full size and
    are spaced evenly, as far apart as `overlap` allows. Since they have one size, the window with the most context on a
    piece's shorter side is the one whose middle is nearest (the earlier on a tie).

    # Parameters

    lengths : `Sequence[int]`
        Number of pieces of each sentence.
    size : `int`
        The maximum number of pieces in a window, without special pieces.
    overlap : `int`
        The minimum number of pieces that a window shares with the next.

    # Raises

    `ValueError` unless 0 <= overlap < size.
    """
    if not 0 <= overlap < size:
        raise ValueError(f"overlap must be from 0 to {size - 1}, less than the size of a window, got {overlap}")
    pieces = np.asarray(lengths, dtype=np.int64).reshape(-1)  # Shape of these: (sentences,)
    surplus = np.maximum(pieces - size, 0)
    steps = -(-surplus // (size - overlap))  # windows after the first
    counts = np.where(pieces > 0, steps + 1, 0)
    sentence = np.repeat(np.arange(len(pieces), dtype=np.int64), counts)
    # The index of each window among those of its sentence. Shape of this and all below: (windows,)
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


class Layout(NamedTuple):
    """
    Windows laid out for encoding.

    # Parameters

    passes : `list[IntArray]`
        The flat indices of the pieces of each pass. Shape of each: (windows, width)
    lengths : `list[IntArray]`
        The lengths of the windows of each pass. Shape of each: (windows,)
    sources : `IntArray`
        The index of each piece in the concatenated vectors of all passes. Shape: (batch, pieces)
    """

    passes: list[IntArray]
    lengths: list[IntArray]
    sources: IntArray


def lay_out(plan: WindowPlan, lengths: Sequence[int], shape: Sequence[int], most: int) -> Layout:
    """
    Divide windows into passes of similar lengths, so that a long text does not pad all the others.

    # Parameters

    plan : `WindowPlan`
    lengths : `Sequence[int]`
        The number of pieces of each sentence.
    shape : `Sequence[int]`
        That of the piece ids: (batch, pieces).
    most : `int`
        Windows per pass.
    """
    batch, width = shape
    order = np.argsort(-plan.length, kind="stable")
    passes: list[IntArray] = []
    pass_lengths: list[IntArray] = []
    # Index of each window's first vector among the vectors of all passes.
    base = np.zeros(len(order), dtype=np.int64)
    first = total = 0
    while first < len(order):
        longest = int(plan.length[order[first]])
        members = order[first : first + most]
        members = members[plan.length[members] * 2 > longest]
        within = np.arange(longest)
        starts = plan.sentence[members] * width + plan.start[members]
        # Past a window's end any index is fine.
        passes.append(np.where(within < plan.length[members, None], starts[:, None] + within, 0))
        pass_lengths.append(plan.length[members])
        base[members] = total + np.arange(len(members)) * longest
        total += len(members) * longest
        first += len(members)
    window = plan.piece_windows()
    real = np.arange(width) < np.asarray(lengths)[:, None]
    place = np.broadcast_to(np.arange(width), (batch, width))[real]
    sources = np.zeros((batch, width), dtype=np.int64)
    sources[real] = base[window] + place - plan.start[window]
    return Layout(passes, pass_lengths, sources)
