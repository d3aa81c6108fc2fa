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
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.modules.crf import semiring
from ner_plugins.modules.crf.compaction import Compaction
from ner_plugins.modules.crf.semiring import Chain, MaxSemiring

shares = st.sampled_from([0.0, 0.3])


@settings(max_examples=60, deadline=None)
@given(sizes, shares)
def test_log_partition_and_its_gradients_equal_enumeration(size, forbidden):
    potentials = with_gradients(random_potentials(*size, forbidden=forbidden))
    actual = semiring.log_partition(Chain.of(potentials))
    expected = enumerated_log_partition(potentials)
    torch.testing.assert_close(actual, expected)
    weights = torch.randn(len(expected), dtype=torch.float64)
    actual = torch.autograd.grad((actual * weights).sum(), scores_of(potentials), allow_unused=True)
    expected = torch.autograd.grad((expected * weights).sum(), scores_of(potentials), allow_unused=True)
    for ours, theirs in zip(actual, expected, strict=True):
        torch.testing.assert_close(ours, torch.zeros_like(ours) if theirs is None else theirs, equal_nan=True)


@settings(max_examples=60, deadline=None)
@given(sizes, shares)
def test_marginals_and_entropy_equal_enumeration(size, forbidden):
    potentials = random_potentials(*size, forbidden=forbidden)
    chain = Chain.of(potentials)
    marginals = Compaction(potentials.mask).back(semiring.marginals(chain))
    assert not marginals.requires_grad
    torch.testing.assert_close(marginals, enumerated_marginals(potentials))
    entropy = semiring.entropy(chain)
    for b in range(len(entropy)):
        shares = taggings(potentials, b)[1].softmax(0)
        torch.testing.assert_close(entropy[b], torch.special.entr(shares).sum())


@settings(max_examples=60, deadline=None)
@given(sizes, shares, st.integers(1, 7))
def test_n_best_equals_enumeration(size, forbidden, n):
    potentials = random_potentials(*size, forbidden=forbidden)
    tags, scores = semiring.n_best(Chain.of(potentials), n)
    assert tags.shape == (size[0], n, max(size[1], 2)) and scores.shape == (size[0], n)
    for b in range(size[0]):
        paths, values = taggings(potentials, b)
        order = values.argsort(descending=True)[:n]
        found = len(order)
        torch.testing.assert_close(scores[b, :found], values[order], rtol=1e-9, atol=1e-9)
        assert (scores[b, found:] == -torch.inf).all()
        kept = paths.size(1)
        # What breaks constraints is full of ties.
        distinct = found if forbidden == 0 else 1
        assert tags[b, :distinct, :kept].tolist() == paths[order[:distinct]].tolist()
        assert len({tuple(path) for path in tags[b, :found, :kept].tolist()}) == found
        assert (tags[b, :, kept:] == 0).all()


@settings(max_examples=30, deadline=None)
@given(sizes)
def test_best_score_and_path_scores_equal_enumeration(size):
    potentials = random_potentials(*size)
    chain = Chain.of(potentials)
    best = semiring.total(chain, MaxSemiring())[0]
    tags = torch.randint(size[2], potentials.mask.shape)
    found = semiring.path_scores(chain, semiring.compact_tags(tags, potentials.mask))
    for b in range(size[0]):
        paths, values = taggings(potentials, b)
        torch.testing.assert_close(best[b], values.max())
        place = (paths == tags[b, potentials.mask[b]]).all(1).nonzero().item()
        torch.testing.assert_close(found[b], values[place])


@settings(max_examples=20, deadline=None)
@given(sizes)
def test_a_chain_backwards_is_the_same_chain(size):
    chain = Chain.of(random_potentials(*size))
    torch.testing.assert_close(semiring.log_partition(chain.reversed()), semiring.log_partition(chain))
    for before, after in zip(chain.reversed().reversed(), chain, strict=True):
        torch.testing.assert_close(before[..., :1, :] if before.dim() == 3 else before, (
            after[..., :1, :] if after.dim() == 3 else after
        ))  # fmt: skip


@pytest.mark.parametrize("compute", [semiring.log_partition, semiring.entropy, semiring.marginals])
def test_gradients_of_gradients(compute):
    potentials = random_potentials(1, 3, 2, 0, kept=1.0)

    def of(emissions, transitions, start, end):
        return compute(
            Chain.of(potentials._replace(emissions=emissions, transitions=transitions, start=start, end=end))
        )

    inputs = scores_of(with_gradients(potentials))
    assert torch.autograd.gradcheck(of, inputs)
    assert torch.autograd.gradgradcheck(of, inputs)


def test_entropy_of_what_is_certain_and_of_what_is_not():
    potentials = random_potentials(1, 4, 3, 0, kept=1.0)
    flat = potentials._replace(**{name: torch.zeros_like(getattr(potentials, name)) for name in potentials._fields[2:]})
    certain = torch.nn.functional.one_hot(torch.tensor([[0, 2, 1, 1]]), 3) * 1e5
    found = [float(semiring.entropy(Chain.of(flat._replace(emissions=e.double())))) for e in (certain, 0 * certain)]
    assert found == pytest.approx([0.0, 4 * torch.tensor(3.0).log().item()])
