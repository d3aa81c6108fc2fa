"""Exact summaries of whole numbers, however many there are."""

from collections import Counter
from typing import Dict, Iterator, List, Tuple, Union

Summary = Dict[str, Union[int, float]]


class Histogram:
    """How often each whole number occurred: memory grows with the distinct numbers, not with their occurrences."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def add(self, value: int) -> None:
        """Count one occurrence."""
        self._counts[value] += 1

    def __len__(self) -> int:
        """Number of occurrences."""
        return self._counts.total()

    @property
    def total(self) -> int:
        """Sum of all occurrences."""
        return sum(value * count for value, count in self._counts.items())

    def items(self) -> List[Tuple[int, int]]:
        """(value, occurrences), by value."""
        return sorted(self._counts.items())

    def quantile(self, thousandths: int) -> int:
        """The smallest value that at least this share of the occurrences do not exceed. There has to be one."""
        return next(self._at_ranks([max(-(-len(self) * thousandths // 1000), 1) - 1]))

    def summary(self) -> Summary:
        """
        `min`, `mean`, `median`, `p95` (the quantile of 950 thousandths) and `max`; empty where nothing was counted.

        The median of an even number of occurrences is the mean of the middle two.
        """
        n = len(self)
        if n == 0:
            return {}
        median = sum(self._at_ranks([(n - 1) // 2, n // 2])) / 2
        return {
            "min": min(self._counts),
            "mean": self.total / n,
            "median": int(median) if median.is_integer() else median,
            "p95": self.quantile(950),
            "max": max(self._counts),
        }

    def _at_ranks(self, ranks: List[int]) -> Iterator[int]:
        """The values at 0-based, ascending ranks of the sorted occurrences."""
        values = iter(self.items())
        below = value = 0
        for rank in ranks:
            while below <= rank:
                value, count = next(values)
                below += count
            yield value
