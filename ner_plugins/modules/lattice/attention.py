"""Attention among spans by content and relative position, with memory linear in the length of the text."""

import math
from typing import Any, Iterator, NamedTuple, Optional

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Memory of a block of queries: about the size of a CPU's caches; elsewhere enough to keep the device busy.
_BLOCK_BYTES = {"cpu": 8 * 2**20}
_OTHER_BLOCK_BYTES = 128 * 2**20


class Pairs(NamedTuple):
    """
    The relative positions of queries i and keys j, spans of one text. The positional score of a pair is in column
    `kind * (2 * tokens - 1) + head_j - head_i + tokens - 1` of the query's row of positional scores.

    # Parameters

    tokens : `int`
        Tokens of the longest text.
    key_kinds, key_heads : `torch.LongTensor`
        The kind of each key's length, and its first token. Shape of each: (batch, keys)
    key_mask : `torch.BoolTensor`
        Which keys are real. Shape: (batch, keys)
    query_heads : `Optional[torch.LongTensor]`, optional (default=`None`)
        The first token of each query; `None` if the queries are the tokens. Shape: (batch, queries)
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
    `sum_j softmax_j(a_iᵀ k_j + b_iᵀ P_ij) v_j`, with P_ij from a table, by the kinds and the distance of the two spans.

    Each query is multiplied with the whole table, which costs at most a few times the content scores; the positional
    scores of its pairs are gathered from the result, so no pair needs a vector of its own. Queries are processed in
    blocks, which the backward pass computes again. A query without keys gives 0.

    # Parameters

    content_queries, position_queries : `torch.Tensor`
        a and b. Shape: (heads, batch, queries, dim)
    keys, values : `torch.Tensor`
        Shape: (heads, batch, keys, dim)
    positions : `torch.Tensor`
        P by the key's kind and by head_j - head_i + tokens - 1. Shape: (heads, dim, kinds, 2 * tokens - 1)
    pairs : `Pairs`
        Selects the row of P for each pair.
    dropout : `float`, optional (default=`0.0`)
        Dropout of the attention weights.
    block_size : `Optional[int]`, optional (default=`None`)
        Queries per sentence in a block; by default as many as fit in a few megabytes.

    # Returns

    `torch.Tensor`
        Shape: (heads, batch, queries, dim)
    """
    given = (content_queries, position_queries, keys, values, positions)
    # Values come from a linear layer, so they have autocast's type.
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
    """A range of queries, the columns of the table that they need, and the column of each pair among these."""

    queries: slice
    columns: slice
    places: Tensor  # Shape: (batch, queries, keys)


def _blocks(queries: int, pairs: Pairs, size: int) -> Iterator[_Block]:
    for first in range(0, queries, size):
        end = min(first + size, queries)
        if pairs.query_heads is None:
            heads = torch.arange(first, end, device=pairs.key_heads.device).unsqueeze(0)
            columns = slice(pairs.tokens - end, 2 * pairs.tokens - 1 - first)  # other distances cannot occur
        else:
            heads = pairs.query_heads[:, first:end]
            columns = slice(0, 2 * pairs.tokens - 1)
        width = columns.stop - columns.start
        of_keys = pairs.key_kinds * width + pairs.key_heads + (pairs.tokens - 1 - columns.start)  # Shape: (batch, keys)
        yield _Block(slice(first, end), columns, of_keys.unsqueeze(1) - heads.unsqueeze(2))


class _Tensors(NamedTuple):
    """The tensors that `relative_attention` takes, or their gradients."""

    content_queries: Tensor
    position_queries: Tensor
    keys: Tensor
    values: Tensor
    positions: Tensor

    def table(self, columns: slice) -> Tensor:
        """The columns of every kind of P. Shape: (heads, dim, kinds * columns)"""
        return self.positions[..., columns].flatten(2)

    def scores(self, block: _Block, mask: Tensor, exact: torch.dtype) -> Tensor:
        """The scores of a block; -inf for keys outside the mask. Shape: (heads, batch, queries, keys)"""
        queries = self.position_queries[:, :, block.queries]  # Shape: (heads, batch, queries, dim)
        by_position = queries.flatten(1, 2) @ self.table(block.columns)  # Shape: (heads, batch * queries, columns)
        by_position = by_position.view(*queries.shape[:3], -1)
        scores = by_position.gather(3, block.places.expand(len(queries), -1, -1, -1))
        _add_product(scores, self.content_queries[:, :, block.queries], self.keys.mT)
        return scores.to(exact).masked_fill_(~mask[:, None], -math.inf)

    def add_gradients(self, totals: "_Tensors", block: _Block, of_scores: Tensor) -> None:
        """
        Add the gradients of all tensors but the values to `totals`, from those of a block's scores, of shape
        (heads, batch, queries, keys).
        """
        content, queries = self.content_queries[:, :, block.queries], self.position_queries[:, :, block.queries]
        _add_product(totals.content_queries[:, :, block.queries], of_scores, self.keys)
        _add_product(totals.keys, of_scores.mT, content)
        table = self.table(block.columns)
        of_positions = of_scores.new_zeros(*queries.shape[:3], table.size(2))  # Shape: (heads, batch, queries, columns)
        of_positions.scatter_add_(3, block.places.expand(len(queries), -1, -1, -1), of_scores)
        of_positions = of_positions.flatten(1, 2)  # Shape: (heads, batch * queries, columns)
        of_table = queries.flatten(1, 2).mT @ of_positions  # Shape: (heads, dim, columns)
        of_positions_in_block = totals.positions[..., block.columns]
        of_positions_in_block += of_table.view_as(of_positions_in_block)
        totals.position_queries[:, :, block.queries] = (of_positions @ table.mT).view_as(queries)


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """total += left @ right, all of shape (heads, batch, …, …)."""
    if total.dtype == left.dtype:
        total.view(-1, *total.shape[2:]).baddbmm_(left.flatten(0, 1), right.flatten(0, 1))
    else:
        total += left @ right


class _Dropout:
    """Dropout with a seed: the backward pass draws the same factors again instead of storing them."""

    def __init__(self, probability: float, seed: int, device: torch.device) -> None:
        self._kept = 1.0 - probability
        self._generator = torch.Generator(device).manual_seed(seed)

    def factors(self, weights: Tensor) -> Tensor:
        """0 for dropped weights, 1 / (1 - probability) for the others. Shape: that of `weights`"""
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
        # Logarithms of the softmaxes' denominators, for the backward pass. Shape: (heads, batch, queries, 1)
        normalisers = attended.new_empty((*attended.shape[:3], 1), dtype=exact)
        for block in _blocks(attended.size(2), pairs, size):
            scores = tensors.scores(block, pairs.key_mask, exact)
            most = scores.amax(3, keepdim=True).clamp_min_(torch.finfo(exact).min)  # -inf without keys
            weights = scores.sub_(most).exp_()  # Shape: (heads, batch, queries, keys)
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
        # Sums over blocks, in float32 or float64.
        totals = _Tensors(*(torch.zeros_like(tensor, dtype=exact) for tensor in tensors))
        # The softmax's sum_j weight_j * gradient_j of each query. Shape: (heads, batch, queries, 1)
        common = (gradient * attended).sum(3, keepdim=True, dtype=exact)
        for block in _blocks(gradient.size(2), ctx.pairs, ctx.size):
            weights = tensors.scores(block, ctx.pairs.key_mask, exact).sub_(normalisers[:, :, block.queries]).exp_()
            of_attended = gradient[:, :, block.queries]  # Shape: (heads, batch, queries, dim)
            of_weights = (of_attended @ tensors.values.mT).to(exact)  # Shape: (heads, batch, queries, keys)
            if drop is None:
                _add_product(totals.values, weights.to(dtype).mT, of_attended)
            else:
                factors = drop.factors(weights)
                _add_product(totals.values, (weights * factors).to(dtype).mT, of_attended)
                of_weights *= factors
            of_scores = of_weights.sub_(common[:, :, block.queries]).mul_(weights)
            tensors.add_gradients(totals, block, of_scores.to(dtype))
        return (*(total.to(tensor.dtype) for total, tensor in zip(totals, tensors, strict=True)), None, None, None)
