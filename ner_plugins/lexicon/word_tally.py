"""What of a file of words was left out."""

import logging

from ner_plugins.distributed import is_first_rank
from ner_plugins.errors import Remark, shown

logger = logging.getLogger(__name__)


class WordTally:
    """
    Counts words that were left out, by reason, and keeps the first of each.

    # Parameters

    path : `str`
        The file.
    unit : `str`
        What its places count: `line` or `word`.

    # Attributes

    counts : `dict[str, int]`
        How many words each reason cost.
    """

    def __init__(self, path: str, unit: str) -> None:
        self.counts: dict[str, int] = {}
        self._path, self._unit = path, unit
        self._first: dict[str, tuple[int, str]] = {}
        self._notes: list[str] = []

    def clear(self) -> None:
        """Begin again."""
        self.counts.clear()
        self._first.clear()
        self._notes.clear()

    def add(self, reason: str, place: int, word: str) -> None:
        """
        One more.

        # Parameters

        reason : `str`
            What they are, such as "not in UTF-8".
        place : `int`
            The line or the number of the word.
        word : `str`
            The word.
        """
        self.counts[reason] = self.counts.get(reason, 0) + 1
        self._first.setdefault(reason, (place, word))

    def note(self, problem: str) -> None:
        """Something about the file as a whole."""
        self._notes.append(problem)

    def remarks(self) -> list[Remark]:
        """All of it, for the user."""
        said = []
        for reason, count in self.counts.items():
            place, word = self._first[reason]
            where = "" if self._unit == "line" else f"word {place:,}: "
            words = "1 word" if count == 1 else f"{count:,} words"
            problem = f"{where}{words} {reason} left out, the first of them {shown(word)}"
            said.append(Remark(problem, path=self._path, line=place if self._unit == "line" else None))
        return said + [Remark(problem, path=self._path) for problem in self._notes]

    def log(self) -> None:
        """Say it, in distributed training once."""
        if is_first_rank():
            for remark in self.remarks():
                logger.warning("%s", remark)
