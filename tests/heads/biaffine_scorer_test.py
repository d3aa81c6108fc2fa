from typing import Optional

import pytest
import torch
from allennlp.common import Params
from hypothesis import given, settings
from hypothesis import strategies as st
from tensor_sizes import SizesMade
from torch.nn import functional as F

from ner_plugins.errors import ConfigError
from ner_plugins.heads.band import span_mask
from ner_plugins.heads.biaffine_scorer import BiaffineSpanScorer
from ner_plugins.heads.projection import SpanProjection
from ner_plugins.heads.span_scorer import SpanScorer

sizes = st.tuples(st.integers(1, 3), st.integers(1, 75), st.integers(1, 5), st.integers(2, 4))
widths = st.none() | st.integers(1, 80)


def explicit_square(weight: torch.Tensor, starts: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    """[S_i; 1]ᵀ W_c [E_j; 1] for all i, j. Shape: (batch, length, length, classes)"""
    starts, ends = F.pad(starts, (0, 1), value=1.0), F.pad(ends, (0, 1), value=1.0)
    return torch.einsum("bid,cde,bje->bijc", starts, weight, ends)


def band_of(square: torch.Tensor, width: int) -> torch.Tensor:
    """The cells [i, i + w] of a square, zero past the end. Shape: (batch, length, width, classes)"""
    batch, length, _, classes = square.shape
    band = square.new_zeros(batch, length, width, classes)
    for i in range(length):
        reach = min(width, length - i)
        band[:, i, :reach] = square[:, i, i : i + reach]
    return band


def random_scorer(dim: int, classes: int, width: Optional[int]) -> BiaffineSpanScorer:
    scorer = BiaffineSpanScorer(dim, classes, width).double()
    torch.nn.init.normal_(scorer.weight)
    return scorer


@settings(max_examples=40, deadline=None)
@given(sizes, widths, st.integers(0, 99))
def test_band_and_its_gradients_equal_the_explicit_form(size, width, seed):
    torch.manual_seed(seed)
    batch, length, dim, classes = size
    scorer = random_scorer(dim, classes, width)
    starts, ends = torch.randn(2, batch, length, dim, dtype=torch.float64).unbind(0)
    starts.requires_grad_(), ends.requires_grad_()
    band = scorer(starts, ends)
    assert band.shape == (batch, length, scorer.band_width(length), classes)
    assert band.isfinite().all()
    expected = band_of(explicit_square(scorer.weight, starts, ends), band.size(2))
    valid = span_mask(torch.ones(batch, length, dtype=torch.bool), band.size(2))
    torch.testing.assert_close(band[valid], expected[valid])

    cotangent = torch.randn_like(band[valid])
    leaves = (starts, ends, scorer.weight)
    actual_grads = torch.autograd.grad(band[valid], leaves, cotangent)
    expected_grads = torch.autograd.grad(expected[valid], leaves, cotangent)
    for actual, explicit in zip(actual_grads, expected_grads, strict=True):
        torch.testing.assert_close(actual, explicit)


def test_published_size_equals_the_explicit_form():
    torch.manual_seed(1)
    scorer = random_scorer(150, 11, None)
    starts, ends = torch.randn(2, 2, 40, 150, dtype=torch.float64).unbind(0)
    assert scorer.weight.shape == (11, 151, 151)
    expected = explicit_square(scorer.weight, starts, ends)
    valid = span_mask(torch.ones(2, 40, dtype=torch.bool), 40)
    torch.testing.assert_close(scorer(starts, ends)[valid], band_of(expected, 40)[valid])


@pytest.mark.parametrize("width", [None, 3])
def test_gradcheck(width):
    torch.manual_seed(2)
    scorer = random_scorer(2, 2, width)
    starts, ends = torch.randn(2, 2, 5, 2, dtype=torch.float64).unbind(0)
    # Cells past the end take part: their values mean nothing, but their gradients must be those of their values.
    inputs = (starts.clone().requires_grad_(), ends.clone().requires_grad_())
    assert torch.autograd.gradcheck(scorer, inputs)


def test_zero_init_gives_uniform_logits_and_xavier_does_not():
    starts, ends = torch.randn(2, 2, 6, 4).unbind(0)
    assert (BiaffineSpanScorer(4, 3)(starts, ends) == 0).all()
    scorer = BiaffineSpanScorer(4, 3, init="xavier")
    assert scorer(starts, ends).std() > 0.1
    assert (scorer.weight[:, -1] == 0).all() and (scorer.weight[:, :, -1] == 0).all()


def test_orthogonal_init_gives_orthonormal_classes():
    weight = BiaffineSpanScorer(4, 3, init="orthogonal").weight.detach()
    matrices = weight[:, :4, :4].flatten(1)  # Shape: (classes, 4 * 4)
    linear = torch.cat([weight[:, :4, 4], weight[:, 4, :4]], 1)  # Shape: (classes, 4 + 4)
    for rows in (matrices, linear):
        torch.testing.assert_close(rows @ rows.T, torch.eye(3))
    assert (weight[:, 4, 4] == 0).all()


@settings(max_examples=20, deadline=None)
@given(st.floats(1e-6, 1 - 1e-6), st.integers(2, 6), st.sampled_from(["biaffine", "pair_ffn"]))
def test_prior_is_the_first_probability_of_an_entity(prior, classes, name):
    scorer = SpanScorer.by_name(name)(4, classes, prior=prior)
    band = scorer(*torch.randn(2, 2, 6, 4).unbind(0))[span_mask(torch.ones(2, 6, dtype=torch.bool), 6)]
    probabilities = band.softmax(-1)  # Shape: (spans, classes)
    torch.testing.assert_close(1 - probabilities[:, 0], torch.full((len(band),), prior), rtol=1e-4, atol=1e-6)
    assert (probabilities[:, 1:] == probabilities[:, 1:2]).all()


@pytest.mark.parametrize("prior", [0.0, 1.0, -0.1])
def test_a_prior_that_is_no_probability_is_refused(prior):
    with pytest.raises(ConfigError, match=f"prior must be between 0 and 1, got {prior}"):
        BiaffineSpanScorer(4, 3, prior=prior)


def test_zero_initialised_scorer_receives_gradient():
    scorer = BiaffineSpanScorer(4, 3, 2)
    scorer(*torch.randn(2, 2, 6, 4).unbind(0))[..., 1].sum().backward()
    assert scorer.weight.grad is not None and (scorer.weight.grad[1] != 0).all() and (scorer.weight.grad[0] == 0).all()


def test_padding_changes_no_valid_cell():
    torch.manual_seed(3)
    scorer = random_scorer(4, 3, 7)
    starts, ends = torch.randn(2, 1, 33, 4, dtype=torch.float64).unbind(0)
    padded = [torch.cat((t, torch.randn(1, 40, 4, dtype=torch.float64)), 1) for t in (starts, ends)]
    valid = span_mask(torch.ones(1, 33, dtype=torch.bool), 7)
    torch.testing.assert_close(scorer(*padded)[:, :33][valid], scorer(starts, ends)[valid])


def test_empty_texts_give_an_empty_band_with_a_graph():
    scorer = BiaffineSpanScorer(4, 3, 2)
    band = scorer(torch.zeros(2, 0, 4), torch.zeros(2, 0, 4))
    assert band.shape == (2, 0, 1, 3)
    band.sum().backward()


def test_memory_is_linear_in_length():
    """No tensor that saves itself for the backward pass comes near the size of the square."""
    length, width, classes, dim = 600, 10, 3, 8
    scorer = BiaffineSpanScorer(dim, classes, width)
    starts, ends = torch.randn(2, 1, length, dim, requires_grad=True).unbind(0)
    with SizesMade() as made:
        scorer(starts, ends).sum().backward()
    largest = max(made.sizes)
    assert largest <= length * classes * max(dim, 6 * width)
    assert largest < length * length * classes / 10


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1, max_size=4), st.integers(1, 7))
def test_span_mask_equals_its_definition(rows, width):
    mask = torch.tensor(rows)
    actual = span_mask(mask, width)
    assert actual.shape == (len(rows), 5, width)
    for b, row in enumerate(rows):
        for i in range(5):
            for w in range(width):
                assert actual[b, i, w].item() == (i + w < 5 and all(row[i : i + w + 1]))


def test_projection_is_one_linear_layer_by_default():
    projection = SpanProjection(6)
    assert (projection.get_input_dim(), projection.get_output_dim()) == (6, 150)
    tokens = torch.randn(2, 3, 6)
    (layer,) = projection.layers
    torch.testing.assert_close(projection(tokens), tokens @ layer.weight.t())


def test_projection_applies_every_layer_and_the_activation():
    projection = SpanProjection(6, 4, depth=2, activation="relu")
    tokens = torch.randn(2, 3, 6)
    first, second = projection.layers
    torch.testing.assert_close(projection(tokens), second(first(tokens).relu()).relu())


def test_without_a_layer_the_projection_is_the_identity():
    projection = SpanProjection(6, depth=0, activation="relu", dropout=0.5)
    tokens = torch.randn(2, 3, 6)
    assert projection.get_output_dim() == 6 and not list(projection.parameters())
    assert projection(tokens) is tokens


def test_variational_dropout_is_shared_by_positions_and_differs_between_sentences():
    torch.manual_seed(4)
    projection = SpanProjection(6, 400, dropout=0.5, variational=True)
    kept = projection(torch.ones(2, 5, 6)) != 0
    assert (kept == kept[:, :1]).all()
    assert (kept[0] != kept[1]).any()
    assert 0.4 < kept.float().mean() < 0.6


def test_plain_dropout_differs_between_positions_and_is_off_in_evaluation():
    torch.manual_seed(5)
    projection = SpanProjection(6, 400, dropout=0.5)
    tokens = torch.ones(1, 5, 6)
    kept = projection(tokens) != 0
    assert (kept != kept[:, :1]).any()
    projection.eval()
    assert (projection(tokens) != 0).all()
    torch.testing.assert_close(projection(tokens), projection(tokens))


def build(cls, **options):
    """A module as the head builds it: what is not written in a config comes from the head."""
    given = {name: options.pop(name) for name in ("num_classes", "max_span_width", "init") if name in options}
    return cls.from_params(Params(options), input_dim=4, **given)


@pytest.mark.parametrize(
    "cls, options, message",
    [
        (SpanProjection, {"depth": -1}, "depth must be >= 0, got -1"),
        (SpanProjection, {"activation": "sine"}, 'activation is "sine".*gelu'),
        (SpanProjection, {"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
        (BiaffineSpanScorer, {"num_classes": 1}, "got 1 classes"),
        (BiaffineSpanScorer, {"num_classes": 3, "max_span_width": 0}, "max_span_width must be >= 1"),
    ],
)
def test_wrong_settings_are_named(cls, options, message):
    with pytest.raises(ConfigError, match=message):
        build(cls, **options)
