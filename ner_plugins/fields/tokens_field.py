"""The tokens of a text, for indexers that need several tokens at once."""

from copy import deepcopy
from typing import Any

from allennlp.data.fields import TextField
from allennlp.data.fields.text_field import TextFieldTensors
from torch import Tensor


class TokensField(TextField):
    """
    AllenNLP's `TextField`, with two additions. An indexer with a method `count_text(tokens, counter)` gets all tokens
    of the text at once instead of one by one; and one with `host_values` adds values to a batch (see `batch_tensors`).
    For parameters see `TextField`.
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
        field = TokensField([], self._token_indexers)
        field._indexed_tokens = super().empty_field()._indexed_tokens
        return field

    def duplicate(self) -> "TokensField":
        """A copy, with the same indexers."""
        field = TokensField(deepcopy(self.tokens), None if self._token_indexers is None else dict(self._token_indexers))
        field._indexed_tokens = deepcopy(self._indexed_tokens)
        return field


def _tensors_of(indexed: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in indexed.items() if isinstance(value, Tensor)}
