"""The words of a text whose pieces are masked together."""

import re
from typing import Optional, Sequence

from ner_plugins.lexicon.lexicon import Lexicon

SPACE = -1

# The characters that BERT's tokenizer takes for words of their own (`_is_chinese_char`).
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002ceaf\U0002f800-\U0002fa1f"
_WORD = re.compile(rf"[^\W{_HAN}]+|\S")


def owners(text: str, lexicon: Optional[Lexicon] = None) -> list[int]:
    """
    The word of each character: neighbouring characters with the same number belong to one word.

    A run of letters and digits is a word; each Chinese character and each punctuation mark is one of its own. With a
    lexicon, the text is cut from left to right into the longest words that match (forward maximum matching), and what
    no word covers is cut as without one. A word of the lexicon that begins or ends within ASCII letters and digits is
    left out: "art" is not a word of "started".

    # Parameters

    text : `str`
    lexicon : `Optional[Lexicon]`, optional (default=`None`)

    # Returns

    `list[int]`
        A number for each character; `SPACE` for white space.
    """
    found = [SPACE] * len(text)
    number = 0
    for match in _WORD.finditer(text):
        found[match.start() : match.end()] = [number] * (match.end() - match.start())
        number += 1
    if lexicon is not None:
        end = 0
        for start, stop, _ in sorted(lexicon.match(text), key=lambda match: (match[0], -match[1])):
            if start >= end and not _splits(text, start) and not _splits(text, stop):
                found[start:stop] = [number] * (stop - start)
                number, end = number + 1, stop
    return found


def token_words(of_characters: Sequence[int], offsets: Sequence[tuple[int, int]]) -> list[int]:
    """
    The word of each token. Tokens are whole: words that share a token are one word.

    # Parameters

    of_characters : `Sequence[int]`
        As `owners` gives them.
    offsets : `Sequence[tuple[int, int]]`
        The half-open characters of each token.

    # Returns

    `list[int]`
        Ascending numbers, from 0; equal ones for the tokens of one word.
    """
    words: list[int] = []
    before: Optional[int] = None
    for start, end in offsets:
        first, last = (_at(of_characters, place) for place in (start, max(end - 1, start)))
        if before is None:
            words.append(0)
        else:
            words.append(words[-1] + (first == SPACE or first != before))
        before = last
    return words


def _at(of_characters: Sequence[int], place: int) -> int:
    return of_characters[place] if place < len(of_characters) else SPACE


def _splits(text: str, place: int) -> bool:
    """Whether a cut before this character parts ASCII letters or digits."""
    if not 0 < place < len(text):
        return False
    pair = text[place - 1 : place + 1]
    return pair.isascii() and pair.isalnum()
