"""The base of all tokenizers."""

from allennlp.data.tokenizers import Token, Tokenizer


class NerTokenizer(Tokenizer):
    """
    A tokenizer with exact character offsets.

    Each token has `idx` and `idx_end`, half-open code points of the original text. Tokens are in order, do not overlap,
    and are not empty; some characters may belong to none. `Token.text` is `text[idx:idx_end]`, with U+FFFD for each
    lone surrogate, because neither vocabulary files in UTF-8 nor Rust tokenizers accept them. Register a subclass with
    `Tokenizer.register`.
    """

    def tokenize(self, text: str) -> list[Token]:
        """The tokens of `text`, in order."""
        raise NotImplementedError
