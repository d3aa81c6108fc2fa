"""Every way of inference against enumeration, and against the recursion that is the definition."""

import pytest
import torch
from enumerated_chains import (
    enumerated_log_partition,
    enumerated_marginals,
    random_potentials,
    scores_of,
    sizes,
    taggings,
    with_gradients,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ner_plugins.errors import NerError
from ner_plugins.modules.crf import batched as crf_batched
from ner_plugins.modules.crf import compiled as crf_compiled
from ner_plugins.modules.crf import inference as crf_inference
from ner_plugins.modules.crf import semiring
from ner_plugins.modules.crf.semiring import Chain

shares = st.sampled_from([0.0, 0.3])
ways = pytest.mark.parametrize("way", ["definition", "batched", "compiled"], indirect=True)
generated = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def way(request, monkeypatch):
    """The type in which this way of inference computes, made the one that is taken."""
    if request.param == "compiled":
        assert crf_compiled.is_available("messages") and crf_compiled.is_available("viterbi")
    else:
        monkeypatch.setattr(crf_compiled, "is_available", lambda module: False)
    return torch.float64 if request.param == "definition" else torch.float32


def close(actual, expected, tolerance=None):
    """Equal in what they say; in float32 to its precision."""
    tolerance = tolerance or (1e-9 if actual.dtype == torch.float64 else 2e-5)
    torch.testing.assert_close(actual.double(), expected.double(), rtol=tolerance, atol=tolerance, equal_nan=True)


def defined(compute, potentials):
    """`compute` of the chains in float64."""
    return compute(Chain.of(potentials._replace(**{
        name: value.double() for name, value in potentials._asdict().items() if value.is_floating_point()
    })))  # fmt: skip


@ways
@generated
@given(size=sizes, forbidden=shares)
def test_viterbi_equals_enumeration(way, size, forbidden):
    potentials = random_potentials(*size, dtype=way, forbidden=forbidden)
    tags, scores, invalid = crf_inference.viterbi(potentials)
    assert tags.dtype == torch.int64 and scores.dtype == way and not invalid.any()
    assert (tags[~potentials.mask] == 0).all()
    for b, mask in enumerate(potentials.mask):
        paths, values = taggings(potentials, b)
        assert tags[b, mask].tolist() == paths[values.argmax()].tolist()
        close(scores[b], values.max())


@ways
@generated
@given(size=sizes, forbidden=shares)
def test_loss_log_partition_and_marginals_equal_enumeration(way, size, forbidden):
    potentials = random_potentials(*size, dtype=way, forbidden=forbidden)
    expected = enumerated_log_partition(potentials)
    close(crf_inference.log_partition(potentials), expected)
    close(crf_inference.marginals(potentials), enumerated_marginals(potentials))
    tags = torch.randint(size[2], potentials.mask.shape)
    loss = crf_inference.negative_log_likelihood(potentials, tags.masked_fill(~potentials.mask, -100))
    assert loss.dtype == way
    for b, mask in enumerate(potentials.mask):
        paths, values = taggings(potentials, b)
        gold = values[(paths == tags[b, mask]).all(1)].squeeze(0)
        # Forbidden arcs cost so much that float32 keeps few digits behind the point.
        close(loss[b], expected[b] - gold, None if forbidden == 0 or way == torch.float64 else 1e-3)


@ways
@generated
@given(size=sizes)
def test_gradients_equal_those_of_enumeration(way, size):
    potentials = with_gradients(random_potentials(*size, dtype=way))
    tags = torch.randint(size[2], potentials.mask.shape)
    weights = torch.randn(size[0], dtype=torch.float64)
    loss = (crf_inference.negative_log_likelihood(potentials, tags) * weights.to(way)).sum()
    actual = torch.autograd.grad(loss, scores_of(potentials))
    exact = with_gradients(potentials._replace(emissions=potentials.emissions.double()))
    value = enumerated_log_partition(exact) @ weights
    for b, mask in enumerate(potentials.mask):
        paths, values = taggings(exact, b)
        value = value - weights[b] * values[(paths == tags[b, mask]).all(1)].squeeze(0)
    expected = torch.autograd.grad(value, scores_of(exact), allow_unused=True)
    for ours, theirs in zip(actual, expected, strict=True):
        close(ours, torch.zeros_like(ours) if theirs is None else theirs)


@ways
@pytest.mark.parametrize("scale", [1.0, 30.0, 300.0])
@pytest.mark.parametrize("forbidden", [0.0, 0.5])
@pytest.mark.parametrize("number", [9, 17])
def test_scores_far_apart(way, scale, forbidden, number):
    """What a product of exponentials would lose: differences of hundreds, and arcs that hardly any path may take."""
    potentials = random_potentials(6, 20, number, 1, dtype=way, scale=scale, forbidden=forbidden)
    leaves = with_gradients(potentials)
    value = crf_inference.log_partition(leaves)
    close(value, defined(semiring.log_partition, potentials), 1e-5)
    close(crf_inference.marginals(potentials).sum(2), potentials.mask.double(), 1e-5)
    actual = torch.autograd.grad(value.sum(), scores_of(leaves))
    exact = with_gradients(potentials._replace(emissions=potentials.emissions.double()))
    expected = torch.autograd.grad(defined(semiring.log_partition, exact).sum(), scores_of(exact))
    for ours, theirs in zip(actual, expected, strict=True):
        # Scores in the thousands have but so many digits in float32.
        close(ours, theirs, 1e-9 if way == torch.float64 else 1e-3)


@ways
def test_a_peak_behind_two_valleys(way):
    """The best path enters and leaves through tags that are worse than others by far more than float32's exponents."""
    emissions = torch.full((1, 12, 4), -140.0, dtype=way)
    emissions[0, :, 0] = 0.0
    emissions[0, 3:9, 2] = 60.0
    arcs = torch.full((4, 4), -1e6, dtype=way)
    for before, after in ((0, 0), (0, 1), (1, 2), (2, 2), (2, 3), (3, 0)):
        arcs[before, after] = 0.0
    edge = torch.tensor([0.0, -1e6, -1e6, -1e6], dtype=way)
    potentials = semiring.Potentials(emissions, torch.ones(1, 12, dtype=torch.bool), arcs, edge, edge)
    path = [0, 0, 1, 2, 2, 2, 2, 2, 2, 3, 0, 0]
    assert crf_inference.viterbi(potentials).tags.tolist() == [path]
    close(crf_inference.log_partition(potentials), torch.tensor([80.0]))
    close(crf_inference.marginals(potentials), torch.nn.functional.one_hot(torch.tensor([path]), 4))


@ways
def test_rows_that_are_not_numbers_are_marked_and_leave_the_others_alone(way):
    potentials = random_potentials(6, 5, 3, 0, dtype=way, kept=1.0)
    emissions = potentials.emissions.clone()
    emissions[1, 2, 1], emissions[3, 4, 0], emissions[4, 0] = torch.nan, torch.inf, -torch.inf
    emissions[5, 0, 0] = -torch.inf  # one tag that is impossible is no mistake
    broken = with_gradients(potentials._replace(emissions=emissions))
    found = crf_inference.viterbi(broken)
    assert found.invalid.tolist() == [False, True, False, True, True, False]
    assert ((found.tags >= 0) & (found.tags < 3)).all() and found.tags[5, 0] != 0
    loss = crf_inference.negative_log_likelihood(broken, torch.ones(6, 5, dtype=torch.int64))
    marginals = crf_inference.marginals(broken._replace(**{n: getattr(broken, n).detach() for n in broken._fields}))
    whole = torch.tensor([0, 2])
    assert loss.isfinite().tolist() == [True, False, True, False, False, True]
    close(loss[whole], crf_inference.negative_log_likelihood(potentials, torch.ones(6, 5, dtype=torch.int64))[whole])
    close(marginals[whole], crf_inference.marginals(potentials)[whole])
    assert marginals[1].isnan().all() and marginals[5].isfinite().all() and marginals[5, 0, 0] == 0
    (gradient,) = torch.autograd.grad(loss[whole].sum(), broken.emissions, retain_graph=True)
    assert gradient[whole].isfinite().all()
    (gradient,) = torch.autograd.grad(loss.sum(), broken.transitions)
    assert gradient.isnan().any()


@ways
@pytest.mark.parametrize("name", ["transitions", "start", "end"])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_scores_of_tags_that_are_no_numbers_are_told(way, name: str, value: float) -> None:
    potentials = random_potentials(3, 4, 5, 0, dtype=way, kept=1.0)
    scores = getattr(potentials, name).clone()
    scores.view(-1)[1] = value
    broken = potentials._replace(**{name: scores})
    assert crf_inference.viterbi(broken).invalid.all()
    assert not crf_inference.log_partition(broken).isfinite().any()
    scores.view(-1)[1] = -torch.inf  # what is impossible is no mistake
    assert not crf_inference.viterbi(potentials._replace(**{name: scores})).invalid.any()


@ways
@pytest.mark.parametrize("scale", [-1e31, 1e31, -1e38, 1e38])
def test_scores_beyond_all_bounds_are_told_and_are_no_error(way, scale: float) -> None:
    """As after a step with a learning rate of 1e30: the loss is none, in the first row alone."""
    potentials = random_potentials(2, 4, 3, 0, dtype=way, kept=1.0)
    emissions = potentials.emissions.clone()
    emissions[0] = scale
    broken = with_gradients(potentials._replace(emissions=emissions))
    loss = crf_inference.negative_log_likelihood(broken, torch.ones(2, 4, dtype=torch.int64))
    gradients = torch.autograd.grad(loss.sum(), scores_of(broken))
    assert loss[1].isfinite() and gradients[0][1].isfinite().all()
    crf_inference.marginals(potentials._replace(emissions=emissions))
    crf_inference.viterbi(potentials._replace(emissions=emissions))


@ways
@pytest.mark.parametrize("batch, length", [(0, 0), (0, 3), (2, 0), (2, 1), (3, 4)])
def test_without_tokens_all_is_zero_and_every_score_has_a_gradient(way, batch, length):
    potentials = random_potentials(batch, length, 3, 0, dtype=way, kept=0.0)
    tags = torch.zeros(batch, length, dtype=torch.int64)
    leaves = with_gradients(potentials)
    loss = crf_inference.negative_log_likelihood(leaves, tags)
    assert loss.tolist() == [0.0] * batch
    for gradient in torch.autograd.grad(loss.sum(), scores_of(leaves)):
        assert (gradient == 0).all()
    found = crf_inference.viterbi(potentials)
    assert found.tags.shape == tags.shape and found.scores.tolist() == [0.0] * batch and not found.invalid.any()
    assert crf_inference.log_partition(potentials).tolist() == [0.0] * batch
    assert crf_inference.entropy(potentials).tolist() == [0.0] * batch
    assert (crf_inference.marginals(potentials) == 0).all()
    best, scores = crf_inference.n_best(potentials, 2)
    assert best.shape == (batch, 2, length) and scores.tolist() == [[0.0, -torch.inf]] * batch


@ways
def test_gradients_of_gradients_are_those_of_the_definition(way):
    potentials = random_potentials(3, 4, 3, 2, dtype=way)
    tags = torch.zeros(3, 4, dtype=torch.int64)

    def second(compute, potentials):
        scores = scores_of(potentials)
        first = torch.autograd.grad(compute(potentials).square().sum(), scores, create_graph=True)
        return torch.autograd.grad(sum(gradient.nan_to_num().square().sum() for gradient in first), scores)

    def definition(potentials):
        chain = Chain.of(potentials)
        gold = semiring.path_scores(chain, semiring.compact_tags(tags, potentials.mask))
        return semiring.log_partition(chain) - gold

    actual = second(lambda p: crf_inference.negative_log_likelihood(p, tags), with_gradients(potentials))
    doubles = [tensor.double() if tensor.is_floating_point() else tensor for tensor in potentials]
    expected = second(definition, with_gradients(type(potentials)(*doubles)))
    for ours, theirs in zip(actual, expected, strict=True):
        close(ours, theirs, 1e-3 if way == torch.float32 else None)


@ways
@pytest.mark.parametrize("needed", [("emissions", "transitions", "start", "end"), ("emissions",), ("transitions",)])
def test_marginals_have_gradients_of_any_order(way, needed):
    potentials = random_potentials(3, 5, 3, 4, dtype=way)
    weights = torch.randn(3, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def derivatives(compute, potentials):
        leaves = {name: getattr(potentials, name).clone().requires_grad_() for name in needed}
        found = compute(potentials._replace(**leaves))
        assert found.requires_grad
        value = (found.square() * weights.to(found)).sum()
        once = torch.autograd.grad(value, list(leaves.values()), retain_graph=True)
        assert not any(gradient.requires_grad for gradient in once)
        again = torch.autograd.grad(value, list(leaves.values()), create_graph=True)
        total = sum(gradient.nan_to_num().square().sum() for gradient in again)
        return [found, *once, *torch.autograd.grad(total, list(leaves.values()))]

    doubles = [tensor.double() if tensor.is_floating_point() else tensor for tensor in potentials]
    expected = derivatives(enumerated_marginals, type(potentials)(*doubles))
    for ours, theirs in zip(derivatives(crf_inference.marginals, potentials), expected, strict=True):
        close(ours, theirs, 1e-3 if way == torch.float32 else None)


@ways
@pytest.mark.parametrize("never", [0, 2])
def test_a_tag_that_can_never_be_costs_no_precision(way, never):
    for seed in range(30):
        potentials = random_potentials(2, 30, 5, seed, dtype=way, kept=1.0)
        potentials.transitions[:, never] -= 1e6
        found = crf_inference.viterbi(potentials)
        doubles = [tensor.double() if tensor.is_floating_point() else tensor for tensor in potentials]
        exact = crf_inference.viterbi(type(potentials)(*doubles))
        assert torch.equal(found.tags, exact.tags) and not (found.tags[:, 1:] == never).any()
        close(found.scores, exact.scores)


@ways
@generated
@given(size=sizes)
def test_messages_multiply_to_marginals(way, size):
    potentials = random_potentials(*size, dtype=way)
    found = crf_inference.both_messages(potentials)
    close(found.log_partition.to(way), enumerated_log_partition(potentials))
    marginals = enumerated_marginals(potentials)
    for b, mask in enumerate(potentials.mask):
        kept = int(mask.sum())
        both = found.forward[b, :kept] + found.backward[b, :kept] - found.log_partition[b]
        close(both.exp().to(way), marginals[b, mask])


@pytest.mark.parametrize("doubling", [False, True])
@settings(max_examples=40, deadline=None)
@given(size=st.tuples(st.integers(1, 5), st.integers(1, 40), st.integers(1, 5), st.integers(0, 999)))
def test_both_ways_back_of_the_batched_viterbi(doubling, size):
    potentials = random_potentials(*size, dtype=torch.float32)
    chain = Chain.of(potentials)
    tags, scores = crf_batched.viterbi(chain, doubling=doubling)
    compiled_tags, compiled_scores = crf_compiled.viterbi(potentials)
    assert torch.equal(tags, semiring.compact_tags(compiled_tags, potentials.mask))
    close(scores, compiled_scores)


def test_the_batched_ways_split_what_does_not_fit(monkeypatch):
    potentials = with_gradients(random_potentials(4, 9, 3, 5, dtype=torch.float32))
    chain = Chain.of(potentials)

    def results():
        gradient = torch.autograd.grad(crf_batched.log_partition(chain).sum(), chain.transitions)
        return crf_batched.viterbi(chain, doubling=True)[0], gradient[0]

    tags, gradient = results()
    monkeypatch.setattr(crf_batched, "_PAIRS_AT_A_TIME", 40)
    assert torch.equal(results()[0], tags)
    close(results()[1], gradient, 1e-6)


@ways
def test_a_gold_tag_that_is_none(way):
    potentials = random_potentials(2, 3, 3, 0, dtype=way, kept=1.0)
    for tag in (3, -1):
        with pytest.raises((NerError, IndexError, RuntimeError), match=r"must be from 0 to 2|out of (bounds|range)"):
            crf_inference.negative_log_likelihood(potentials, torch.full((2, 3), tag))


@ways
def test_memory_in_any_order(way):
    potentials = random_potentials(3, 5, 4, 3, dtype=way)
    expected = crf_inference.marginals(potentials)
    strided = potentials._replace(
        emissions=potentials.emissions.transpose(1, 2).contiguous().transpose(1, 2),
        mask=potentials.mask.t().contiguous().t(),
        transitions=potentials.transitions.t().contiguous().t(),
        start=torch.stack((potentials.start, potentials.start), 1)[:, 0],
    )
    close(crf_inference.marginals(strided), expected)
    assert torch.equal(crf_inference.viterbi(strided).tags, crf_inference.viterbi(potentials).tags)


def test_long_texts_keep_their_precision():
    """Two thousand tokens, scores in the tens of thousands: marginals and gradients stay right to four digits."""
    potentials = random_potentials(1, 2000, 5, 0, dtype=torch.float32, kept=1.0)
    potentials = potentials._replace(emissions=potentials.emissions + 20)
    expected = defined(semiring.marginals, potentials)
    close(crf_inference.marginals(potentials), expected, 1e-5)
    close(crf_batched.marginals(Chain.of(potentials)), expected, 1e-4)
