import itertools

import pytest
import torch
import torchcrf
from allennlp.modules.conditional_random_field import ConditionalRandomField as AllenNlpCrf
from allennlp.modules.conditional_random_field import allowed_transitions
from enumerated_chains import random_potentials, taggings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ner_plugins.errors import ConfigError
from ner_plugins.modules.crf import compiled as crf_compiled
from ner_plugins.modules.crf.compaction import Compaction
from ner_plugins.modules.crf.crf import REDUCTIONS, ConditionalRandomField
from ner_plugins.modules.crf.tagging import Constraints, Spans, TagSet
from ner_plugins.tag_schemes import SCHEMES, illegal_tags

dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
ways = pytest.mark.parametrize("compiled", [True, False], indirect=True)


@pytest.fixture
def compiled(request, monkeypatch):
    if not request.param:
        monkeypatch.setattr(crf_compiled, "is_available", lambda module: False)


def random_batch(batch, length, tags, seed=0, dtype=torch.float32, kept=0.75):
    """Emissions, gold tags and a mask with gaps."""
    emissions, mask, *_ = random_potentials(batch, length, tags, seed, dtype, kept)
    generator = torch.Generator().manual_seed(seed)
    return emissions, torch.randint(tags, (batch, length), generator=generator), mask


def prefix_batch(batch, length, tags, seed=0):
    """The same with padding at the right alone and no empty row, which is what peers can do."""
    emissions, gold, _ = random_batch(batch, length, tags, seed, kept=1.0)
    lengths = torch.randint(1, length + 1, (batch, 1), generator=torch.Generator().manual_seed(seed))
    lengths[0] = length  # AllenNLP's and pytorch-crf's batches are as long as their longest row
    return emissions, gold, torch.arange(length) < lengths


def made(num_tags, seed=0, dtype=torch.float32, scale=1.0, **settings):
    """A CRF with scores of the size that emissions have."""
    crf = ConditionalRandomField(num_tags, **settings).to(dtype)
    generator = torch.Generator().manual_seed(seed)
    for parameter in crf.parameters():
        parameter.data = scale * torch.randn(parameter.shape, generator=generator, dtype=dtype)
    return crf


def copied(crf, peer):
    """The peer with our scores."""
    peer.transitions.data = crf.transitions.data.clone()
    peer.start_transitions.data = crf.start_scores.data.clone()
    peer.end_transitions.data = crf.end_scores.data.clone()
    return peer


@dtypes
@pytest.mark.parametrize("constrain_training", [False, True])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_log_likelihood_equals_enumeration(dtype, constrain_training, scheme):
    tag_set = TagSet(["X"], scheme)
    constraints = tag_set.constraints()
    crf = made(len(tag_set), 1, dtype, constraints=constraints, constrain_training=constrain_training)
    emissions, _, mask = random_batch(4, 5, len(tag_set), 2, dtype)
    gold = tag_set.targets(torch.tensor([[[0, 2, 0], [2, 4, 0]]] * 4), mask)
    actual = crf.log_likelihood(emissions, gold, mask)
    raw = crf.potentials(emissions, mask, constrained=False)
    for b in range(4):
        paths, scores = taggings(raw, b)
        if constrain_training:
            legal = [illegal_tags([tag_set.tags[tag] for tag in path], scheme) == [] for path in paths]
            paths, scores = paths[torch.tensor(legal)], scores[torch.tensor(legal)]
        expected = scores.log_softmax(0)[(paths == gold[b, mask[b]]).all(1)].squeeze(0)
        torch.testing.assert_close(actual[b].double(), expected, rtol=1e-5, atol=1e-5)


@ways
@pytest.mark.parametrize("scheme", SCHEMES)
def test_decoding_obeys_the_scheme_and_nothing_better_does(compiled, scheme):
    tag_set = TagSet(["X", "Y"] if scheme == "BIO" else ["X"], scheme)
    crf = made(len(tag_set), 3, constraints=tag_set.constraints(), scale=3.0)
    emissions, _, mask = random_batch(6, 4, len(tag_set), 4)
    tags, scores, invalid = crf.viterbi(60000 * emissions, mask)  # as large as half precision goes
    assert not invalid.any()
    raw = crf.potentials(60000 * emissions, mask, constrained=False)
    for b in range(6):
        names = [tag_set.tags[tag] for tag in tags[b, mask[b]]]
        assert illegal_tags(names, scheme) == []
        paths, values = taggings(raw, b)
        legal = torch.tensor([illegal_tags([tag_set.tags[t] for t in path], scheme) == [] for path in paths])
        torch.testing.assert_close(scores[b].double(), values[legal].max(), rtol=1e-5, atol=1e-2)


def test_outside_can_be_reached_in_bmes():
    """AllenNLP's constraints of that name are for word segmentation and never let `O` be."""
    tag_set = TagSet(["X"], "BMES")
    emissions = torch.zeros(1, 3, 5)
    emissions[..., 0] = 1.0
    mask = torch.ones(1, 3, dtype=torch.bool)
    crf = ConditionalRandomField(5, tag_set.constraints(), constrain_training=True)
    assert crf.viterbi(emissions, mask).tags.tolist() == [[0, 0, 0]]
    assert crf.log_likelihood(100 * emissions, torch.zeros(1, 3, dtype=torch.int64), mask).item() == pytest.approx(
        0, abs=1e-4
    )
    theirs = AllenNlpCrf(5, allowed_transitions("BMES", dict(enumerate(tag_set.tags))))
    assert 0 not in theirs.viterbi_tags(emissions, mask)[0][0]


@ways
@pytest.mark.parametrize("scheme", [None, "BIO", "IOB1", "BIOUL"])
@pytest.mark.parametrize("batch, length", [(1, 1), (5, 12), (3, 40)])
def test_equal_to_allennlp(compiled, scheme, batch, length):
    tag_set = TagSet(["A", "B"], scheme or "BIO")
    number = len(tag_set)
    crf = made(number, length, constraints=tag_set.constraints() if scheme else None)
    theirs = copied(crf, AllenNlpCrf(number, scheme and allowed_transitions(scheme, dict(enumerate(tag_set.tags)))))
    emissions, gold, mask = prefix_batch(batch, length, number)
    expected = theirs(emissions, gold, mask)
    # Theirs constrains decoding alone.
    torch.testing.assert_close(crf.log_likelihood(emissions, gold, mask).sum(), expected, rtol=1e-5, atol=1e-4)
    tags, scores, _ = crf.viterbi(emissions, mask)
    found = theirs.viterbi_tags(emissions, mask)
    assert [row[kept].tolist() for row, kept in zip(tags, mask, strict=True)] == [path for path, _ in found]
    torch.testing.assert_close(scores, torch.tensor([score for _, score in found]), rtol=1e-5, atol=1e-3)
    best, values = crf.n_best(emissions, mask, 3)
    for b, paths in enumerate(theirs.viterbi_tags(emissions, mask, top_k=3)):
        ours = [best[b, place, mask[b]].tolist() for place in range(len(paths))]
        if length > 1:
            assert ours == [path for path, _ in paths]
            torch.testing.assert_close(values[b], torch.tensor([s for _, s in paths]), rtol=1e-5, atol=1e-3)


@ways
@pytest.mark.parametrize("batch, length, number", [(1, 1, 3), (6, 12, 9), (2, 60, 21)])
def test_equal_to_pytorch_crf(compiled, batch, length, number):
    emissions, gold, mask = prefix_batch(batch, length, number)
    for reduction in REDUCTIONS:
        crf = made(number, length, reduction=reduction)
        theirs = copied(crf, torchcrf.CRF(number, batch_first=True))
        loss = crf(emissions, gold, mask)
        expected = -theirs(emissions, gold, mask, reduction=reduction)
        torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)
        ours = torch.autograd.grad(loss, list(crf.parameters()))
        scores = theirs.transitions, theirs.start_transitions, theirs.end_transitions
        # Its loss of single tokens leaves the transitions out, as if they had no gradient.
        expected_gradients = torch.autograd.grad(expected, scores, allow_unused=True)
        for gradient, other in zip(ours, expected_gradients, strict=True):
            other = torch.zeros_like(gradient) if other is None else other
            torch.testing.assert_close(gradient, other, rtol=1e-4, atol=1e-5)
    tags = crf.viterbi(emissions, mask).tags
    assert [row[kept].tolist() for row, kept in zip(tags, mask, strict=True)] == theirs.decode(emissions, mask)


@st.composite
def entity_cases(draw):
    constrained = draw(st.booleans())
    return draw(st.sampled_from(SCHEMES)), constrained, draw(st.integers(0, 5)), draw(st.integers(0, 999))


@ways
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=entity_cases())
def test_entity_probabilities_equal_enumeration(compiled, case):
    """For every span of every type: the share of the taggings that are read as having just this entity."""
    scheme, constrained, length, seed = case
    tag_set = TagSet(["X", "Y"] if length < 5 else ["X"], scheme)
    crf = made(len(tag_set), seed, constraints=tag_set.constraints() if constrained else None)
    emissions, _, mask = random_batch(2, length, len(tag_set), seed, kept=0.85)
    every = [
        (b, start, end, type_id)
        for b, start, end in itertools.product(range(-1, 3), range(-1, length + 1), range(length + 2))
        for type_id in range(len(tag_set.types) + 1)
    ]
    columns = torch.tensor(every, dtype=torch.int64).view(-1, 4).unbind(1)
    actual = crf.entity_probabilities(emissions, mask, tag_set, Spans(*columns))
    expected = dict.fromkeys(every, 0.0)
    potentials = crf.potentials(emissions, mask)
    for b in range(2):
        paths, scores = taggings(potentials, b)
        tags = torch.zeros(len(paths), length, dtype=torch.int64)
        tags[:, mask[b]] = paths
        spans = tag_set.spans(tags, mask[b].expand(len(paths), -1))
        shares = scores.detach().softmax(0)
        for path, start, end, type_id in zip(*(column.tolist() for column in spans), strict=True):
            expected[b, start, end, type_id] += float(shares[path])
    torch.testing.assert_close(actual.double(), torch.tensor(list(expected.values())).double(), rtol=2e-4, atol=1e-6)


@ways
def test_wide_entities_have_their_probability_in_closed_form(compiled):
    """A thousand tokens that are all but certain, and an entity within them in doubt."""
    tag_set = TagSet(["X"], "BIOES")
    mask = torch.ones(1, 1000, dtype=torch.bool)
    gold = tag_set.targets(torch.tensor([[[10, 950, 0]]]), mask)
    emissions = 40.0 * torch.nn.functional.one_hot(gold, len(tag_set)).float()
    emissions[0, 10] = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0])
    crf = made(len(tag_set), scale=0.0, constraints=tag_set.constraints())
    spans = Spans(*torch.tensor([[0, 0], [10, 11], [950, 950], [0, 0]]))
    actual = crf.entity_probabilities(emissions, mask, tag_set, spans)
    # Without its first token the entity is the one from the next on, whose first tag is B in place of I.
    whole, rest = torch.tensor([1.0 + 40.0, 0.0]).softmax(0).tolist()
    torch.testing.assert_close(actual, torch.tensor([whole, rest]), rtol=1e-3, atol=1e-6)


@ways
def test_probabilities_where_scores_are_not_numbers_or_there_is_nothing(compiled):
    tag_set = TagSet(["X"])
    crf = made(3, constraints=tag_set.constraints())
    emissions, _, mask = random_batch(2, 4, 3, kept=1.0)
    emissions[1, 2, 0] = torch.nan
    spans = Spans(*torch.tensor([[0, 1], [0, 0], [1, 1], [0, 0]]))
    found = crf.entity_probabilities(emissions, mask, tag_set, spans)
    assert 0 < found[0] < 1 and found[1].isnan()
    nothing = Spans(*torch.zeros(4, 0, dtype=torch.int64))
    assert crf.entity_probabilities(emissions, mask, tag_set, nothing).shape == (0,)
    assert crf.entity_probabilities(emissions[:, :0], mask[:, :0], tag_set, spans).tolist() == [0, 0]


@ways
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("use_start_end", [True, False])
@pytest.mark.parametrize(
    "batch, length, kept", [(3, 5, 1.0), (3, 5, 0.5), (2, 1, 1.0), (2, 3, 0.0), (2, 0, 1.0), (0, 4, 1.0)]
)
def test_every_parameter_gets_a_gradient_in_every_step(compiled, reduction, use_start_end, batch, length, kept):
    crf = made(5, reduction=reduction, use_start_end=use_start_end)
    emissions, gold, mask = random_batch(batch, length, 5, kept=kept)
    loss = crf(emissions, gold, mask)
    loss.backward()
    assert loss.shape == () and loss.isfinite()
    assert len(list(crf.parameters())) == (3 if use_start_end else 1)
    for parameter in crf.parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all()
    sums = crf.log_likelihood(emissions, gold, mask)
    divisor = {"sum": 1, "mean": max(batch, 1), "token_mean": max(int(mask.sum()), 1)}[reduction]
    torch.testing.assert_close(loss, -sums.sum() / divisor)


@ways
def test_float32_under_autocast_and_for_half_precision(compiled):
    crf = made(5, constraints=TagSet(["X"], "BIOES").constraints(), constrain_training=True)
    emissions, gold, mask = random_batch(3, 6, 5, kept=1.0)
    gold = torch.zeros_like(gold)
    for dtype in (torch.bfloat16, torch.float16):
        low = emissions.to(dtype).requires_grad_()
        expected = crf(low.detach().float(), gold, mask)
        with torch.autocast("cpu", torch.bfloat16):
            loss = crf(low, gold, mask)
            loss.backward()
            marginals, best = crf.marginals(low.detach(), mask), crf.viterbi(low, mask)
        assert loss.dtype == marginals.dtype == best.scores.dtype == torch.float32 and low.grad.dtype == dtype
        torch.testing.assert_close(loss, expected)
        torch.testing.assert_close(marginals, crf.marginals(low.detach().float(), mask))
    exact = crf.double()
    with torch.autocast("cpu", torch.bfloat16):
        assert exact(emissions.double(), gold, mask).dtype == torch.float64


@ways
def test_half_precision_that_overflowed_marks_its_rows_alone(compiled):
    crf = made(3, constraints=TagSet(["X"]).constraints())
    emissions, gold, mask = random_batch(3, 4, 3, kept=1.0)
    low = emissions.half()
    low[1, 2] *= 1e5
    assert low.isinf().any()
    assert crf.viterbi(low, mask).invalid.tolist() == [False, True, False]
    assert crf.log_likelihood(low, gold, mask).isfinite().tolist() == [True, False, True]
    assert crf.marginals(low, mask).isfinite().all(2).all(1).tolist() == [True, False, True]


@ways
def test_gold_that_breaks_constraints_costs_a_finite_loss_with_gradients(compiled):
    tag_set = TagSet(["X"])
    crf = made(3, constraints=tag_set.constraints(), constrain_training=True)
    emissions, _, mask = random_batch(1, 3, 3, kept=1.0)
    emissions.requires_grad_()
    loss = crf(emissions, torch.tensor([[2, 0, 2]]), mask)  # I O I: two breaches
    loss.backward()
    assert loss.item() == pytest.approx(2e6, rel=1e-4)
    assert emissions.grad.abs().max() <= 1 and crf.transitions.grad.isfinite().all()


@ways
def test_padding_order_and_company_change_nothing(compiled):
    crf = made(6)
    emissions, gold, mask = random_batch(4, 8, 6, 5)
    alone = torch.cat([crf.log_likelihood(emissions[b : b + 1], gold[b : b + 1], mask[b : b + 1]) for b in range(4)])
    torch.testing.assert_close(crf.log_likelihood(emissions, gold, mask), alone)
    order = [2, 0, 3, 1]
    torch.testing.assert_close(crf.log_likelihood(emissions[order], gold[order], mask[order]), alone[order])
    pad = torch.nn.functional.pad
    for sides in ((0, 5), (5, 0), (2, 3)):
        wider = pad(emissions, (0, 0, *sides), value=torch.nan), pad(gold, sides, value=-1), pad(mask, sides)
        torch.testing.assert_close(crf.log_likelihood(*wider), alone)
        found = crf.viterbi(wider[0], wider[2])
        inner = slice(sides[0], sides[0] + 8)
        assert torch.equal(found.tags[:, inner], crf.viterbi(emissions, mask).tags) and not found.invalid.any()


@ways
def test_sub_pieces_are_removed_and_not_masked(compiled):
    """A chain over first pieces in place is the chain over words, and the chain over the compact rows."""
    crf = made(5)
    words, gold, _ = random_batch(2, 4, 5, 3, kept=1.0)
    pieces = torch.tensor([[0, 2, 3, 6], [1, 2, 5, 7]])  # where each word's first piece stands
    emissions = torch.full((2, 8, 5), 7.0).scatter(1, pieces.unsqueeze(2).expand_as(words), words)
    mask = torch.zeros(2, 8, dtype=torch.bool).scatter(1, pieces, True)
    tags = torch.full((2, 8), -100).scatter(1, pieces, gold)
    expected = crf.log_likelihood(words, gold, torch.ones(2, 4, dtype=torch.bool))
    torch.testing.assert_close(crf.log_likelihood(emissions, tags, mask), expected)
    compaction = Compaction(mask, width=4)
    assert torch.equal(compaction.left(emissions), words)
    actual = crf.log_likelihood(compaction.left(emissions), compaction.left(tags), compaction.mask)
    torch.testing.assert_close(actual, expected)
    best = crf.viterbi(compaction.left(emissions), compaction.mask).tags
    assert torch.equal(compaction.back(best), crf.viterbi(emissions, mask).tags)


def test_marginals_entropy_and_n_best_obey_constraints():
    tag_set = TagSet(["X"], "BIOES")
    crf = made(5, constraints=tag_set.constraints())
    emissions, _, mask = random_batch(3, 5, 5, 2)
    marginals, allowed = crf.marginals(emissions, mask), tag_set.constraints()
    for b in range(3):
        kept = mask[b].nonzero().flatten().tolist()
        assert (marginals[b, kept[0]][~allowed.start] < 1e-20).all()
        assert (marginals[b, kept[-1]][~allowed.end] < 1e-20).all()
    torch.testing.assert_close(marginals.sum(2), mask.float())
    best, scores = crf.n_best(emissions, mask, 4)
    assert torch.equal(best[:, 0], crf.viterbi(emissions, mask).tags)
    assert (scores[:, :-1] >= scores[:, 1:]).all()
    shares = (scores - crf.log_partition(emissions, mask).unsqueeze(1)).exp()
    assert (shares.sum(1) <= 1 + 1e-5).all()
    assert (crf.entropy(emissions, mask) >= torch.special.entr(shares).sum(1) - 1e-4).all()


def test_constraints_are_no_weights():
    constraints = TagSet(["X"]).constraints()
    crf = ConditionalRandomField(3, constraints)
    assert sorted(crf.state_dict()) == ["end_scores", "start_scores", "transitions"]
    assert all(p.abs().max() <= 0.1 for p in crf.parameters())
    ConditionalRandomField(3).load_state_dict(crf.state_dict())
    assert "3 tags, constrained=True" in repr(crf)


def test_settings_that_make_no_sense():
    with pytest.raises(ConfigError, match="reduction must be one of sum, mean, token_mean, got 'average'"):
        ConditionalRandomField(3, reduction="average")
    with pytest.raises(ConfigError, match="constrain_training needs constraints"):
        ConditionalRandomField(3, constrain_training=True)
    with pytest.raises(ConfigError, match="has 4 tags, but its constraints have 3"):
        ConditionalRandomField(4, TagSet(["X"]).constraints())


def test_constraints_are_given_as_booleans():
    everything = Constraints(torch.ones(2).bool(), torch.ones(2).bool(), torch.ones(2, 2).bool())
    crf = made(2, constraints=everything)
    emissions, _, mask = random_batch(2, 3, 2)
    free = crf.potentials(emissions, mask, constrained=False)
    for constrained, raw in zip(crf.potentials(emissions, mask), free, strict=True):
        torch.testing.assert_close(constrained, raw, equal_nan=True)
