"""The words of a lexicon in a text as tensors."""

from array import array
from typing import Any, Iterator, Mapping, Optional, Sequence

import numpy as np
import torch
from allennlp.data.fields import Field
from allennlp.data.vocabulary import Vocabulary
from allennlp.nn.util import batch_tensor_dicts

from ner_plugins.errors import ConfigError
from ner_plugins.lexicon.lexicon import Lexicon

LATTICE_NAMESPACE = "lattice_words"


class LatticeField(Field[dict[str, torch.Tensor]]):
    """
    The occurrences of a lexicon's words in a text, ordered by start, then by length.

    A batch becomes a dict of `words`, `heads` and `tails` (int64) and `mask` (bool), each of shape (batch, max_words),
    where `max_words` may be 0. `heads` and `tails` are the words' first and last tokens; padding is 0, and false in
    the mask. Words that do not begin and end at token boundaries are left out.

    The V words of the vocabulary (including padding and unknown) have the ids 0 to V - 1. A word of the lexicon that is
    not in the vocabulary has the id V + its index in the lexicon (see `WordEmbedding`); with `only_seen` it is left
    out.

    The reader attaches the lexicon together with the token indexers, so that it is never sent between processes. The
    text is matched when it is counted and again when it is indexed, which is faster than storing the words.

    # Parameters

    text : `str`
        The text.
    offsets : `Sequence[tuple[int, int]]`
        The half-open characters of each token.
    lexicon : `Optional[Lexicon]`
        Can be attached later.
    namespace : `str`, optional (default=`"lattice_words"`)
        The vocabulary namespace of the words; it has padding.
    """

    __slots__ = ["_namespace", "_rows", "lexicon", "offsets", "text"]

    def __init__(
        self,
        text: str,
        offsets: Sequence[tuple[int, int]],
        lexicon: Optional[Lexicon] = None,
        namespace: str = LATTICE_NAMESPACE,
    ) -> None:
        self.text = text
        self.offsets = offsets
        self.lexicon = lexicon
        self._namespace = namespace
        self._rows = array("i")  # ids, then heads, then tails

    def words(self) -> Iterator[tuple[int, int, int]]:
        """
        The words of the lexicon in the text.

        # Returns

        `Iterator[tuple[int, int, int]]`
            First token, last token, and index in the lexicon.

        # Raises

        `ConfigError` if the lexicon has not been attached.
        """
        if self.lexicon is None:
            raise ConfigError("the field lattice has no lexicon yet: call the reader's apply_token_indexers(instance)")
        heads: dict[int, int] = {}
        tails: dict[int, int] = {}
        for token, (start, end) in enumerate(self.offsets):
            if start < end:
                heads.setdefault(start, token)
                tails[end] = token
        for start, end, word in self.lexicon.match(self.text):
            head, tail = heads.get(start), tails.get(end)
            if head is not None and tail is not None and head <= tail:
                yield head, tail, word

    def count_vocab_items(self, counter: dict[str, dict[str, int]]) -> None:
        """Count each word."""
        count = counter[self._namespace]
        for _, _, word in self.words():
            count[self._lexicon_words[word]] += 1

    def index(self, vocab: Vocabulary) -> None:
        """Find the words and their ids."""
        known = vocab.get_token_to_index_vocabulary(self._namespace)
        size = vocab.get_vocab_size(self._namespace)
        ids, heads, tails = array("i"), array("i"), array("i")
        for head, tail, word in self.words():
            word_id = known.get(self._lexicon_words[word])
            if word_id is None:
                if self.lexicon is not None and self.lexicon.only_seen:
                    continue
                word_id = size + word
            ids.append(word_id)
            heads.append(head)
            tails.append(tail)
        self._rows = ids + heads + tails

    def get_padding_lengths(self) -> dict[str, int]:
        """`{"num_words": words}`."""
        return {"num_words": len(self._rows) // 3}

    def as_tensor(self, padding_lengths: dict[str, int]) -> dict[str, torch.Tensor]:
        """
        `words`, `heads`, `tails` and `mask`, each of shape (`padding_lengths["num_words"]`,); and `lexicon`, the digest
        of the lexicon, a scalar.
        """
        length = padding_lengths["num_words"]
        rows = torch.zeros(3, length, dtype=torch.int64)
        number = min(len(self._rows) // 3, length)
        if number:
            found = np.frombuffer(self._rows, dtype=np.intc).reshape(3, -1)[:, :number]
            rows[:, :number] = torch.from_numpy(found.astype(np.int64))
        words, heads, tails = rows.unbind(0)
        digest = torch.tensor(0 if self.lexicon is None else self.lexicon.digest)
        mask = torch.arange(length) < number
        return {"words": words, "heads": heads, "tails": tails, "mask": mask, "lexicon": digest}

    def batch_tensors(self, tensor_list: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """
        Batch the tensors of several texts: shape (batch, max_words), and (batch,) for `lexicon`. `greatest` is a tuple
        of integers, which stay on the host when the tensors go to a device: for each length (tail - head), the largest
        number of such words in a text.
        """
        # A list of such fields is batched twice.
        tensors: dict[str, Any] = batch_tensor_dicts(
            [{name: tensor for name, tensor in of_text.items() if name != "greatest"} for of_text in tensor_list]
        )
        if tensors["mask"].dim() == 2:
            tensors["greatest"] = _greatest(tensors["tails"] - tensors["heads"], tensors["mask"])
        return tensors

    def empty_field(self) -> "LatticeField":
        """The field of an empty text."""
        return LatticeField("", [], self.lexicon, self._namespace)

    def duplicate(self) -> "LatticeField":
        """A copy, with the same lexicon."""
        field = LatticeField(self.text, list(self.offsets), self.lexicon, self._namespace)
        field._rows = self._rows[:]
        return field

    def human_readable_repr(self) -> list[tuple[int, int, str]]:
        """The first token, last token and text of each word; empty until the lexicon is attached."""
        if self.lexicon is None:
            return []
        return [(head, tail, self._lexicon_words[word]) for head, tail, word in self.words()]

    @property
    def _lexicon_words(self) -> Sequence[str]:
        assert self.lexicon is not None  # `words` has checked it
        return self.lexicon.words

    def __len__(self) -> int:
        return len(self._rows) // 3

    def __str__(self) -> str:
        return f"LatticeField of {len(self)} words"


def _greatest(lengths: torch.Tensor, mask: torch.Tensor) -> tuple[int, ...]:
    """The largest number of words of each length in a text, from lengths and a mask of shape (batch, words)."""
    if not mask.any():
        return ()
    lengths = lengths.masked_fill(~mask, -1)  # Shape: (batch, words)
    counts = torch.zeros(len(lengths), int(lengths.max()) + 2, dtype=torch.int64)  # padding comes first
    counts.scatter_add_(1, lengths + 1, torch.ones_like(lengths))
    greatest: list[int] = counts[:, 1:].amax(0).tolist()
    return tuple(greatest)
