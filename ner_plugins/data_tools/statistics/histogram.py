"""Exact summaries of integers in little memory."""

from collections import Counter
from typing import Iterator, Union

Summary = dict[str, Union[int, float]]


class Histogram:
    """Occurrences of integers. Memory grows with the distinct values, not with their occurrences."""

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

    def items(self) -> list[tuple[int, int]]:
        """(value, occurrences), by ascending value."""
        return sorted(self._counts.items())

    def quantile(self, thousandths: int) -> int:
        """The smallest value that this share of the occurrences does not exceed. The histogram must not be empty."""
        return next(self._at_ranks([max(-(-len(self) * thousandths // 1000), 1) - 1]))

    def summary(self) -> Summary:
        """
        `min`, `mean`, `median`, `p95` (the 95th percentile) and `max`; an empty mapping for an empty histogram.

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

    def _at_ranks(self, ranks: list[int]) -> Iterator[int]:
        """The values at ascending, 0-based ranks among the sorted occurrences."""
        values = iter(self.items())
        below = value = 0
        for rank in ranks:
            while below <= rank:
                value, count = next(values)
                below += count
            yield value
