"""The numbers of rows, and sets of them as ranges."""

from bisect import bisect_right
from typing import Any, Iterable, Iterator

LINE_BITS = 36
MAX_LINES, MAX_FILES = 1 << LINE_BITS, 1 << (63 - LINE_BITS)


def row_id(file: int, line: int) -> int:
    """
    The number of a row in a job, which fits into 64 bits with a sign.

    # Parameters

    file : `int`
        The number of its file in the job, from 0. The job keeps to which content (SHA-256) each number belongs.
    line : `int`
        The number of its line, or of its row in a Parquet file, from 1.
    """
    return file << LINE_BITS | line


class RowRanges:
    """
    A set of row numbers, as half-open ranges. Rows are read and written in runs, so a range stands for hundreds or
    thousands of them: 10^10 rows take some hundred MB instead of 80 GB.

        >>> done = RowRanges()
        >>> done.add_all([1, 2, 3, 7, 8])
        >>> list(done), len(done), 3 in done, 4 in done
        ([(1, 4), (7, 9)], 5, True, False)
    """

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []
        self._sorted = True

    def add(self, start: int, end: int) -> None:
        """Add the rows from `start` to before `end`."""
        if end > start:
            self._ranges.append((start, end))
            self._sorted = False

    def add_all(self, rows: Any) -> None:
        """
        Add rows.

        # Parameters

        rows : `Sequence[int]`
            Or an array of whole numbers, in any order.
        """
        import numpy as np

        numbers = np.unique(np.asarray(rows, dtype=np.int64))
        if not len(numbers):
            return
        ends = np.flatnonzero(np.diff(numbers) != 1)
        starts = np.concatenate([numbers[:1], numbers[ends + 1]])
        for start, last in zip(starts.tolist(), np.concatenate([numbers[ends], numbers[-1:]]).tolist(), strict=True):
            self.add(start, last + 1)

    def between(self, start: int, end: int) -> list[tuple[int, int]]:
        """The ranges of the set within the rows from `start` to before `end`, in order."""
        self._merge()
        found = []
        place = max(0, bisect_right(self._ranges, (start, MAX_FILES << LINE_BITS)) - 1)
        while place < len(self._ranges) and self._ranges[place][0] < end:
            left, right = max(start, self._ranges[place][0]), min(end, self._ranges[place][1])
            if right > left:
                found.append((left, right))
            place += 1
        return found

    def count_between(self, start: int, end: int) -> int:
        """How many rows from `start` to before `end` are in the set."""
        return sum(right - left for left, right in self.between(start, end))

    def __contains__(self, row: int) -> bool:
        return bool(self.between(row, row + 1))

    def __iter__(self) -> Iterator[tuple[int, int]]:
        self._merge()
        return iter(self._ranges)

    def __len__(self) -> int:
        self._merge()
        return sum(end - start for start, end in self._ranges)

    def _merge(self) -> None:
        if not self._sorted:
            self._ranges = list(_merged(sorted(self._ranges)))
            self._sorted = True


def _merged(ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Sorted ranges, those that touch or overlap joined."""
    current = None
    for start, end in ranges:
        if current is not None and start <= current[1]:
            current = (current[0], max(current[1], end))
            continue
        if current is not None:
            yield current
        current = (start, end)
    if current is not None:
        yield current
