"""Counting and reporting the words of a file that are left out."""

import logging

from ner_plugins.distributed import is_first_rank
from ner_plugins.errors import Remark, shown

logger = logging.getLogger(__name__)


class WordTally:
    """
    Counts the words that are left out by reason, and keeps the first word of each.

    # Parameters

    path : `str`
        The file.
    unit : `str`
        What a place counts: `line` or `word`.

    # Attributes

    counts : `dict[str, int]`
        The number of words left out by reason.
    """

    def __init__(self, path: str, unit: str) -> None:
        self.counts: dict[str, int] = {}
        self._path, self._unit = path, unit
        self._first: dict[str, tuple[int, str]] = {}
        self._notes: list[str] = []

    def clear(self) -> None:
        """Reset all counts."""
        self.counts.clear()
        self._first.clear()
        self._notes.clear()

    def add(self, reason: str, place: int, word: str) -> None:
        """
        Count a word.

        # Parameters

        reason : `str`
            Such as "not in UTF-8".
        place : `int`
            The line, or the number of the word.
        word : `str`
            The word.
        """
        self.counts[reason] = self.counts.get(reason, 0) + 1
        self._first.setdefault(reason, (place, word))

    def note(self, problem: str) -> None:
        """Add a remark about the whole file."""
        self._notes.append(problem)

    def remarks(self) -> list[Remark]:
        """The remarks for the user."""
        remarks = []
        for reason, count in self.counts.items():
            place, word = self._first[reason]
            where = "" if self._unit == "line" else f"word {place:,}: "
            words = "1 word" if count == 1 else f"{count:,} words"
            problem = f"{where}{words} {reason} left out, the first of them {shown(word)}"
            remarks.append(Remark(problem, path=self._path, line=place if self._unit == "line" else None))
        return remarks + [Remark(problem, path=self._path) for problem in self._notes]

    def log(self) -> None:
        """Log the remarks, once in distributed training."""
        if is_first_rank():
            for remark in self.remarks():
                logger.warning("%s", remark)
