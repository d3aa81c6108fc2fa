import math
from typing import Any

import pytest
import torch
from generated_lattices import Batch, batch_of, batches
from hypothesis import given, settings
from hypothesis import strategies as st
from tensor_sizes import SizesMade
from torch import Tensor
from torch.autograd import gradcheck

from ner_plugins.modules.lattice.attention import Pairs, relative_attention
from ner_plugins.modules.lattice.layout import SpanLayout, lay_out

HEADS, DIM = 2, 3


def pairs_of(layout: SpanLayout, of_tokens: bool) -> Pairs:
    heads = None if of_tokens else layout.heads
    return Pairs(layout.tokens, layout.kinds, layout.heads, layout.mask, heads)


def tensors_of(layout: SpanLayout, of_tokens: bool, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    torch.manual_seed(layout.heads.numel())
    batch, spans = layout.heads.shape
    queries = layout.tokens if of_tokens else spans
    shapes = [
        *[(HEADS, batch, queries, DIM)] * 2,
        *[(HEADS, batch, spans, DIM)] * 2,
        (HEADS, DIM, len(layout.lengths), 2 * layout.tokens - 1),
    ]
    return [torch.randn(shape).to(dtype).requires_grad_() for shape in shapes]


def by_pair(tensors: list[Tensor], pairs: Pairs) -> Tensor:
    """The definition."""
    a, b, keys, values, positions = tensors
    batch, queries = a.shape[1:3]
    heads = pairs.query_heads
    if heads is None:
        heads = torch.arange(queries).expand(batch, -1)
    distance = pairs.key_heads.unsqueeze(1) - heads.unsqueeze(2) + pairs.tokens - 1
    # Shape: (heads, dim, batch, queries, keys)
    of_pairs = positions[:, :, pairs.key_kinds.unsqueeze(1).expand_as(distance), distance]
    scores = torch.einsum("hbid,hbjd->hbij", a, keys) + torch.einsum("hbid,hdbij->hbij", b, of_pairs)
    return scores.masked_fill(~pairs.key_mask[:, None], -math.inf).softmax(-1) @ values


@settings(deadline=None)
@given(batches(), st.booleans(), st.sampled_from([None, 1, 2, 5]))
def test_it_is_what_is_defined_by_pairs(batch: Batch, of_tokens: bool, block_size: Any) -> None:
    layout = lay_out(*batch, group_words=False)
    tensors, pairs = tensors_of(layout, of_tokens), pairs_of(layout, of_tokens)
    expected, attended = by_pair(tensors, pairs), relative_attention(*tensors, pairs, block_size=block_size)
    torch.testing.assert_close(attended, expected)
    weight = torch.randn_like(expected)
    for found, right in zip(
        torch.autograd.grad(attended, tensors, weight), torch.autograd.grad(expected, tensors, weight), strict=True
    ):
        torch.testing.assert_close(found, right)


@pytest.mark.parametrize("of_tokens", [True, False])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_gradients(of_tokens: bool, dropout: float) -> None:
    layout = lay_out(*batch_of([4, 2], [[(0, 1), (1, 3), (1, 3)], [(0, 1)]]), group_words=False)
    pairs = pairs_of(layout, of_tokens)

    def attend(*tensors: Tensor) -> Tensor:
        torch.manual_seed(3)
        return relative_attention(*tensors, pairs, dropout=dropout, block_size=3)

    assert gradcheck(attend, tensors_of(layout, of_tokens))


def test_dropout_keeps_the_expectation_and_takes_other_weights_each_time() -> None:
    layout = lay_out(*batch_of([6], [[(0, 1), (2, 5)]]), group_words=False)
    tensors, pairs = tensors_of(layout, True), pairs_of(layout, True)
    torch.manual_seed(0)
    with torch.no_grad():
        drawn = torch.stack([relative_attention(*tensors, pairs, dropout=0.3, block_size=2) for _ in range(4000)])
        expected = relative_attention(*tensors, pairs)
    assert len(drawn[:, 0, 0, 0, 0].unique()) > 50
    torch.testing.assert_close(drawn.mean(0), expected, rtol=0, atol=0.12)


def test_a_query_without_keys_gives_zero_and_no_gradient() -> None:
    layout = lay_out(*batch_of([3, 0], [[(0, 1)], []]), group_words=False)
    tensors, pairs = tensors_of(layout, True), pairs_of(layout, True)
    attended = relative_attention(*tensors, pairs, block_size=2)
    assert not attended[:, 1].any()
    attended.sum().backward()
    for tensor in tensors:
        assert tensor.grad.isfinite().all()
    assert all(not tensor.grad[:, 1].any() for tensor in tensors[:4])


def test_low_precision_sums_in_float32() -> None:
    layout = lay_out(*batch_of([40, 33], [[(i, i + 1) for i in range(30)]] * 2), group_words=False)
    pairs = pairs_of(layout, True)
    found = tensors_of(layout, True, torch.bfloat16)
    expected = [tensor.detach().double().requires_grad_() for tensor in found]
    attended, right = relative_attention(*found, pairs, block_size=4), by_pair(expected, pairs)
    assert attended.dtype == torch.bfloat16
    torch.testing.assert_close(attended.double(), right, rtol=0.05, atol=0.05)
    attended.backward(torch.ones_like(attended))
    right.backward(torch.ones_like(right))
    for tensor, other in zip(found, expected, strict=True):
        torch.testing.assert_close(tensor.grad.double(), other.grad, rtol=0.1, atol=0.2)


def test_nothing_grows_with_the_square_of_the_length() -> None:
    """At twice the length a block has half the queries, forward and backward."""
    largest = []
    for length in (200, 400, 800):
        layout = lay_out(*batch_of([length], [[(i, i + 1 + i % 3) for i in range(length - 4)]]), group_words=False)
        tensors, pairs = tensors_of(layout, True, torch.float32), pairs_of(layout, True)
        with SizesMade() as made:
            relative_attention(*tensors, pairs, block_size=12800 // length).sum().backward()
        largest.append(max(made.sizes))
    assert largest[2] < 1.2 * largest[0]
    assert largest[2] < HEADS * 800 * 1596 / 10  # all of the scores
