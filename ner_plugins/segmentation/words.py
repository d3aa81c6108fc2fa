"""The words of a text."""

import re
import unicodedata
from typing import Iterator

_WORD = re.compile(r"\S+")
_JOINER = "\u200d"


def word_offsets(text: str, split_punctuation: bool) -> Iterator[tuple[int, int]]:
    """
    The half-open characters of the words of a text, which white space separates.

    # Parameters

    text : `str`
    split_punctuation : `bool`
        Whether each punctuation mark and symbol is a word of its own. Combining marks, variation selectors and the
        parts of a joined emoji stay with their symbol.
    """
    for match in _WORD.finditer(text):
        word, start = match[0], match.start()
        if not split_punctuation or word.isalnum():
            yield start, match.end()
        else:
            yield from ((start + a, start + b) for a, b in _parts(word))


def _parts(word: str) -> Iterator[tuple[int, int]]:
    """The offsets of the punctuation marks in a word, and of the parts between them."""
    start, in_symbol, previous = 0, False, ""
    for place, character in enumerate(word):
        category = unicodedata.category(character)
        extends = category[0] == "M" or category == "Cf" or "\U0001f3fb" <= character <= "\U0001f3ff"
        if not extends and previous != _JOINER:
            is_symbol = category[0] in "PS"
            if place > start and (is_symbol or in_symbol):
                yield start, place
                start = place
            in_symbol = is_symbol
        previous = character
    yield start, len(word)
