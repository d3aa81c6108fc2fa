"""Indexes tokens (characters, words or sub-words) as the pieces of a pretrained encoder."""

import logging
import os
from itertools import chain
from typing import Any, Optional, Union

import torch
from allennlp.data.token_indexers import TokenIndexer
from allennlp.data.token_indexers.token_indexer import IndexedTokenList
from allennlp.data.tokenizers import Token
from allennlp.data.vocabulary import Vocabulary

from ner_plugins.pretrained.tokenizer import length_limit, load_tokenizer, needs_lowercase, pieces_of_words
from ner_plugins.segmentation.context import context_sizes
from ner_plugins.segmentation.piece_lookup import PieceLookup
from ner_plugins.tokenizers.ner_subwords import SubwordToken

logger = logging.getLogger(__name__)

_USUAL_LIMIT = 512
_logged_lowercase: set[str] = set()


@TokenIndexer.register("ner_transformer")
class TransformerIndexer(PieceLookup, TokenIndexer):
    """
    Splits each token into the pieces of a pretrained encoder's tokenizer.

    Each token is tokenised on its own, as with `is_split_into_words=True`, so that its pieces do not depend on its
    neighbours. The new texts of a sentence go to the tokenizer in one call; others are looked up. A token without
    pieces (a space, a control character) becomes the unknown piece; if the tokenizer has none, the token gets no piece
    and a zero vector. Tokens from `ner_subwords` already have pieces (`text_id`, or those of a `SubwordToken`). The
    embedder adds special pieces such as [CLS].

    Registered as a `TokenIndexer` with name "ner_transformer". Use it with the `TokenEmbedder` of that name.

    # Parameters

    model_name : `str`
        The encoder's folder or hub name; the same as the embedder's.
    lowercase : `Optional[bool]`, optional (default=`None`)
        Whether to lower-case tokens first. By default only if upper-case Latin letters would be unknown: see
        `needs_lowercase`.
    token_min_padding_length : `int`, optional (default=`0`)
        See `TokenIndexer`.
    serialization_dir : `Optional[str]`
        Supplied by AllenNLP; the tokenizer is saved there for the archive.

    # Raises

    `ConfigError`, `ArchiveError` as in `load_tokenizer`.
    """

    def __init__(
        self,
        model_name: str,
        lowercase: Optional[bool] = None,
        token_min_padding_length: int = 0,
        serialization_dir: Optional[Union[str, "os.PathLike[str]"]] = None,
    ) -> None:
        super().__init__(token_min_padding_length)
        self.model_name = model_name
        self.tokenizer = load_tokenizer(model_name, serialization_dir)
        if lowercase is None:
            lowercase = needs_lowercase(self.tokenizer)
            if lowercase and model_name not in _logged_lowercase:
                _logged_lowercase.add(model_name)
                logger.info("%s has no upper-case letters: lower-casing its input", model_name)
        self.lowercase = lowercase
        unknown, padding = self.tokenizer.unk_token_id, self.tokenizer.pad_token_id
        self._no_piece: tuple[int, ...] = () if unknown is None else (unknown,)
        self._padding_id: int = 0 if padding is None else padding
        self._memo: dict[Optional[str], tuple[int, ...]] = {}

    def count_vocab_items(self, token: Token, counter: dict[str, dict[str, int]]) -> None:
        """Counts nothing, since the encoder defines the ids of pieces."""

    def tokens_to_indices(self, tokens: list[Token], vocabulary: Optional[Vocabulary]) -> IndexedTokenList:
        """
        # Returns

        `IndexedTokenList`
            `piece_ids`: the pieces of all tokens in order, without special pieces; `piece_counts`: the number of pieces
            of each token; `mask`: `True` for each token.
        """
        given = [token.text_id for token in tokens]
        if given and None not in given:
            return {"piece_ids": given, "piece_counts": [1] * len(given), "mask": [True] * len(given)}
        if given.count(None) == len(given) and SubwordToken not in set(map(type, tokens)):
            pieces = self.look_up([token.text for token in tokens])
        else:
            own = [_own_pieces(token) for token in tokens]
            looked_up = iter(self.look_up([token.text for token, ids in zip(tokens, own, strict=True) if not ids]))
            pieces = [ids or next(looked_up) for ids in own]
        return {
            "piece_ids": list(chain.from_iterable(pieces)),
            "piece_counts": [len(piece) for piece in pieces],
            "mask": [True] * len(pieces),
        }

    @property
    def encoder_limit(self) -> int:
        """The number of pieces that an encoder reads at once, as far as its tokenizer says so; otherwise 512."""
        return length_limit(self.tokenizer) or _USUAL_LIMIT

    def index_context(self, indexed: IndexedTokenList, before: list[Token], after: list[Token]) -> None:
        """
        Add the pieces around a text to what `tokens_to_indices` returned for it, as many as fit into `encoder_limit`.

        # Parameters

        indexed : `IndexedTokenList`
            It gets `before_ids` and `after_ids`, the nearest pieces on each side, and `context_counts`, the number of
            both.
        before, after : `list[Token]`
            The tokens around the text.
        """
        earlier, later = (self.tokens_to_indices(tokens, None)["piece_ids"] for tokens in (before, after))
        sizes = context_sizes(len(indexed["piece_ids"]), len(earlier), len(later), self.encoder_limit)
        indexed["before_ids"] = earlier[len(earlier) - sizes[0] :]
        indexed["after_ids"] = later[: sizes[1]]
        indexed["context_counts"] = list(sizes)

    def indices_to_tokens(self, indexed_tokens: IndexedTokenList, vocabulary: Vocabulary) -> list[Token]:
        """The pieces as tokens with a `text_id`; the text of the original tokens is not stored."""
        ids = indexed_tokens["piece_ids"]
        texts = self.tokenizer.convert_ids_to_tokens(ids)
        return [Token(text, text_id=piece) for text, piece in zip(texts, ids, strict=True)]

    def get_empty_token_list(self) -> IndexedTokenList:
        """What `tokens_to_indices` returns for no tokens."""
        return {"piece_ids": [], "piece_counts": [], "mask": []}

    def as_padded_tensor_dict(
        self, tokens: IndexedTokenList, padding_lengths: dict[str, int]
    ) -> dict[str, torch.Tensor]:
        """
        # Returns

        `dict[str, torch.Tensor]`
            `piece_ids` (pieces,) padded with the encoder's padding piece, `piece_counts` (tokens,), `mask` (tokens,);
            with a context also `before_ids`, `after_ids` (pieces around the text,) and `context_counts` (2,).
        """
        tensors = {
            name: _padded(tokens[name], padding_lengths[name], self._padding_id, torch.int64)
            for name in ("piece_ids", "before_ids", "after_ids")
            if name in tokens
        }
        tensors["piece_counts"] = _padded(tokens["piece_counts"], padding_lengths["piece_counts"], 0, torch.int64)
        tensors["mask"] = _padded(tokens["mask"], padding_lengths["mask"], False, torch.bool)
        if "context_counts" in tokens:
            tensors["context_counts"] = torch.tensor(tokens["context_counts"])
        return tensors

    def host_values(self, tensors: dict[str, torch.Tensor]) -> dict[str, tuple[Any, ...]]:
        """
        What the embedder has to know of a batch on the host, so that it need not wait for the device.

        # Parameters

        tensors : `dict[str, torch.Tensor]`
            Those of `as_padded_tensor_dict`, batched.

        # Returns

        `dict[str, tuple[Any, ...]]`
            `piece_totals`: the number of pieces of each text; with a context also `context_totals`: the two numbers of
            pieces around it.
        """
        if tensors["piece_counts"].dim() != 2:
            return {}
        values = {"piece_totals": tuple((tensors["piece_counts"] * tensors["mask"]).sum(1).tolist())}
        if "context_counts" in tensors:
            values["context_totals"] = tuple(map(tuple, tensors["context_counts"].tolist()))
        return values

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TransformerIndexer):
            return NotImplemented
        return (self.model_name, self.lowercase) == (other.model_name, other.lowercase)

    def __getstate__(self) -> dict[str, Any]:
        # Each data loader worker fills its own memo.
        return {**self.__dict__, "_memo": {}}

    def _split(self, words: list[str]) -> list[list[int]]:
        return pieces_of_words(self.tokenizer, words)


def _own_pieces(token: Token) -> tuple[int, ...]:
    """The pieces that a token already has; empty if it has none."""
    if isinstance(token, SubwordToken):
        return token.piece_ids
    return () if token.text_id is None else (token.text_id,)


def _padded(values: list[Any], length: int, padding: Any, dtype: torch.dtype) -> torch.Tensor:
    return torch.tensor(values[:length] + [padding] * (length - len(values)), dtype=dtype)
