import ner_plugins  # noqa: F401  isort: skip  (AllenNLP imports on these libraries only after it)

import pytest
import torch
from allennlp.common import Params
from hypothesis import given, settings
from hypothesis import strategies as st
from tensor_sizes import SizesMade
from torch import nn
from torch.nn import functional as F

from ner_plugins.errors import ConfigError
from ner_plugins.heads.band import span_mask
from ner_plugins.heads.biaffine_scorer import BiaffineSpanScorer
from ner_plugins.heads.head import Head
from ner_plugins.heads.pair_scorer import PairSpanScorer
from ner_plugins.heads.span_scorer import SpanScorer, WidthFeatures

sizes = st.tuples(st.integers(1, 3), st.integers(1, 12), st.integers(1, 4), st.integers(2, 4))
widths = st.none() | st.integers(1, 14)


def literal(scorer, starts, ends, activation):
    """`V act(W [S_i; E_j] + a) + b` over concatenated pairs, one span at a time. Shape: (spans, batch, classes)"""
    width = scorer.band_width(starts.size(1))
    of_width = None if scorer.width_features is None else scorer.width_features(width)
    scores = []
    for i in range(starts.size(1)):
        for w in range(min(width, starts.size(1) - i)):
            before = scorer.hidden(torch.cat((starts[:, i], ends[:, i + w]), -1))
            scores.append(scorer.output(activation(before if of_width is None else before + of_width[w])))
    return torch.stack(scores)


def random_scorer(*arguments, **options):
    scorer = PairSpanScorer(*arguments, **options).double()
    for parameter in scorer.parameters():
        nn.init.normal_(parameter)
    return scorer


@settings(max_examples=60, deadline=None)
@given(
    sizes, widths, st.sampled_from(["gelu", "relu", "tanh"]), st.sampled_from([None, "bucketed"]), st.integers(0, 99)
)
def test_scores_and_gradients_equal_the_literal_concatenation(size, width, activation, features, seed):
    torch.manual_seed(seed)
    batch, length, dim, classes = size
    scorer = random_scorer(dim, classes, width, hidden_dim=5, activation=activation, width_features=features)
    starts, ends = torch.randn(2, batch, length, dim, dtype=torch.float64).unbind(0)
    leaves = (starts.requires_grad_(), ends.requires_grad_(), *scorer.parameters())
    band = scorer(starts, ends)
    assert band.shape == (batch, length, scorer.band_width(length), classes)
    valid = span_mask(torch.ones(1, length, dtype=torch.bool), band.size(2))[0]
    actual = band[:, valid].transpose(0, 1)
    expected = literal(scorer, starts, ends, {"gelu": F.gelu, "relu": F.relu, "tanh": torch.tanh}[activation])
    torch.testing.assert_close(actual, expected)
    assert (band[:, ~valid] == 0).all()

    cotangent = torch.randn_like(expected)
    actual_grads = torch.autograd.grad(actual, leaves, cotangent)
    expected_grads = torch.autograd.grad(expected, leaves, cotangent)
    for ours, literals in zip(actual_grads, expected_grads, strict=True):
        torch.testing.assert_close(ours, literals)


def test_gradcheck():
    torch.manual_seed(2)
    scorer = random_scorer(2, 2, 3, width_features="exact")
    starts, ends = torch.randn(2, 2, 5, 2, dtype=torch.float64).unbind(0)
    parameters = [parameter.detach().clone().requires_grad_() for parameter in scorer.parameters()]
    names = [name for name, _ in scorer.named_parameters()]

    def scores(starts, ends, *values):
        return torch.func.functional_call(scorer, dict(zip(names, values, strict=True)), (starts, ends))

    assert torch.autograd.gradcheck(scores, (starts.requires_grad_(), ends.requires_grad_(), *parameters))


def test_the_hidden_layer_of_the_band_is_never_held():
    length, width, classes, dim = 200, 40, 3, 16
    scorer = PairSpanScorer(dim, classes, width)
    starts, ends = torch.randn(2, 1, length, dim, requires_grad=True).unbind(0)
    saved = 0

    def pack(tensor):
        nonlocal saved
        saved = max(saved, tensor.numel())
        return tensor

    with SizesMade() as made, torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        scorer(starts, ends).sum().backward()
    band = length * width * classes
    assert max(made.sizes) == band < length * width * dim / 5  # the scores, and nothing larger
    assert saved <= length * dim * 2


def test_under_autocast_the_scores_are_autocasts_and_the_gradients_close():
    torch.manual_seed(3)
    scorer = PairSpanScorer(8, 3, 6, init="xavier", width_features="exact")
    starts, ends = torch.randn(2, 2, 9, 8).unbind(0)
    with torch.autocast("cpu", torch.bfloat16):
        low = scorer(starts, ends)
    assert low.dtype == torch.bfloat16
    full = scorer(starts, ends)
    torch.testing.assert_close(low.float(), full, atol=0.05, rtol=0.05)
    parameters = list(scorer.parameters())
    low_grads = torch.autograd.grad(low.float().pow(2).mean(), parameters)
    full_grads = torch.autograd.grad(full.pow(2).mean(), parameters)
    for low_grad, full_grad in zip(low_grads, full_grads, strict=True):
        torch.testing.assert_close(low_grad, full_grad, atol=0.05 * full_grad.abs().max().item(), rtol=0.0)


@pytest.mark.parametrize("scorer", [PairSpanScorer(4, 3, 2, width_features="exact"), BiaffineSpanScorer(4, 3, 2)])
def test_empty_texts_give_an_empty_band_with_a_graph(scorer):
    band = scorer(torch.zeros(2, 0, 4), torch.zeros(2, 0, 4))
    assert band.shape == (2, 0, 1, 3)
    band.sum().backward()


@pytest.mark.parametrize("kind", ["biaffine", "pair_ffn"])
def test_zero_init_gives_uniform_logits_and_xavier_does_not(kind):
    starts, ends = torch.randn(2, 2, 6, 4).unbind(0)
    build = SpanScorer.by_name(kind)
    assert (build(4, 3, 2, width_features="exact")(starts, ends) == 0).all()
    assert build(4, 3, init="xavier")(starts, ends).std() > 0.05


@pytest.mark.parametrize("kind", ["exact", "bucketed"])
def test_width_features_are_added_to_the_biaffine_score(kind):
    torch.manual_seed(4)
    plain, scorer = BiaffineSpanScorer(4, 3, 20, "xavier"), BiaffineSpanScorer(4, 3, 20, "xavier", kind)
    nn.init.normal_(scorer.width_features.weight)
    scorer.weight = plain.weight
    starts, ends = torch.randn(2, 2, 30, 4).unbind(0)
    difference = scorer(starts, ends) - plain(starts, ends)
    torch.testing.assert_close(difference, scorer.width_features(20).expand_as(difference))


def test_each_width_has_its_vector_or_its_buckets():
    exact = WidthFeatures("exact", 7, 2)
    nn.init.normal_(exact.weight)
    assert torch.equal(exact(7), exact.weight) and torch.equal(exact(3), exact.weight[:3])
    bucketed = WidthFeatures("bucketed", None, 2)
    nn.init.normal_(bucketed.weight)
    buckets = [*range(4), *[4] * 3, *[5] * 8, *[6] * 16, *[7] * 32, *[8] * 37]
    assert torch.equal(bucketed(100), bucketed.weight[buckets])
    bucketed(3).sum().backward()
    assert bucketed.weight.grad[:, 0].tolist() == [1.0] * 3 + [0.0] * 6


def test_configs_name_them():
    extras = {"input_dim": 4, "num_classes": 3, "max_span_width": None, "init": "zeros"}
    assert isinstance(SpanScorer.from_params("pair_ffn", **extras), PairSpanScorer)
    params = Params({"type": "pair_ffn", "hidden_dim": 9, "activation": "relu"})
    assert SpanScorer.from_params(params, **extras).output.in_features == 9
    scorer = SpanScorer.from_params(Params({"width_features": "bucketed"}), **extras)
    assert isinstance(scorer, BiaffineSpanScorer) and scorer.width_features is not None


def build(kind, **options):
    """A scorer as the head builds it: what is not written in a config comes from the head."""
    given = {"input_dim": 4, "num_classes": 3, "max_span_width": None, "init": "zeros", **options}
    written = {name: given.pop(name) for name in ("width_features", "activation") if name in given}
    return SpanScorer.from_params(Params({"type": kind, **written}), **given)


@pytest.mark.parametrize("kind", ["biaffine", "pair_ffn"])
@pytest.mark.parametrize(
    "options, message",
    [
        ({"num_classes": 1}, "got 1 classes"),
        ({"max_span_width": 0}, "max_span_width must be >= 1"),
        ({"width_features": "all"}, 'width_features is "all".*exact or bucketed'),
        ({"width_features": "exact"}, "needs max_span_width"),
    ],
)
def test_wrong_settings_are_named(kind, options, message):
    with pytest.raises(ConfigError, match=message):
        build(kind, **options)


@pytest.mark.parametrize("kind", ["biaffine", "pair_ffn"])
def test_an_unknown_initialisation_is_named(kind):
    options = {"type": "biaffine", "scorer": {"type": kind}, "init": "ones"}
    with pytest.raises(ConfigError, match=r'init is "ones".*zeros, xavier or orthogonal'):
        Head.from_params(Params(options), encoding_dim=4, types=["a"])


def test_an_unknown_activation_is_named():
    with pytest.raises(ConfigError, match=r'activation is "sine".*gelu'):
        build("pair_ffn", activation="sine")
