"""A tokenizer with one token per word."""

import re
import sys
import unicodedata
from typing import Any, Iterator

from allennlp.data.tokenizers import Token, Tokenizer

from ner_plugins.tokenizers.ner_tokenizer import NerTokenizer, replace_surrogates

_WORD = re.compile(r"\S+")
_JOINER = "\u200d"


@Tokenizer.register("ner_words")
class NerWordTokenizer(NerTokenizer):
    """
    Splits a text at Unicode white space: no-break and ideographic spaces split too; U+200B, U+00AD and U+FEFF do not.
    Tokens are words in English or German, and eojeol in Korean; white space belongs to no token.

    # Parameters

    split_punctuation : `bool`, optional (default=`False`)
        Whether each punctuation mark and symbol is a separate token, anywhere in a word. Combining marks, variation
        selectors and the parts of a joined emoji stay with their symbol.
    """

    def __init__(self, split_punctuation: bool = False) -> None:
        self.split_punctuation = split_punctuation

    def tokenize(self, text: str) -> list[Token]:
        """The words of `text`."""
        intern = sys.intern
        safe = replace_surrogates(text)
        tokens: list[Token] = []
        for match in _WORD.finditer(safe):
            word, start = match[0], match.start()
            if not self.split_punctuation or word.isalnum():
                tokens.append(Token(intern(word), start, match.end()))
            else:
                tokens += [Token(intern(word[a:b]), start + a, start + b) for a, b in _parts(word)]
        return tokens

    def _to_params(self) -> dict[str, Any]:
        return {"type": "ner_words", "split_punctuation": self.split_punctuation}


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
