"""Indexes tokens as the pieces of a pretrained encoder, whatever the tokens are: characters, words or sub-words."""

import logging
import os
import re
from itertools import chain
from typing import Any, Dict, List, Optional, Union

import torch
from allennlp.data.token_indexers import TokenIndexer
from allennlp.data.token_indexers.token_indexer import IndexedTokenList
from allennlp.data.tokenizers import Token
from allennlp.data.vocabulary import Vocabulary

from ner_plugins.pretrained.tokenizer import load_tokenizer, needs_lowercase, pieces_of_words
from ner_plugins.tokenizers.ner_subwords import SubwordToken

logger = logging.getLogger(__name__)

MEMO_SIZE = 200_000

_SURROGATES = re.compile("[\ud800-\udfff]")
_logged_lowercase: set[str] = set()


@TokenIndexer.register("ner_transformer")
class TransformerIndexer(TokenIndexer):
    """
    Turns each token into the pieces that a pretrained encoder's tokenizer makes of it.

    Every token is tokenised by itself, as `is_split_into_words=True` does, so that a character keeps its place
    whatever stands beside it. All tokens of a sentence whose text was not seen before go to the tokenizer in one call,
    and the rest are looked up. A token of which the tokenizer makes nothing (a space, a control character) becomes the
    unknown piece; where the tokenizer has none it gets no piece, and a zero vector. A token from `ner_subwords` has
    its pieces already (its `text_id`, or a `SubwordToken`'s). Special pieces such as [CLS] are the embedder's business.

    Registered as a `TokenIndexer` with name "ner_transformer"; to be used with the `TokenEmbedder` of that name.

    # Parameters

    model_name : `str`
        The encoder's folder or hub name; the embedder's must be the same.
    lowercase : `Optional[bool]`
        Whether to lower-case tokens first. Left out: only if the tokenizer knows lower-case Latin letters, does not
        lower-case, and knows no upper-case ones, so that "A" would be unknown.
    token_min_padding_length : `int`
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
                logger.info("%s knows no upper-case letters: text is lower-cased before it", model_name)
        self.lowercase = lowercase
        unknown, padding = self.tokenizer.unk_token_id, self.tokenizer.pad_token_id
        self._no_piece: tuple[int, ...] = () if unknown is None else (unknown,)
        self._padding_id: int = 0 if padding is None else padding
        self._memo: Dict[Optional[str], tuple[int, ...]] = {}

    def count_vocab_items(self, token: Token, counter: Dict[str, Dict[str, int]]) -> None:
        """Nothing is counted: the pieces have their ids from the encoder."""

    def tokens_to_indices(self, tokens: List[Token], vocabulary: Vocabulary) -> IndexedTokenList:
        """
        # Returns

        `IndexedTokenList`
            `piece_ids`: the pieces of all tokens, one after the other, without special pieces;
            `piece_counts`: how many of them each token has; `mask`: `True` for each token.
        """
        given = [token.text_id for token in tokens]
        if given and None not in given:
            return {"piece_ids": given, "piece_counts": [1] * len(given), "mask": [True] * len(given)}
        if given.count(None) == len(given) and SubwordToken not in set(map(type, tokens)):
            pieces = self._look_up([token.text for token in tokens])
        else:
            own = [_own_pieces(token) for token in tokens]
            looked_up = iter(self._look_up([token.text for token, ids in zip(tokens, own, strict=True) if not ids]))
            pieces = [ids or next(looked_up) for ids in own]
        return {
            "piece_ids": list(chain.from_iterable(pieces)),
            "piece_counts": [len(piece) for piece in pieces],
            "mask": [True] * len(pieces),
        }

    def indices_to_tokens(self, indexed_tokens: IndexedTokenList, vocabulary: Vocabulary) -> List[Token]:
        """The pieces (not the tokens, whose text is not kept) as tokens with `text_id`."""
        ids = indexed_tokens["piece_ids"]
        texts = self.tokenizer.convert_ids_to_tokens(ids)
        return [Token(text, text_id=piece) for text, piece in zip(texts, ids, strict=True)]

    def get_empty_token_list(self) -> IndexedTokenList:
        """What `tokens_to_indices` returns for no tokens."""
        return {"piece_ids": [], "piece_counts": [], "mask": []}

    def as_padded_tensor_dict(
        self, tokens: IndexedTokenList, padding_lengths: Dict[str, int]
    ) -> Dict[str, torch.Tensor]:
        """
        # Returns

        `Dict[str, torch.Tensor]`
            `piece_ids` (pieces,) padded with the encoder's padding piece, `piece_counts` (tokens,), `mask` (tokens,).
        """
        return {
            "piece_ids": _padded(tokens["piece_ids"], padding_lengths["piece_ids"], self._padding_id, torch.int64),
            "piece_counts": _padded(tokens["piece_counts"], padding_lengths["piece_counts"], 0, torch.int64),
            "mask": _padded(tokens["mask"], padding_lengths["mask"], False, torch.bool),
        }

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TransformerIndexer):
            return NotImplemented
        return (self.model_name, self.lowercase) == (other.model_name, other.lowercase)

    def __getstate__(self) -> Dict[str, Any]:
        # A data loader's worker learns the pieces of what it meets by itself.
        return {**self.__dict__, "_memo": {}}

    def _look_up(self, texts: List[Optional[str]]) -> List[tuple[int, ...]]:
        try:
            return [self._memo[text] for text in texts]
        except KeyError:
            return self._learn_and_look_up(texts)

    def _learn_and_look_up(self, texts: List[Optional[str]]) -> List[tuple[int, ...]]:
        memo = self._memo
        unseen = [text for text in dict.fromkeys(texts) if text not in memo]
        if len(memo) + len(unseen) > MEMO_SIZE:
            memo.clear()
            unseen = list(dict.fromkeys(texts))
        memo.update(zip(unseen, self._tokenize([text or "" for text in unseen]), strict=True))
        return [memo[text] for text in texts]

    def _tokenize(self, words: List[str]) -> List[tuple[int, ...]]:
        """The pieces of each word, from one call of the tokenizer."""
        words = [_SURROGATES.sub("\ufffd", word) for word in words]
        if self.lowercase:
            words = [word.lower() for word in words]
        return [tuple(pieces) or self._no_piece for pieces in pieces_of_words(self.tokenizer, words)]


def _own_pieces(token: Token) -> tuple[int, ...]:
    """The pieces that a token came with."""
    if isinstance(token, SubwordToken):
        return token.piece_ids
    return () if token.text_id is None else (token.text_id,)


def _padded(values: List[Any], length: int, padding: Any, dtype: torch.dtype) -> torch.Tensor:
    return torch.tensor(values[:length] + [padding] * (length - len(values)), dtype=dtype)
