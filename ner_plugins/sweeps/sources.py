"""Where the runner takes its runs from."""

from collections import deque
from typing import Optional, Protocol, Sequence

from ner_plugins.sweeps.folder import Record


class Source(Protocol):
    """Runs to do, one after the other."""

    total: int
    """The number of runs, those of the past included."""
    finished: int
    """The number of those that had finished before."""

    def next(self) -> Optional[Record]:
        """The next run; `None` if there is none, or none before others have ended."""

    def done(self, record: Record) -> None:
        """Learn how a run has ended."""


class Listed:
    """
    The runs of a grid.

    # Parameters

    records : `Sequence[Record]`
        Those to do.
    total : `int`
        The number of all runs.
    """

    def __init__(self, records: Sequence[Record], total: int) -> None:
        self._waiting = deque(records)
        self.total, self.finished = total, total - len(records)

    def next(self) -> Optional[Record]:
        """The next run in the order of the sweep."""
        return self._waiting.popleft() if self._waiting else None

    def done(self, record: Record) -> None:
        """Nothing: no run depends on another one."""
