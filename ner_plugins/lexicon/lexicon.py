"""The interface of a lexicon to readers, fields and models."""

import zlib
from abc import abstractmethod
from functools import cached_property
from typing import Sequence

from allennlp.common import Registrable

# Start and end (exclusive) in characters, and the word's index in `Lexicon.words`.
Match = tuple[int, int, int]


class Lexicon(Registrable):
    """
    A set of words that are looked up in texts. A dataset reader makes it once (`dataset_reader.lexicon`), and attaches
    it to the `LatticeField` of its instances.

    # Attributes

    only_seen : `bool`
        Whether words missing from the vocabulary are left out of the lattice.
    """

    default_implementation = "ner_lexicon"

    only_seen: bool = False

    @property
    @abstractmethod
    def words(self) -> Sequence[str]:
        """The normalised words, without duplicates."""

    @cached_property
    def digest(self) -> int:
        """A check sum of `words` and their order, by which models recognise the lexicon; never 0."""
        return digest_of(self.words)

    @abstractmethod
    def normalize(self, text: str) -> str:
        """Normalise a text, or a word of another file, for comparison with the words. The length stays the same."""

    @abstractmethod
    def match(self, text: str) -> list[Match]:
        """
        Find every occurrence of every word in a text; they may overlap.

        # Parameters

        text : `str`

        # Returns

        `list[Match]`
            Half-open characters of `text` and the word's index in `words`, ordered by start, then by length.
        """


def digest_of(words: Sequence[str]) -> int:
    """A check sum of words and their order, never 0."""
    return zlib.crc32("\n".join(words).encode("utf-8", "surrogatepass")) or 1
