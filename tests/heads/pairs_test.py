import pytest
import torch
from dense_spans import DensePairsHead
from hypothesis import given, settings
from hypothesis import strategies as st
from tensor_sizes import SizesMade
from torch.nn import functional as F

from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError
from ner_plugins.heads.band import span_mask
from ner_plugins.heads.pairs import PairsHead

HEADS = [PairsHead, DensePairsHead]
sizes = st.tuples(st.integers(1, 3), st.integers(1, 12), st.integers(1, 5), st.integers(2, 4))


def literal_logits(head, encoded):
    """Scores of every span up to the width, each from a vector put together: {(sentence, first, last): logits}."""
    linear, classifier = head.hidden, head.classifier
    logits = {}
    for b, sentence in enumerate(encoded):
        for i in range(len(sentence)):
            for j in range(i, min(i + head.max_span_width, len(sentence))):
                span = torch.cat((sentence[i], sentence[j], head.width_embedding.weight[j - i + 1]))
                hidden = (linear.weight @ span + linear.bias).clamp(min=0)
                logits[b, i, j] = classifier.weight @ hidden + classifier.bias
    return logits


def all_real(encoded):
    return torch.ones(encoded.shape[:2], dtype=torch.bool)


def literal_cells(head, encoded):
    """`literal_logits` in the order of a band's valid cells."""
    return torch.stack([logits for _, logits in sorted(literal_logits(head, encoded).items())])


def valid_cells(head, encoded):
    band = head(encoded, all_real(encoded))
    assert band.isfinite().all()
    return band[span_mask(all_real(encoded), band.size(2))]


def setup(head_class, size, width, seed, **options):
    torch.manual_seed(seed)
    batch, length, dim, classes = size
    head = head_class(dim, list("abcdefgh"[: classes - 1]), width, **{"width_dim": 3, **options}).double()
    return head, torch.randn(batch, length, dim, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("head_class", HEADS)
def test_scores_and_gradients_equal_the_literal_form(head_class):
    @settings(max_examples=25, deadline=None)
    @given(sizes, st.integers(1, 14), st.none() | st.integers(1, 6), st.integers(0, 99))
    def check(size, width, hidden_dim, seed):
        head, encoded = setup(head_class, size, width, seed, hidden_dim=hidden_dim)
        actual, expected = valid_cells(head, encoded), literal_cells(head, encoded)
        torch.testing.assert_close(actual, expected)
        weights = torch.randn_like(expected)
        inputs = [encoded, *head.parameters()]
        actual_grads = torch.autograd.grad((actual * weights).sum(), inputs)
        expected_grads = torch.autograd.grad((expected * weights).sum(), inputs)
        torch.testing.assert_close(actual_grads, expected_grads)

    check()


@settings(max_examples=25, deadline=None)
@given(sizes, st.integers(1, 14), st.integers(0, 99))
def test_dense_and_enumeration_agree_on_one_set_of_weights(size, width, seed):
    head, encoded = setup(PairsHead, size, width, seed)
    dense, _ = setup(DensePairsHead, size, width, seed + 1)
    dense.load_state_dict(head.state_dict())
    torch.testing.assert_close(valid_cells(dense, encoded), valid_cells(head, encoded))


def test_gradcheck():
    head, encoded = setup(PairsHead, (2, 5, 3, 3), 3, 0)
    valid = span_mask(all_real(encoded), 3).unsqueeze(-1)

    def band(encoded, *parameters):
        named = dict(zip(dict(head.named_parameters()), parameters, strict=True))
        return torch.func.functional_call(head, named, (encoded, all_real(encoded))) * valid

    assert torch.autograd.gradcheck(band, (encoded, *head.parameters()))


@pytest.mark.parametrize("head_class", HEADS)
def test_padding_and_batch_change_nothing(head_class):
    head, encoded = setup(head_class, (2, 7, 4, 3), 4, 3)
    lengths = torch.tensor([[7], [4]])
    mask = torch.arange(11) < lengths
    padded = F.pad(encoded, (0, 0, 0, 4), value=9.0)
    padded[1, 4:] = -5.0
    together = head(padded, mask)
    for b, length in enumerate((7, 4)):
        alone = head(encoded[b : b + 1, :length], torch.ones(1, length, dtype=torch.bool))
        cells = span_mask(mask[b : b + 1, :length], 4)
        torch.testing.assert_close(together[b : b + 1, :length][cells], alone[cells])


@pytest.mark.parametrize("head_class", HEADS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast(head_class, dtype):
    torch.manual_seed(0)
    head = head_class(16, list("abcd"), 6)
    encoded, mask = torch.randn(2, 9, 16), torch.ones(2, 9, dtype=torch.bool)
    entities = torch.tensor([[[0, 2, 1]], [[3, 7, 3]]])
    exact = torch.autograd.grad(head.loss(head(encoded, mask), entities, mask), list(head.parameters()))
    with torch.autocast("cpu", dtype):
        scores = head(encoded, mask)
        value = head.loss(scores, entities, mask)
    assert scores.dtype == dtype and value.dtype == torch.float32
    grads = torch.autograd.grad(value, list(head.parameters()))
    for low, full in zip(grads, exact, strict=True):
        assert low.dtype == torch.float32
        torch.testing.assert_close(low, full, rtol=0.1, atol=0.02)


def test_hidden_units_of_the_spans_are_not_kept_for_the_backward_pass():
    head = PairsHead(32, ["a", "b"], 20)
    encoded = torch.randn(1, 100, 32, requires_grad=True)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.numel()) or x, lambda x: x):
        head(encoded, all_real(encoded))
    assert sum(kept) < 100 * 20 * 32 / 2


def test_no_tensor_holds_the_hidden_units_of_all_spans():
    head, encoded = PairsHead(64, ["a", "b"], 10), torch.zeros(1, 500, 64)
    with torch.no_grad(), SizesMade() as made:
        head(encoded, all_real(encoded))
    # A band of hidden units would be 500 * 10 * 64; every encoded token is 500 * 64.
    assert max(made.sizes) <= 510 * 64


@pytest.mark.parametrize("head_class", HEADS)
def test_loss_is_the_mean_over_the_spans_of_the_texts(head_class):
    head, encoded = setup(head_class, (2, 6, 4, 3), 3, 5)
    mask = torch.arange(6) < torch.tensor([[6], [2]])
    # The second entity is too wide, and the last row is padding.
    entities = torch.tensor([[[1, 3, 1], [0, 5, 0]], [[1, 2, 0], [-1, -1, -1]]])
    gold = {(0, 1, 2): 2, (1, 1, 1): 1}
    losses = [
        F.cross_entropy(logits, torch.tensor(gold.get(cell, 0)))
        for cell, logits in literal_logits(head, encoded).items()
        if mask[cell[0], cell[2]]
    ]
    actual = head.loss(head(encoded, mask), entities, mask)
    torch.testing.assert_close(actual, torch.stack(losses).mean())


def test_reachable():
    head = PairsHead(4, ["a", "b"], 5)
    wide, outer, inner, same = Entity(0, 6, "a"), Entity(1, 6, "a"), Entity(2, 4, "b"), Entity(2, 4, "a")
    gold = [wide, outer, inner, same, Entity(7, 8, "b")]
    assert head.reachable(gold) == [outer, Entity(7, 8, "b")]
    head.decoding = "nested"
    assert {(e.start, e.end) for e in head.reachable(gold)} == {(1, 6), (2, 4), (7, 8)}
    assert len(head.reachable(gold)) == 3


def test_the_published_width_is_the_default():
    head = PairsHead(6, ["a", "b"])
    assert head.max_span_width == 10
    assert head.width_embedding.weight.shape == (11, 150)
    assert head.hidden.weight.shape == (6, 2 * 6 + 150)


@pytest.mark.parametrize("options", [{"width_dim": 0}, {"hidden_dim": 0}, {"max_span_width": 0}])
def test_sizes_that_cannot_be_are_named(options):
    with pytest.raises(ConfigError, match=r"must be >= 1.*got.* 0"):
        PairsHead(4, ["a", "b"], **options)


def test_prior_is_the_first_probability_of_an_entity():
    torch.manual_seed(1)
    encoded, mask = torch.randn(2, 6, 4), torch.ones(2, 6, dtype=torch.bool)
    for prior in (0.01, 0.3):
        head = PairsHead(4, ["A", "B"], prior=prior)
        with torch.no_grad():
            head.classifier.weight.zero_()
            head.classifier.bias[1:] = 0.0
        probabilities = head.score(encoded, mask).softmax(-1)[span_mask(mask, 6)]  # Shape: (spans, classes)
        torch.testing.assert_close(1 - probabilities[:, 0], torch.full((len(probabilities),), prior))
