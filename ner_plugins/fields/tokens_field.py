"""The tokens of a text, for indexers that need several tokens at once."""

from copy import deepcopy

from allennlp.data.fields import TextField


class TokensField(TextField):
    """
    AllenNLP's `TextField`, except for counting: an indexer with a method `count_text(tokens, counter)` gets all tokens
    of the text at once instead of one by one. For parameters see `TextField`.
    """

    __slots__: list[str] = []

    def count_vocab_items(self, counter: dict[str, dict[str, int]]) -> None:
        """Let each indexer count what it needs in the vocabulary."""
        for indexer in self.token_indexers.values():
            count_text = getattr(indexer, "count_text", None)
            if count_text is not None:
                count_text(self.tokens, counter)
            else:
                for token in self.tokens:
                    indexer.count_vocab_items(token, counter)

    def empty_field(self) -> "TokensField":
        """The field of a text without tokens."""
        field = TokensField([], self._token_indexers)
        field._indexed_tokens = super().empty_field()._indexed_tokens
        return field

    def duplicate(self) -> "TokensField":
        """A copy, with the same indexers."""
        field = TokensField(deepcopy(self.tokens), None if self._token_indexers is None else dict(self._token_indexers))
        field._indexed_tokens = deepcopy(self._indexed_tokens)
        return field
