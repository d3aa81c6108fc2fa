"""Attention among spans by content and relative position, in memory linear in the length of the text."""

import math
from typing import Any, Iterator, NamedTuple, Optional

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# What a block of queries may take, in bytes: on a CPU about what its caches hold, elsewhere enough to keep it busy.
_BLOCK_BYTES = {"cpu": 8 * 2**20}
_OTHER_BLOCK_BYTES = 128 * 2**20


class Pairs(NamedTuple):
    """
    How queries stand to keys, which are spans of one text: the score of a pair is looked up in column
    `kind * (2 * tokens - 1) + head_j - head_i + tokens - 1` of the query's row of positional scores.

    # Parameters

    tokens : `int`
        Tokens of the longest text.
    key_kinds, key_heads : `torch.LongTensor`
        The kind of each key's length and its first token. Shape of each: (batch, keys)
    key_mask : `torch.BoolTensor`
        Which keys there are. Shape: (batch, keys)
    query_heads : `Optional[torch.LongTensor]`
        The first token of each query; `None` where the queries are the tokens. Shape: (batch, queries)
    """

    tokens: int
    key_kinds: Tensor
    key_heads: Tensor
    key_mask: Tensor
    query_heads: Optional[Tensor] = None


def relative_attention(
    content_queries: Tensor,
    position_queries: Tensor,
    keys: Tensor,
    values: Tensor,
    positions: Tensor,
    pairs: Pairs,
    dropout: float = 0.0,
    block_size: Optional[int] = None,
) -> Tensor:
    """
    `softmax_j(a_iᵀ k_j + b_iᵀ P_ij) v_j`, where P_ij is a row of a table that the two spans' kinds and distance name.

    A row of positional scores against all of the table costs no more than a few times the scores of contents, and the
    score of a pair is one number of it: no vector is made for a pair. Queries are taken in blocks, which are computed
    again in the backward pass. A query without any key gives 0.

    # Parameters

    content_queries, position_queries : `torch.Tensor`
        a and b. Shape: (heads, batch, queries, dim)
    keys, values : `torch.Tensor`
        Shape: (heads, batch, keys, dim)
    positions : `torch.Tensor`
        P by the key's kind and by head_j - head_i + tokens - 1. Shape: (heads, dim, kinds, 2 * tokens - 1)
    pairs : `Pairs`
        Which row of P is whose.
    dropout : `float`, optional (default = `0.0`)
        Of attention's weights.
    block_size : `Optional[int]`, optional (default = `None`)
        Queries of a sentence in a block; by default as many as fit into some megabytes.

    # Returns

    `torch.Tensor`
        Shape: (heads, batch, queries, dim)
    """
    given = (content_queries, position_queries, keys, values, positions)
    # Values come from a linear layer, and so in autocast's type.
    tensors = [tensor.to(values.dtype).contiguous() for tensor in given]
    size = block_size or _block_size(content_queries, positions, pairs)
    attended: Tensor = _RelativeAttention.apply(*tensors, pairs, dropout, size)  # type: ignore[no-untyped-call]
    return attended


def _block_size(queries: Tensor, positions: Tensor, pairs: Pairs) -> int:
    heads, batch, _, _ = queries.shape
    columns = positions[0, 0].numel() * (1 if pairs.query_heads is not None else 0.5) + 2 * pairs.key_heads.size(1)
    row = heads * batch * columns * queries.element_size()
    return max(1, int(_BLOCK_BYTES.get(queries.device.type, _OTHER_BLOCK_BYTES) / row))


class _Block(NamedTuple):
    """Some queries of every sentence, the columns of the table that they need, and each pair's among these."""

    queries: slice
    columns: slice
    places: Tensor  # Shape: (batch, queries, keys)


def _blocks(queries: int, pairs: Pairs, size: int) -> Iterator[_Block]:
    for first in range(0, queries, size):
        end = min(first + size, queries)
        if pairs.query_heads is None:
            heads = torch.arange(first, end, device=pairs.key_heads.device).unsqueeze(0)
            columns = slice(pairs.tokens - end, 2 * pairs.tokens - 1 - first)  # the rest is too far off for them
        else:
            heads = pairs.query_heads[:, first:end]
            columns = slice(0, 2 * pairs.tokens - 1)
        width = columns.stop - columns.start
        of_keys = pairs.key_kinds * width + pairs.key_heads + (pairs.tokens - 1 - columns.start)
        yield _Block(slice(first, end), columns, of_keys.unsqueeze(1) - heads.unsqueeze(2))


class _Tensors(NamedTuple):
    """What `relative_attention` is given, or the gradients of it."""

    content_queries: Tensor
    position_queries: Tensor
    keys: Tensor
    values: Tensor
    positions: Tensor

    def table(self, columns: slice) -> Tensor:
        """Columns of every kind of P. Shape: (heads, dim, kinds * columns)."""
        return self.positions[..., columns].flatten(2)

    def scores(self, block: _Block, mask: Tensor, exact: torch.dtype) -> Tensor:
        """-inf where there is no key. Shape: (heads, batch, queries, keys)."""
        queries = self.position_queries[:, :, block.queries]
        by_position = queries.flatten(1, 2) @ self.table(block.columns)  # Shape: (heads, batch * queries, columns)
        by_position = by_position.view(*queries.shape[:3], -1)
        scores = by_position.gather(3, block.places.expand(len(queries), -1, -1, -1))
        _add_product(scores, self.content_queries[:, :, block.queries], self.keys.mT)
        return scores.to(exact).masked_fill_(~mask[:, None], -math.inf)

    def add_gradients(self, totals: "_Tensors", block: _Block, of_scores: Tensor) -> None:
        """The gradients of all but the values, from that of a block's scores, (heads, batch, queries, keys)."""
        content, queries = self.content_queries[:, :, block.queries], self.position_queries[:, :, block.queries]
        _add_product(totals.content_queries[:, :, block.queries], of_scores, self.keys)
        _add_product(totals.keys, of_scores.mT, content)
        table = self.table(block.columns)
        of_positions = of_scores.new_zeros(*queries.shape[:3], table.size(2))
        of_positions.scatter_add_(3, block.places.expand(len(queries), -1, -1, -1), of_scores)
        of_positions = of_positions.flatten(1, 2)  # Shape: (heads, batch * queries, columns)
        of_table = queries.flatten(1, 2).mT @ of_positions
        of_positions_in_block = totals.positions[..., block.columns]
        of_positions_in_block += of_table.view_as(of_positions_in_block)
        totals.position_queries[:, :, block.queries] = (of_positions @ table.mT).view_as(queries)


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """Add left @ right to `total`, all of them of shape (heads, batch, …, …)."""
    if total.dtype == left.dtype:
        total.view(-1, *total.shape[2:]).baddbmm_(left.flatten(0, 1), right.flatten(0, 1))
    else:
        total += left @ right


class _Dropout:
    """The same choices of weights in the backward pass as in the forward one, which need not be kept for it."""

    def __init__(self, probability: float, seed: int, device: torch.device) -> None:
        self._kept = 1.0 - probability
        self._generator = torch.Generator(device).manual_seed(seed)

    def factors(self, weights: Tensor) -> Tensor:
        """0, or what keeps the expectation. Shape: that of `weights`."""
        return torch.empty_like(weights).bernoulli_(self._kept, generator=self._generator).div_(self._kept)


class _RelativeAttention(torch.autograd.Function):
    """`relative_attention` with its gradient."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        *inputs, pairs, dropout, size = arguments
        tensors = _Tensors(*inputs)
        ctx.pairs, ctx.dropout, ctx.size = pairs, dropout, size
        ctx.seed = int(torch.randint(2**62, ())) if dropout else 0
        drop = _Dropout(dropout, ctx.seed, tensors.keys.device) if dropout else None
        exact = torch.promote_types(tensors.keys.dtype, torch.float32)
        attended = torch.empty_like(tensors.content_queries)
        # Logarithms of the softmaxes' denominators, by which they are computed again. Shape: (heads, batch, queries, 1)
        normalisers = attended.new_empty((*attended.shape[:3], 1), dtype=exact)
        for block in _blocks(attended.size(2), pairs, size):
            scores = tensors.scores(block, pairs.key_mask, exact)
            most = scores.amax(3, keepdim=True).clamp_min_(torch.finfo(exact).min)  # there may be no key
            weights = scores.sub_(most).exp_()
            total = weights.sum(3, keepdim=True).clamp_min_(1.0)
            normalisers[:, :, block.queries] = most + total.log()
            if drop is not None:
                weights *= drop.factors(weights)
            attended[:, :, block.queries] = (weights.to(attended.dtype) @ tensors.values) / total
        ctx.save_for_backward(*tensors, attended, normalisers)
        return attended

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Optional[Tensor], ...]:
        *inputs, attended, normalisers = ctx.saved_tensors
        tensors, exact, dtype = _Tensors(*inputs), normalisers.dtype, attended.dtype
        drop = _Dropout(ctx.dropout, ctx.seed, attended.device) if ctx.dropout else None
        # Sums over blocks: in float32 at least.
        totals = _Tensors(*(torch.zeros_like(tensor, dtype=exact) for tensor in tensors))
        # What the gradients of all of a query's scores have in common. Shape: (heads, batch, queries, 1)
        common = (gradient * attended).sum(3, keepdim=True, dtype=exact)
        for block in _blocks(gradient.size(2), ctx.pairs, ctx.size):
            weights = tensors.scores(block, ctx.pairs.key_mask, exact).sub_(normalisers[:, :, block.queries]).exp_()
            of_attended = gradient[:, :, block.queries]
            of_weights = (of_attended @ tensors.values.mT).to(exact)
            if drop is None:
                _add_product(totals.values, weights.to(dtype).mT, of_attended)
            else:
                factors = drop.factors(weights)
                _add_product(totals.values, (weights * factors).to(dtype).mT, of_attended)
                of_weights *= factors
            of_scores = of_weights.sub_(common[:, :, block.queries]).mul_(weights)
            tensors.add_gradients(totals, block, of_scores.to(dtype))
        return (*(total.to(tensor.dtype) for total, tensor in zip(totals, tensors, strict=True)), None, None, None)
