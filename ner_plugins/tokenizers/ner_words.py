"""A tokenizer with one token per word."""

import sys
from typing import Any

from allennlp.data.tokenizers import Token, Tokenizer

from ner_plugins.segmentation.characters import replace_surrogates
from ner_plugins.segmentation.words import word_offsets
from ner_plugins.tokenizers.ner_tokenizer import NerTokenizer


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
        safe = replace_surrogates(text)
        offsets = word_offsets(safe, self.split_punctuation)
        return [Token(sys.intern(safe[start:end]), start, end) for start, end in offsets]

    def _to_params(self) -> dict[str, Any]:
        return {"type": "ner_words", "split_punctuation": self.split_punctuation}
