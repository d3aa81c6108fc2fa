import ner_plugins  # noqa: F401  isort: skip  (AllenNLP imports on these libraries only after it)

import pytest
import torch
from allennlp.common import Params
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.errors import ConfigError
from ner_plugins.modules.losses import (
    BoundarySmoothingLoss,
    CrossEntropyLoss,
    DiceLoss,
    FocalLoss,
    NegativeSampling,
    PerPositiveNegativeSampling,
    RatioNegativeSampling,
)

SAMPLINGS = [RatioNegativeSampling(0.3), PerPositiveNegativeSampling(2, 1), PerPositiveNegativeSampling(2, 1, "batch")]
LOSSES = [
    CrossEntropyLoss(),
    CrossEntropyLoss("cells", 0.1),
    FocalLoss(3.0),
    DiceLoss(reduction="positives"),
    BoundarySmoothingLoss(0.2),
]
shapes = st.tuples(st.integers(1, 4), st.integers(1, 7), st.integers(1, 6))


def random_masks(shape, seed, positive=0.1):
    generator = torch.Generator().manual_seed(seed)
    positives = torch.rand(shape, generator=generator) < positive
    return positives, ~positives & (torch.rand(shape, generator=generator) < 0.8)


def frequencies(sampling, positives, negatives, draws=2000):
    """How often each cell was drawn, by its share."""
    torch.manual_seed(0)
    return sum(sampling(positives, negatives).double() for _ in range(draws)) / draws


def test_ratio_keeps_each_negative_as_often_as_asked():
    positives, negatives = random_masks((3, 6, 5), 1)
    shares = frequencies(RatioNegativeSampling(0.3), positives, negatives)
    assert (shares[~negatives] == 0).all()
    deviation = (0.3 * 0.7 / 2000) ** 0.5
    assert (shares[negatives] - 0.3).abs().max() < 5 * deviation
    assert abs(shares[negatives].mean() - 0.3) < 5 * deviation / negatives.sum() ** 0.5


@settings(max_examples=100, deadline=None)
@given(shapes, st.integers(1, 4), st.integers(0, 4), st.sampled_from(["sentence", "batch"]), st.integers(0, 999))
def test_per_positive_keeps_exactly_so_many(shape, number, at_least, scope, seed):
    positives, negatives = random_masks(shape, seed)
    drawn = PerPositiveNegativeSampling(number, at_least, scope)(positives, negatives)
    assert not (drawn & ~negatives).any()
    groups = range(shape[0]) if scope == "sentence" else [slice(None)]
    for group in groups:
        asked = max(number * int(positives[group].sum()), at_least)
        assert int(drawn[group].sum()) == min(asked, int(negatives[group].sum()))


@pytest.mark.parametrize("scope", ["sentence", "batch"])
def test_per_positive_draws_every_negative_alike(scope):
    positives, negatives = random_masks((2, 5, 4), 2)
    assert positives[0].sum() > 0 and positives[1].sum() > 0
    shares = frequencies(PerPositiveNegativeSampling(2, 0, scope), positives, negatives)
    for group in (0, 1) if scope == "sentence" else (slice(None),):
        expected = 2 * int(positives[group].sum()) / int(negatives[group].sum())
        assert 0 < expected < 1
        deviation = (expected * (1 - expected) / 2000) ** 0.5
        assert (shares[group][negatives[group]] - expected).abs().max() < 5 * deviation


def test_a_sentence_without_entities_still_teaches():
    positives = torch.zeros(2, 4, 4, dtype=torch.bool)
    assert PerPositiveNegativeSampling(5, 3)(positives, ~positives).sum((1, 2)).tolist() == [3, 3]


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_the_seed_decides_and_evaluation_counts_all(sampling):
    positives, negatives = random_masks((3, 9, 6), 3)
    torch.manual_seed(5)
    first, second = sampling(positives, negatives), sampling(positives, negatives)
    torch.manual_seed(5)
    assert torch.equal(sampling(positives, negatives), first) and not torch.equal(first, second)
    sampling.eval()
    assert torch.equal(sampling(positives, negatives), negatives)
    sampling.train()


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_counts_its_gold_and_what_was_drawn(loss, sampling):
    generator = torch.Generator().manual_seed(4)
    logits = torch.randn(3, 7, 5, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    positives, _ = random_masks((3, 7, 5), 4, positive=0.05)
    mask = torch.rand(3, 7, 5, generator=generator) < 0.9
    targets = torch.randint(1, 4, (3, 7, 5), generator=generator) * positives
    soft = loss.soft_targets(targets, mask, 4)
    has_gold = mask & (positives if soft is None else soft[..., 0] < 1)
    torch.manual_seed(6)
    counted = has_gold | sampling(positives & mask, mask & ~has_gold)
    torch.manual_seed(6)
    sampled = loss(logits, targets, mask, 3, sampling)
    if soft is None:
        torch.testing.assert_close(sampled, loss(logits, targets, counted, 3))
    (gradient,) = torch.autograd.grad(sampled, logits)
    assert torch.equal((gradient != 0).any(-1), counted)
    assert has_gold.sum() < counted.sum() < mask.sum()
    assert (has_gold.sum() > (positives & mask).sum()) == isinstance(loss, BoundarySmoothingLoss)


def test_the_sampled_sum_is_unbiased():
    """With half of the negatives, the sum over them is half in the mean."""
    torch.manual_seed(7)
    logits, targets = torch.randn(2, 6, 5, 3), torch.zeros(2, 6, 5, dtype=torch.int64)
    mask, loss, sampling = torch.ones(2, 6, 5, dtype=torch.bool), CrossEntropyLoss(), RatioNegativeSampling(0.5)
    draws = torch.stack([loss(logits, targets, mask, 2, sampling) for _ in range(2000)])
    assert abs(draws.mean() - loss(logits, targets, mask, 2) / 2) < 5 * draws.std() / 2000**0.5


def test_configs_name_them():
    ratio = NegativeSampling.from_params(Params({"type": "ratio", "probability": 0.3}))
    assert isinstance(ratio, RatioNegativeSampling) and ratio.probability == 0.3
    per_positive = NegativeSampling.from_params(Params({"type": "per_positive", "negatives": 7, "scope": "batch"}))
    assert (per_positive.negatives, per_positive.at_least, per_positive.scope) == (7, 5, "batch")


def test_a_sampling_must_define_its_draw():
    class Unfinished(NegativeSampling):
        pass

    with pytest.raises(TypeError, match=r"abstract.*draw"):
        Unfinished()


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: RatioNegativeSampling(0.0), r"negative_sampling\.probability must be in \(0, 1\], got 0\.0"),
        (lambda: RatioNegativeSampling(1.5), r"negative_sampling\.probability must be in \(0, 1\], got 1\.5"),
        (lambda: PerPositiveNegativeSampling(0), r"negative_sampling\.negatives must be >= 1, got 0"),
        (lambda: PerPositiveNegativeSampling(1, -1), r"negative_sampling\.at_least must be >= 0, got -1"),
        (
            lambda: NegativeSampling.from_params(Params({"type": "per_positive", "scope": "epoch"})),
            r"scope is .epoch.; it can be sentence or batch",
        ),
    ],
)
def test_wrong_settings_are_named(build, message):
    with pytest.raises(ConfigError, match=message):
        build()
