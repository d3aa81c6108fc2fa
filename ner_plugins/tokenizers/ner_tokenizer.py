"""What every tokenizer of this package promises."""

import re

from allennlp.data.tokenizers import Token, Tokenizer

_SURROGATE = re.compile("[\ud800-\udfff]")


class NerTokenizer(Tokenizer):
    """
    A tokenizer with exact character offsets.

    Each token has `idx` and `idx_end`, half-open code points of the text it was given; they increase from token to
    token and never overlap, and no token is empty. `Token.text` is `text[idx:idx_end]`, where each lone surrogate is
    replaced by U+FFFD, since tokens go into vocabulary files and neither UTF-8 nor a Rust tokenizer can take one.
    Characters may belong to no token. Register a subclass with `Tokenizer.register`.
    """

    def tokenize(self, text: str) -> list[Token]:
        """The tokens of `text`, in order."""
        raise NotImplementedError


def replace_surrogates(text: str) -> str:
    """`text` with each lone surrogate replaced by U+FFFD, one for one: offsets stay as they are."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)
