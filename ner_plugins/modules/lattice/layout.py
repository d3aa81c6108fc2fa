"""The spans of a batch of lattices, characters and words, in the order that attention needs."""

from typing import NamedTuple, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ner_plugins.modules.lattice.lattice_encoder import Lattice


class SpanGroup(NamedTuple):
    """
    Spans of one length that are adjacent in every sentence of the batch.

    # Parameters

    length : `int`
        tail - head of the spans.
    first, end : `int`
        The group is `spans[first:end]`.
    """

    length: int
    first: int
    end: int


class SpanLayout(NamedTuple):
    """
    The spans of a batch: first the tokens of the text, which have length 0, then the words.

    # Parameters

    tokens : `int`
        Tokens of the longest text.
    lengths : `Sequence[int]`
        The distinct lengths (tail - head) of spans. The first is 0.
    kinds : `torch.LongTensor`
        Index of each span's length in `lengths`. Shape: (batch, spans)
    heads : `torch.LongTensor`
        The first token of each span. Shape: (batch, spans)
    mask : `torch.BoolTensor`
        Which spans are real. Shape: (batch, spans)
    words : `torch.LongTensor`
        Index in the lattice of each span after the tokens; one past the last word for none.
        Shape: (batch, spans - tokens)
    groups : `Sequence[SpanGroup]`
        The tokens, then the words of each length if words are grouped.
    """

    tokens: int
    lengths: Sequence[int]
    kinds: Tensor
    heads: Tensor
    mask: Tensor
    words: Tensor
    groups: Sequence[SpanGroup]


def lay_out(mask: Tensor, lattice: Lattice, group_words: bool) -> SpanLayout:
    """
    # Parameters

    mask : `torch.BoolTensor`
        Which tokens are real. Shape: (batch, tokens)
    lattice : `Lattice`
        The words.
    group_words : `bool`
        Whether to group words of one length. Each group then has as many places as a sentence has such words at most.

    # Returns

    `SpanLayout`
        On the device of `mask`. Without `greatest` in the lattice, computing it waits for the device once.
    """
    batch, tokens = mask.shape
    heads, real = lattice["heads"], lattice["mask"]  # Shape of these and the next: (batch, words)
    lengths = (lattice["tails"] - heads).masked_fill(~real, tokens)  # padding is longer than any word
    # Number of words of each length in each sentence. Shape: (batch, tokens + 1)
    counts = lengths.new_zeros(batch, tokens + 1).scatter_add_(1, lengths, torch.ones_like(lengths))
    greatest = counts[:, :tokens].amax(0)  # Shape: (tokens,)
    of_field = lattice.get("greatest")
    most: Sequence[int] = greatest.tolist() if of_field is None else of_field
    present = [length for length, number in enumerate(most) if number]
    # Index of each length among those present; 0 always is. Shape: (tokens + 1,)
    places = F.pad((greatest > 0).index_fill(0, lengths.new_zeros(1), True).cumsum(0) - 1, (0, 1))
    groups = [SpanGroup(0, 0, tokens)]
    if group_words:
        for length in present:
            groups.append(SpanGroup(length, groups[-1].end, groups[-1].end + most[length]))
        words = _grouped(lengths, counts, groups)
    else:
        words = torch.arange(heads.size(1), device=mask.device).expand(batch, -1)
    token = torch.arange(tokens, device=mask.device).expand(batch, -1)
    return SpanLayout(
        tokens,
        [0, *(length for length in present if length > 0)],
        torch.cat((torch.zeros_like(token), _chosen(places[lengths], words)), 1),
        torch.cat((token, _chosen(heads.masked_fill(~real, 0), words)), 1),
        torch.cat((mask, _chosen(real, words)), 1),
        words,
        groups,
    )


def _chosen(of_words: Tensor, words: Tensor) -> Tensor:
    """The values of each row at the indices `words`; 0 past its end. Shape of each: (batch, words)"""
    return F.pad(of_words, (0, 1)).gather(1, words)


def _grouped(lengths: Tensor, counts: Tensor, groups: Sequence[SpanGroup]) -> Tensor:
    """`SpanLayout.words`, from the words' lengths, (batch, words), and their counts, (batch, tokens + 1)."""
    tokens, (batch, number) = groups[0].end, lengths.shape
    places = groups[-1].end - tokens
    first = lengths.new_full((tokens + 1,), places)  # padding goes to one extra place
    for group in groups[1:]:
        first[group.length] = group.first - tokens
    ordered, order = lengths.sort(dim=1, stable=True)  # Shape of all below: (batch, words)
    rank = torch.arange(number, device=lengths.device) - (counts.cumsum(1) - counts).gather(1, ordered)
    place = (first[ordered] + rank).clamp_max(places)
    return lengths.new_full((batch, places + 1), number).scatter_(1, place, order)[:, :places]
