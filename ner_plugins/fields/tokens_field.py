"""The tokens of a text, for indexers that need several tokens at once."""

from copy import deepcopy
from typing import Any, NamedTuple, Optional

from allennlp.data import Token, TokenIndexer, Vocabulary
from allennlp.data.fields import TextField
from allennlp.data.fields.text_field import TextFieldTensors
from torch import Tensor


class TokenContext(NamedTuple):
    """
    The tokens of the sentences around a sentence, which an encoder reads with it.

    # Parameters

    before, after : `list[Token]`
        In the order of the text.
    """

    before: list[Token]
    after: list[Token]


class TokensField(TextField):
    """
    AllenNLP's `TextField`, with three additions. An indexer with a method `count_text(tokens, counter)` gets all tokens
    of the text at once instead of one by one; one with `host_values` adds values to a batch (see `batch_tensors`); and
    one with `index_context(indexed, before, after)` gets the tokens around the text. They are no tokens of the field.

    # Parameters

    tokens, token_indexers
        See `TextField`.
    context : `Optional[TokenContext]`, optional (default=`None`)
        The tokens around the text; `None` if the reader gives no text any.
    """

    __slots__ = ["context"]

    def __init__(
        self,
        tokens: list[Token],
        token_indexers: Optional[dict[str, TokenIndexer]] = None,
        context: Optional[TokenContext] = None,
    ) -> None:
        super().__init__(tokens, token_indexers)
        self.context = context

    def index(self, vocab: Vocabulary) -> None:
        """Index the tokens, and those around the text."""
        super().index(vocab)
        if self.context is not None:
            for name, indexer in self.token_indexers.items():
                index_context = getattr(indexer, "index_context", None)
                if index_context is not None:
                    index_context(self._indexed_tokens[name], *self.context)

    def count_vocab_items(self, counter: dict[str, dict[str, int]]) -> None:
        """Let each indexer count what it needs in the vocabulary."""
        for indexer in self.token_indexers.values():
            count_text = getattr(indexer, "count_text", None)
            if count_text is not None:
                count_text(self.tokens, counter)
            else:
                for token in self.tokens:
                    indexer.count_vocab_items(token, counter)

    @property
    def context_pieces(self) -> int:
        """The number of pieces around the text, once it is indexed."""
        indexed = getattr(self, "_indexed_tokens", None) or {}
        return max((sum(one["context_counts"]) for one in indexed.values() if "context_counts" in one), default=0)

    def batch_tensors(self, tensor_list: list[TextFieldTensors]) -> TextFieldTensors:
        """
        Batch the tensors of several texts, as in `TextField`. An indexer with a method `host_values(tensors)` adds what
        it returns: values that stay on the host when the tensors go to a device.
        """
        # A list of such fields is batched twice.
        tensors = [{name: _tensors_of(indexed) for name, indexed in of_text.items()} for of_text in tensor_list]
        batched: TextFieldTensors = super().batch_tensors(tensors)
        for name, indexer in self.token_indexers.items():
            host_values = getattr(indexer, "host_values", None)
            if host_values is not None and name in batched:
                batched[name].update(host_values(batched[name]))
        return batched

    def empty_field(self) -> "TokensField":
        """The field of a text without tokens."""
        context = None if self.context is None else TokenContext([], [])
        field = TokensField([], self._token_indexers, context)
        field._indexed_tokens = super().empty_field()._indexed_tokens
        return field

    def duplicate(self) -> "TokensField":
        """A copy, with the same indexers."""
        indexers = None if self._token_indexers is None else dict(self._token_indexers)
        field = TokensField(deepcopy(self.tokens), indexers, deepcopy(self.context))
        field._indexed_tokens = deepcopy(self._indexed_tokens)
        return field


def _tensors_of(indexed: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in indexed.items() if isinstance(value, Tensor)}
