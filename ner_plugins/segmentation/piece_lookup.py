"""The pieces of tokens, each tokenised on its own, with a memory of those seen before."""

from abc import ABC, abstractmethod
from typing import Optional, Sequence

from ner_plugins.segmentation.characters import replace_surrogates

MEMO_SIZE = 200_000


class PieceLookup(ABC):
    """
    Looks up the pieces of tokens. The new texts of a call go to the tokenizer together; others are remembered. It may
    be used from several threads.

    # Attributes

    lowercase : `bool`
        Whether tokens are lower-cased first.
    """

    lowercase: bool
    _no_piece: tuple[int, ...]
    """The pieces of a token that has none of its own: the unknown piece, if the tokenizer has one."""
    _memo: dict[Optional[str], tuple[int, ...]]

    @abstractmethod
    def _split(self, words: list[str]) -> Sequence[Sequence[int]]:
        """The piece ids of each word, tokenised on its own without special pieces."""

    def look_up(self, texts: Sequence[Optional[str]]) -> list[tuple[int, ...]]:
        """The piece ids of each token."""
        try:
            return [self._memo[text] for text in texts]
        except KeyError:
            return self._tokenize_and_look_up(texts)

    def _tokenize_and_look_up(self, texts: Sequence[Optional[str]]) -> list[tuple[int, ...]]:
        memo = self._memo
        unseen = [text for text in dict.fromkeys(texts) if text not in memo]
        if len(memo) + len(unseen) > MEMO_SIZE:
            memo = self._memo = {}  # another thread may look up in the old one
            unseen = list(dict.fromkeys(texts))
        memo.update(zip(unseen, self._tokenize([text or "" for text in unseen]), strict=True))
        return [memo[text] for text in texts]

    def _tokenize(self, words: list[str]) -> list[tuple[int, ...]]:
        """The pieces of each word, from one call of the tokenizer."""
        words = [replace_surrogates(word) for word in words]
        if self.lowercase:
            words = [word.lower() for word in words]
        return [tuple(pieces) or self._no_piece for pieces in self._split(words)]
