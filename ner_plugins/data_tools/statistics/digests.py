"""Repeated and shared texts, found by digests of 8 bytes."""

from array import array
from hashlib import blake2b
from typing import Any, Iterator, NamedTuple

import numpy as np


def digest_of(text: str) -> int:
    """A 64-bit digest. Among ten million different texts, the probability of a collision is 3 in a million."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


_NO_GOLD = digest_of("")


class SharedTexts(NamedTuple):
    """
    The texts that two splits have in common.

    # Parameters

    texts : `int`
        Distinct shared texts.
    in_first, in_second : `int`
        Sentences of each split with a shared text.
    """

    texts: int
    in_first: int
    in_second: int


class TextDigests:
    """The texts of one split, in 8 bytes each."""

    def __init__(self) -> None:
        self._digests = array("Q")
        self._unique: tuple[int, Any, Any] = (0, np.empty(0, np.uint64), np.empty(0, np.int64))

    def add(self, text: str) -> None:
        """Add one sentence's text."""
        self._digests.append(digest_of(text))

    def _sorted(self) -> tuple[Any, Any]:
        """The distinct digests in ascending order, and their numbers of occurrences."""
        if self._unique[0] != len(self._digests):
            digests, counts = np.unique(np.asarray(self._digests), return_counts=True)
            self._unique = len(self._digests), digests, counts
        return self._unique[1], self._unique[2]

    @property
    def repeated(self) -> int:
        """The number of sentences whose text occurred before."""
        return len(self._digests) - len(self._sorted()[0])

    def shared_with(self, other: "TextDigests") -> SharedTexts:
        """The texts that both splits contain."""
        (mine, my_counts), (theirs, their_counts) = self._sorted(), other._sorted()
        _, at_mine, at_theirs = np.intersect1d(mine, theirs, assume_unique=True, return_indices=True)
        return SharedTexts(len(at_mine), int(my_counts[at_mine].sum()), int(their_counts[at_theirs].sum()))


class PlacedDigests:
    """Texts of several splits with their gold and places, in 28 bytes per sentence plus the names of files."""

    def __init__(self) -> None:
        self._texts, self._golds, self._places = array("Q"), array("Q"), array("Q")  # a place is file << 40 | line
        self._splits = array("I")
        self._files: list[str] = []
        self._numbers: dict[str, int] = {}

    def add(self, split: int, text: str, gold: str, source: str) -> None:
        """
        Add a sentence.

        # Parameters

        split : `int`
            The number of its split.
        text : `str`
        gold : `str`
            A string that is equal for equal gold, and empty for an unlabelled sentence.
        source : `str`
            `file:line`.
        """
        file, _, line = source.rpartition(":")
        if not (file and line.isascii() and line.isdigit() and len(line) < 13):
            file, line = source, "0"
        if file not in self._numbers:
            self._numbers[file] = len(self._files)
            self._files.append(file)
        self._texts.append(digest_of(text))
        self._golds.append(digest_of(gold))
        self._places.append(self._numbers[file] << 40 | int(line))
        self._splits.append(split)

    def groups(self) -> Iterator[list[int]]:
        """
        For each repeated text, the numbers of its sentences in the order of addition. The groups are ordered by their
        second sentence, the first repetition.
        """
        if not self._texts:
            return
        texts = np.asarray(self._texts)
        order = np.argsort(texts, kind="stable")
        starts = np.concatenate(([0], np.flatnonzero(np.diff(texts[order])) + 1, [len(order)]))
        several = np.flatnonzero(np.diff(starts) > 1)
        for group in several[np.argsort(order[starts[several] + 1])]:
            yield order[starts[group] : starts[group + 1]].tolist()

    def gold(self, number: int) -> int:
        """The digest of a sentence's gold."""
        return self._golds[number]

    def has_gold(self, number: int) -> bool:
        """Whether a sentence is labelled."""
        return self._golds[number] != _NO_GOLD

    def split(self, number: int) -> int:
        """The split of a sentence."""
        return self._splits[number]

    def place(self, number: int) -> str:
        """`file:line` of a sentence."""
        file, line = self._files[self._places[number] >> 40], self._places[number] & ((1 << 40) - 1)
        return f"{file}:{line}" if line else file
