import ner_plugins  # noqa: F401  isort: skip  (AllenNLP imports on these libraries only after it)

import itertools

import pytest
import torch
from allennlp.common import Lazy
from hypothesis import given, settings
from hypothesis import strategies as st
from literal_global_pointer import INFINITE, gold_square, masked, published_loss, square_scores
from tensor_sizes import SizesMade
from torch.nn import functional as F

from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError
from ner_plugins.heads.band import span_mask
from ner_plugins.heads.global_pointer import EfficientGlobalPointerHead, GlobalPointerHead
from ner_plugins.modules.losses import BoundarySmoothingLoss, CrossEntropyLoss, MultiLabelLoss

HEADS = [GlobalPointerHead, EfficientGlobalPointerHead]
SIZES = st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 4), st.integers(1, 3))
# Of three sentences with 6, 3 and 1 tokens, an entity in another, and one of 5 tokens.
LENGTHS = torch.tensor([[6], [3], [1]])
ENTITIES = torch.tensor([[[1, 3, 1], [0, 3, 0], [1, 6, 2]], [[1, 2, 0], [2, 3, 0], [-1, -1, -1]], [[-1, -1, -1]] * 3])


def setup(kind, size=(3, 6, 4, 3), seed=0, **options):
    torch.manual_seed(seed)
    batch, length, dim, types = size
    head = kind(dim, list("abcdefgh"[:types]), **{"inner_dim": 4, **options}).double()
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter)
    return head, torch.randn(batch, length, dim, dtype=torch.float64, requires_grad=True)


def band_of(square, width):
    """The cells of a band in a square of shape (batch, types, length, length); zeros past the end."""
    length = square.size(-1)
    last = torch.arange(length).unsqueeze(1) + torch.arange(width)
    cells = F.pad(square, (0, width))[..., torch.arange(length).unsqueeze(1), last]
    return cells.permute(0, 2, 3, 1)  # Shape: (batch, length, width, types)


@pytest.mark.parametrize("kind", HEADS)
def test_scores_and_gradients_equal_the_literal_form(kind):
    @settings(max_examples=15, deadline=None)
    @given(SIZES, st.none() | st.integers(1, 8), st.booleans(), st.integers(0, 99))
    def check(size, width, rope, seed):
        head, encoded = setup(kind, size, seed, max_span_width=width, rope=rope)
        mask = torch.ones(encoded.shape[:2], dtype=torch.bool)
        band = head(encoded, mask)
        assert band.shape[1:] == (size[1], min(width or size[1], size[1]), size[3] + 1)
        assert band.isfinite().all() and not band[..., 0].any()
        cells = span_mask(mask, band.size(2))
        actual, expected = band[..., 1:][cells], band_of(square_scores(head, encoded), band.size(2))[cells]
        torch.testing.assert_close(actual, expected)
        weights, inputs = torch.randn_like(expected), [encoded, *head.parameters()]
        grads = [torch.autograd.grad((one * weights).sum(), inputs) for one in (actual, expected)]
        torch.testing.assert_close(*grads)

    check()


@pytest.mark.parametrize("width", [None, 4])
@pytest.mark.parametrize("kind", HEADS)
def test_loss_and_gradients_equal_the_published_code(kind, width):
    head, encoded = setup(kind, max_span_width=width)
    mask = torch.arange(6) < LENGTHS
    square = masked(square_scores(head, encoded), mask, width)
    expected = published_loss(square, gold_square(ENTITIES, square.shape, width))
    actual = head.loss(head(encoded, mask), ENTITIES, mask)
    torch.testing.assert_close(actual, expected)
    inputs = [encoded, *head.parameters()]
    torch.testing.assert_close(torch.autograd.grad(actual, inputs), torch.autograd.grad(expected, inputs))
    loss, number = head.weighted_loss(head(encoded, mask), ENTITIES, mask)
    torch.testing.assert_close(loss, expected)
    assert number == 3


@pytest.mark.parametrize("kind", HEADS)
def test_a_span_is_found_where_the_published_code_finds_it(kind):
    """With spans of one token, which never overlap; of several types on one token the best."""
    head, encoded = setup(kind, (3, 6, 4, 2), 1, max_span_width=1, decoding="nested")
    mask = torch.arange(6) < LENGTHS
    square = masked(square_scores(head, encoded), mask, 1)
    best = square.amax(1)
    expected = [(b, i, int(square[b, :, i, i].argmax())) for b, i, j in (best > 0).nonzero().tolist() if i == j]
    assert 0 < len(expected) < 10
    scores = head(encoded, mask)
    spans = head.decode(scores, mask)
    assert list(zip(spans.sentence.tolist(), spans.start.tolist(), spans.type.tolist(), strict=True)) == expected
    of_best = torch.stack([best[b, i, i] for b, i, _ in expected])
    torch.testing.assert_close(spans.score, of_best)
    torch.testing.assert_close(spans.probability, of_best.sigmoid())
    assert len(head.decode(scores, mask, torch.full((2,), 0.5))) == len(expected)  # 0.5 is where s > 0
    limit = of_best.sigmoid().median()
    likely = head.decode(scores, mask, limit.expand(2))
    torch.testing.assert_close(likely.probability, spans.probability[spans.probability >= limit])


def test_with_a_loss_over_classes_probabilities_are_its_softmax():
    head, encoded = setup(EfficientGlobalPointerHead, loss=CrossEntropyLoss())
    mask = torch.arange(6) < LENGTHS
    scores = head(encoded, mask)
    spans = head.decode(scores, mask)
    cells = scores[spans.sentence, spans.start, spans.end - spans.start - 1].softmax(-1)
    torch.testing.assert_close(spans.probability, cells.amax(-1))


@pytest.mark.parametrize("kind", HEADS)
def test_padding_and_batch_change_nothing(kind):
    head, encoded = setup(kind, (2, 7, 4, 3), 3, max_span_width=4)
    mask = torch.arange(11) < torch.tensor([[7], [4]])
    padded = F.pad(encoded, (0, 0, 0, 4), value=9.0)
    padded[1, 4:] = -5.0
    together = head(padded, mask)
    for b, length in enumerate((7, 4)):
        alone = head(encoded[b : b + 1, :length], torch.ones(1, length, dtype=torch.bool))
        cells = span_mask(mask[b : b + 1, :length], 4)
        torch.testing.assert_close(together[b : b + 1, :length][cells], alone[cells])
    entities = torch.tensor([[[1, 3, 1]], [[0, 2, 0]]])
    kept = head.loss(together, entities, mask)
    other = padded.clone()
    other[1, 4:] = 100.0
    torch.testing.assert_close(head.loss(head(other, mask), entities, mask), kept)


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast(kind, dtype):
    torch.manual_seed(0)
    head = kind(16, list("abcd"), 8)
    encoded, mask = torch.randn(2, 9, 16), torch.arange(9) < torch.tensor([[9], [5]])
    entities = torch.tensor([[[0, 2, 1]], [[1, 4, 3]]])
    exact = torch.autograd.grad(head.loss(head(encoded, mask), entities, mask), list(head.parameters()))
    with torch.autocast("cpu", dtype):
        scores = head(encoded, mask)
        value = head.loss(scores, entities, mask)
    assert scores.dtype == dtype and value.dtype == torch.float32
    for low, full in zip(torch.autograd.grad(value, list(head.parameters())), exact, strict=True):
        assert low.dtype == torch.float32
        torch.testing.assert_close(low, full, rtol=0.1, atol=0.03)


@pytest.mark.parametrize("kind", HEADS)
def test_the_greatest_scores_of_float16_give_finite_gradients(kind):
    """Where the published masks and sums are infinite."""
    assert torch.tensor(INFINITE).half().isinf()
    head, _ = setup(kind)
    mask = torch.arange(6) < LENGTHS
    for size in (-60000.0, 60000.0):
        scores = torch.full((3, 6, 6, 4), size, dtype=torch.float16, requires_grad=True)
        loss = head.loss(scores * torch.tensor([0.0, 1.0, 1.0, 1.0]).half(), ENTITIES, mask)
        (gradient,) = torch.autograd.grad(loss, scores)
        assert loss.dtype == torch.float32 and loss.isfinite() and gradient.isfinite().all()


@pytest.mark.parametrize("kind, products", [(GlobalPointerHead, 8), (EfficientGlobalPointerHead, 1)])
def test_no_tensor_holds_all_pairs(kind, products):
    head, encoded = kind(16, list("abcdefgh"), 8, max_span_width=10), torch.zeros(1, 500, 16)
    mask, entities = torch.ones(1, 500, dtype=torch.bool), torch.tensor([[[0, 2, 1]]])
    with torch.no_grad(), SizesMade() as made:
        head.loss(head(encoded, mask), entities, mask)
    # A band is 500 × 10 × 9; its blocks of products add the columns that their rows do not share. All pairs: 2,000,000.
    assert max(made.sizes) <= max(500 * 10 * 9, 512 * (32 + 9) * products)


def test_all_types_share_most_of_the_parameters():
    few, many = (EfficientGlobalPointerHead(32, [str(t) for t in range(n)], 16) for n in (1, 101))
    sizes = [sum(one.numel() for one in head.parameters()) for head in (few, many)]
    assert sizes[1] - sizes[0] == 100 * 2 * (2 * 16 + 1)
    assert many.projection.weight.shape == (32, 32)
    assert GlobalPointerHead(32, list("abc"), 16).projection.weight.shape == (3 * 2 * 16, 32)


@pytest.mark.parametrize("kind", HEADS)
def test_it_learns_entities_within_entities(kind):
    torch.manual_seed(1)
    head = kind(8, ["a", "b"], 8, decoding="nested")
    encoded, mask = torch.randn(2, 7, 8), torch.arange(7) < torch.tensor([[7], [3]])
    entities = torch.tensor([[[0, 5, 0], [1, 3, 1], [5, 6, 1]], [[0, 1, 0], [-1] * 3, [-1] * 3]])
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        head.loss(head(encoded, mask), entities, mask).backward()
        optimizer.step()
    found = head.decode(head(encoded, mask), mask).to_entities(2)
    assert [row[:3] for row in found[0]] == [(0, 5, 0), (1, 3, 1), (5, 6, 1)]
    assert [row[:3] for row in found[1]] == [(0, 1, 0)]
    assert min(row[3] for rows in found for row in rows) > 0.8
    head.decoding = "flat_optimal"
    flat = head.decode(head(encoded, mask), mask).to_entities(2)
    assert all(one[1] <= other[0] for rows in flat for one, other in itertools.pairwise(rows))


def test_reachable():
    head = EfficientGlobalPointerHead(4, ["a", "b"], max_span_width=5)
    wide, outer, inner, same = Entity(0, 6, "a"), Entity(1, 6, "a"), Entity(2, 4, "b"), Entity(2, 4, "a")
    gold = [wide, outer, inner, same, Entity(7, 8, "b")]
    assert head.reachable(gold) == [outer, Entity(7, 8, "b")]
    head.decoding = "nested"
    assert {(e.start, e.end) for e in head.reachable(gold)} == {(1, 6), (2, 4), (7, 8)}


def test_boundary_smoothing_of_the_default_loss_keeps_its_probabilities():
    head = EfficientGlobalPointerHead(4, ["a"], loss=BoundarySmoothingLoss(loss=Lazy(MultiLabelLoss)))
    assert head.span_loss.independent_types
    assert not GlobalPointerHead(4, ["a"], loss=BoundarySmoothingLoss()).span_loss.independent_types


@pytest.mark.parametrize("inner_dim", [0, -2, 7])
@pytest.mark.parametrize("kind", HEADS)
def test_sizes_that_cannot_be_are_named(kind, inner_dim):
    with pytest.raises(ConfigError, match=f"inner_dim must be an even number, at least 2, got {inner_dim}"):
        kind(4, ["a", "b"], inner_dim)
