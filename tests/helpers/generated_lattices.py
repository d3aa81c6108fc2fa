"""Batches of lattices, generated: real ones have a word for each character or so."""

from typing import Any, Optional

import torch
from allennlp.common import FromParams
from hypothesis import strategies as st
from torch import Tensor, nn

Batch = tuple[Tensor, dict[str, Tensor]]  # mask, lattice

VOCABULARY, WORD_DIM = 7, 5


class PlainWords(nn.Embedding, FromParams):
    """Vectors of words, without a lexicon."""

    def __init__(self, vocab: Any = None, serialization_dir: Optional[str] = None) -> None:
        super().__init__(VOCABULARY, WORD_DIM)

    def get_output_dim(self) -> int:
        return WORD_DIM

    def check_lexicon(self, digests: Any) -> None:
        """Any will do."""


Spans = list[tuple[int, int]]  # first and last token


def batch_of(lengths: list[int], spans: list[Spans], tokens: int = 0, words: int = 0) -> Batch:
    """The mask and the lattice of texts of these lengths with words at these spans, padded to these sizes at least."""
    tokens, words = max([tokens, *lengths]), max([words, *map(len, spans)])
    mask = torch.arange(tokens) < torch.tensor(lengths).unsqueeze(1)
    padded = torch.tensor([[*of_text, *[(0, 0)] * (words - len(of_text))] for of_text in spans])
    padded = padded.reshape(len(spans), words, 2).long()
    real = torch.arange(words) < torch.tensor([len(of_text) for of_text in spans]).unsqueeze(1)
    ids = (torch.arange(real.numel()).view_as(real) * 3 % VOCABULARY).masked_fill(~real, 0)
    return mask, {"words": ids, "heads": padded[..., 0], "tails": padded[..., 1], "mask": real}


@st.composite
def batches(draw: st.DrawFn, max_sentences: int = 3, max_tokens: int = 7, max_words: int = 6) -> Batch:
    """Texts of any length, words of any place in them (twice, too, and of one token), and padding."""
    lengths = draw(st.lists(st.integers(1, max_tokens), min_size=1, max_size=max_sentences))
    spans = []
    for length in lengths:
        token = st.integers(0, length - 1)
        pairs = draw(st.lists(st.tuples(token, token), max_size=max_words))
        spans.append([(min(pair), max(pair)) for pair in pairs])
    return batch_of(lengths, spans, draw(st.integers(0, max_tokens + 1)), draw(st.integers(0, max_words + 1)))
