"""What a lexicon is to readers, fields and models."""

import zlib
from abc import abstractmethod
from functools import cached_property
from typing import Sequence

from allennlp.common import Registrable

# Start and end (exclusive) in characters, and the word's place in `Lexicon.words`.
Match = tuple[int, int, int]


class Lexicon(Registrable):
    """
    Words, and where they stand in a text. Made once by a dataset reader (`dataset_reader.lexicon`), which gives it to
    the `LatticeField` of its instances.

    # Attributes

    only_seen : `bool`
        Whether words that the vocabulary lacks are left out of the lattice.
    """

    default_implementation = "ner_lexicon"

    only_seen: bool = False

    @property
    @abstractmethod
    def words(self) -> Sequence[str]:
        """The words, each once, as `match` compares them with the normalised text."""

    @cached_property
    def digest(self) -> int:
        """A check sum of `words` and their order, by which models know the lexicon again; never 0."""
        return digest_of(self.words)

    @abstractmethod
    def normalize(self, text: str) -> str:
        """A text, or a word of another file, as it is compared with the words; as long as before."""

    @abstractmethod
    def match(self, text: str) -> list[Match]:
        """
        Every place of every word in a text; they may overlap.

        # Parameters

        text : `str`

        # Returns

        `list[Match]`
            Half-open characters of `text` and the word's place in `words`, in order of start, then of length.
        """


def digest_of(words: Sequence[str]) -> int:
    """A check sum of words and their order, never 0."""
    return zlib.crc32("\n".join(words).encode("utf-8", "surrogatepass")) or 1
