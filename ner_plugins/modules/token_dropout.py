"""Dropout of whole tokens."""

from functools import partial
from typing import Any, Callable, Mapping

import torch
from allennlp.data import TextFieldTensors, Vocabulary
from allennlp.modules import TextFieldEmbedder
from allennlp.modules.token_embedders import Embedding
from torch import Tensor
from torch.nn import functional

from ner_plugins.errors import ConfigError
from ner_plugins.token_indexers.bigram_indexer import BIGRAM_NAMESPACE

Replacer = Callable[[Mapping[str, Any], Tensor], dict[str, Any]]
"""What an indexer made of a batch, and tokens to replace, (batch, tokens); returns the same without these tokens."""


def drop_tokens(ids: Tensor, probability: float, unknown: int, padding: int = 0) -> Tensor:
    """
    Replaces random tokens, each independently, by the unknown token, so that its vector is trained (FLAT, Li et al.
    2020, with a probability of 0.01 in the released code).

    # Parameters

    ids : `Tensor`
        Of any shape.
    probability : `float`
        Of replacing a token that is not padding.
    unknown : `int`
        The id of the unknown token.
    padding : `int`, optional (default=`0`)
        The id of padding.

    # Returns

    `Tensor`
        Shape: that of `ids`
    """
    if probability == 0.0:
        return ids
    dropped = torch.rand(ids.shape, device=ids.device) < probability
    return ids.masked_fill(dropped & (ids != padding), unknown)


class TokenDropout(torch.nn.Module):
    """
    Dropout of whole tokens before they are embedded: in training, each is replaced with probability p, independently,
    by the transformer's mask piece in place of each of its pieces, and by the unknown token of a vocabulary. All
    embedders lose the same tokens, and a vocabulary of bigrams both bigrams of each. Nothing is rescaled, as in the
    embedding dropout of xueyouluo's system for CCKS 2021, which drops rows of the vocabulary.

    # Parameters

    p : `float`
        In [0, 1).
    embedder : `TextFieldEmbedder`
        Of the tokens. Its parts have to be `ner_transformer`, `ner_embedding` or `embedding`, or have a method
        `token_replacer` that returns a `Replacer`.
    vocab : `Vocabulary`

    # Raises

    `ConfigError` if `p` is out of range or an embedder has nothing to replace a token by.
    """

    def __init__(self, p: float, embedder: TextFieldEmbedder, vocab: Vocabulary) -> None:
        super().__init__()
        if not 0.0 <= p < 1.0:
            raise ConfigError(f"model.token_dropout is {p}, but has to be 0 or more and less than 1")
        self.p = p
        self._replacers = _replacers_of(embedder, vocab) if p else {}

    def forward(self, tokens: TextFieldTensors, mask: Tensor) -> TextFieldTensors:
        """The indexed tokens of a batch, some of them replaced; `mask` says which are real, (batch, tokens)."""
        if not self.training or not self.p:
            return tokens
        dropped = (torch.rand(mask.shape, device=mask.device) < self.p) & mask
        return {name: self._replacers[name](tensors, dropped) for name, tensors in tokens.items()}


def _replacers_of(embedder: TextFieldEmbedder, vocab: Vocabulary) -> dict[str, Replacer]:
    parts: Mapping[str, Any] = getattr(embedder, "_token_embedders", {})
    if not parts:
        raise ConfigError("model.token_dropout needs a text_field_embedder with token_embedders")
    return {
        name: _replacer_of(part, f"model.text_field_embedder.token_embedders.{name}", vocab)
        for name, part in parts.items()
    }


def _replacer_of(embedder: Any, key: str, vocab: Vocabulary) -> Replacer:
    if hasattr(embedder, "token_replacer"):
        found: Replacer = embedder.token_replacer()
        return found
    if not isinstance(embedder, Embedding):
        raise ConfigError(
            f"model.token_dropout cannot replace the tokens of {key}, a {type(embedder).__name__}: use "
            "ner_transformer, ner_embedding or embedding, or give your class a method token_replacer"
        )
    namespace = embedder._vocab_namespace or "tokens"
    unknown = vocab.get_token_to_index_vocabulary(namespace).get(vocab._oov_token)
    if unknown is None:
        raise ConfigError(
            f"model.token_dropout replaces tokens by the unknown token, which the namespace {namespace!r} of {key} "
            "does not have"
        )
    return partial(_with_unknown, unknown, namespace == BIGRAM_NAMESPACE)


def _with_unknown(unknown: int, bigrams: bool, tensors: Mapping[str, Any], dropped: Tensor) -> dict[str, Any]:
    if bigrams:  # that of the token before contains the token, too
        dropped = dropped | functional.pad(dropped[:, 1:], (0, 1))
    return {name: ids.masked_fill(dropped, unknown) for name, ids in tensors.items()}
