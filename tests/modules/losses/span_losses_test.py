import ner_plugins  # noqa: F401  isort: skip  (AllenNLP imports on these libraries only after it)

import itertools
import math

import pytest
import torch
from allennlp.common import Lazy, Params
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from ner_plugins.errors import ConfigError
from ner_plugins.heads.biaffine import span_mask
from ner_plugins.modules.losses.span_loss import CrossEntropySpanLoss, SpanLoss
from ner_plugins.modules.losses.span_losses import (
    BoundarySmoothingSpanLoss,
    DiceSpanLoss,
    FocalSpanLoss,
    smooth_boundaries,
)

# Each softmax loss with what it is, written out, where the gold class has probability p.
SOFTMAX = [
    (CrossEntropySpanLoss, {}, lambda p: -math.log(p)),
    (FocalSpanLoss, {}, lambda p: -((1 - p) ** 2) * math.log(p)),
    (FocalSpanLoss, {"gamma": 0.5}, lambda p: -((1 - p) ** 0.5) * math.log(p)),
]
ALL = [
    *[(kind, {**options, "label_smoothing": 0.2}) for kind, options, _ in SOFTMAX],
    *[(kind, options) for kind, options, _ in SOFTMAX],
    (DiceSpanLoss, {}),
    (DiceSpanLoss, {"alpha": 0.0, "gamma": 0.1}),
    (BoundarySmoothingSpanLoss, {"epsilon": 0.3, "distance": 2}),
    (BoundarySmoothingSpanLoss, {"loss": Lazy(DiceSpanLoss, alpha=0.0)}),
    (BoundarySmoothingSpanLoss, {"loss": Lazy(FocalSpanLoss, gamma=3.0, label_smoothing=0.1)}),
]


def random_cells(dtype=torch.float64):
    torch.manual_seed(0)
    logits = (2 * torch.randn(3, 5, 4, 3, dtype=dtype)).requires_grad_()
    mask = span_mask(torch.arange(5) < torch.tensor([[5], [4], [2]]), 4)
    targets = torch.randint(3, (3, 5, 4)) * (torch.rand(3, 5, 4) < 0.3)
    return logits, targets, mask


def written_out(of_probability, distribution, logits, mask):
    """The sum over cells, one class of one cell at a time; `distribution` is the gold."""
    total = 0.0
    for cell in itertools.product(*map(range, mask.shape)):
        if not mask[cell]:
            continue
        exponentials = [math.exp(x) for x in logits[cell].tolist()]
        for gold, exponential in zip(distribution[cell].tolist(), exponentials, strict=True):
            total += gold * of_probability(exponential / sum(exponentials))
    return total


@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
@pytest.mark.parametrize("reduction", ["batch", "cells", "positives"])
@pytest.mark.parametrize("kind, options, formula", SOFTMAX)
def test_softmax_losses_equal_their_formulas(kind, options, formula, reduction, label_smoothing):
    logits, targets, mask = random_cells()
    loss = kind(**options, reduction=reduction, label_smoothing=label_smoothing)(logits, targets, mask, 3)
    gold = F.one_hot(targets, 3).double() * (1 - label_smoothing) + label_smoothing / 3
    divisor = {"batch": 3, "cells": int(mask.sum()), "positives": int((mask & (targets > 0)).sum())}[reduction]
    assert divisor > 1
    assert loss.item() == pytest.approx(written_out(formula, gold, logits, mask) / divisor, abs=1e-12)


@pytest.mark.parametrize("kind, options", [case for case in ALL if case != (DiceSpanLoss, {})])  # its weight is held
def test_gradcheck(kind, options):
    logits, targets, mask = random_cells()
    loss = kind(**options)
    assert torch.autograd.gradcheck(lambda x: loss(x, targets, mask, 3), (logits,))


@pytest.mark.parametrize("kind, options", ALL)
def test_class_losses_are_the_cell_losses_of_each_class(kind, options):
    logits, _, _ = random_cells()
    torch.testing.assert_close(kind(**options).class_losses(logits), SpanLoss.class_losses(kind(**options), logits))


@pytest.mark.parametrize("label_smoothing", [0.0, 0.3])
def test_label_smoothing_is_torchs(label_smoothing):
    logits, targets, mask = random_cells()
    loss = CrossEntropySpanLoss(label_smoothing=label_smoothing)(logits, targets, mask, 3)
    expected = F.cross_entropy(logits[mask], targets[mask], reduction="sum", label_smoothing=label_smoothing) / 3
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(*(torch.autograd.grad(value, logits)[0] for value in (loss, expected)))


def test_no_focus_is_cross_entropy():
    cells = random_cells()
    torch.testing.assert_close(FocalSpanLoss(gamma=0.0)(*cells, 3), CrossEntropySpanLoss()(*cells, 3))


@pytest.mark.parametrize("kind, options", ALL)
def test_certain_cells_have_finite_gradients(kind, options):
    # float32's softmax is exactly 1 and 0 here.
    logits = torch.tensor([[[[200.0, -200.0, 0.0], [-200.0, 200.0, 0.0]]]], requires_grad=True)
    mask = torch.ones(1, 1, 2, dtype=torch.bool)
    for targets in (torch.tensor([[[0, 1]]]), torch.tensor([[[1, 0]]])):
        loss = kind(**options)(logits, targets, mask, 1)
        (gradient,) = torch.autograd.grad(loss, logits)
        assert loss.isfinite() and gradient.isfinite().all()


def dice_by_hand(probabilities, gold, weights, gamma):
    """Over all cells, one type of one cell at a time. Shape of the first two: (cells, classes)"""
    overlap = size = torch.zeros((), dtype=torch.float64)
    for p, y, w in zip(probabilities, gold, weights, strict=True):
        for t in range(1, len(p)):
            overlap, size = overlap + w * p[t] * y[t], size + w * (p[t] + y[t])
    return 1 - (2 * overlap + gamma) / (size + gamma)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("reduction", ["batch", "cells", "positives"])
@pytest.mark.parametrize("alpha, gamma", [(0.0, 1.0), (0.5, 0.1), (1.0, 1.0)])
def test_dice_and_its_gradient_equal_the_formula_with_the_weights_held(alpha, gamma, reduction, smoothing):
    logits, targets, mask = random_cells()
    loss = BoundarySmoothingSpanLoss(smoothing, 1, Lazy(DiceSpanLoss, alpha=alpha, gamma=gamma), reduction)
    actual = loss(logits, targets, mask, 3)
    gold = smooth_boundaries(targets, mask, 3, smoothing, 1)[mask].double()
    probabilities = logits.softmax(-1)[mask]
    weights = [(1 - float((p * y).sum().detach())) ** alpha for p, y in zip(probabilities, gold, strict=True)]
    entities = int((mask & (targets > 0)).sum())
    divisor = {"batch": 3, "cells": int(mask.sum()), "positives": entities}[reduction]
    expected = dice_by_hand(probabilities, gold, weights, gamma) * entities / divisor
    torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(*(torch.autograd.grad(value, logits)[0] for value in (actual, expected)))
    if smoothing == 0.0:
        plain = DiceSpanLoss(alpha, gamma, reduction)
        torch.testing.assert_close(plain(logits, targets, mask, 3), expected)


def test_dice_of_one_cell():
    # Of three classes alike the gold one has p = 1/3, so w = 2/3; the types have 2/3 together.
    losses = DiceSpanLoss().class_losses(torch.zeros(1, 3, dtype=torch.float64))
    as_type = 1 - (2 * (2 / 3) * (1 / 3) + 1) / ((2 / 3) * (2 / 3 + 1) + 1)
    as_none = 1 - 1 / ((2 / 3) * (2 / 3) + 1)
    torch.testing.assert_close(losses, torch.tensor([[as_none, as_type, as_type]], dtype=torch.float64))


def published_dice(p, alpha, gamma):
    """Li et al. 2020's form for one example, as Biaffine-BERT-NER has it."""
    weighted = (1 - p) ** alpha * p
    return 1 - (2 * weighted + gamma) / (weighted + 1 + gamma)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("gamma", [0.01, 1.0])
def test_dice_always_asks_for_more_where_the_published_one_turns_back(alpha, gamma):
    published = published_dice(p := torch.linspace(0.001, 0.999, 999, dtype=torch.float64), alpha, gamma)
    assert abs(p[published.argmin()] - 1 / (1 + alpha)) < 0.002
    logits, targets, mask = random_cells()
    (gradient,) = torch.autograd.grad(DiceSpanLoss(alpha, gamma)(logits, targets, mask, 3), logits)
    assert (gradient.gather(-1, targets.unsqueeze(-1)).squeeze(-1)[mask] < 0).all()
    certain = 100.0 * F.one_hot(targets, 3)
    assert DiceSpanLoss(alpha, gamma)(certain, targets, mask, 3) == 0.0


def f1_of_a_linear_model(loss):
    """Micro F1 on unseen cells, of which 2 in 100 are entities, after training with `loss`."""
    generator = torch.Generator().manual_seed(0)
    targets = (torch.rand(2, 4000, generator=generator) < 0.02) * torch.randint(1, 4, (2, 4000), generator=generator)
    cells = torch.randn(4, 20, generator=generator)[targets] + 0.7 * torch.randn(2, 4000, 20, generator=generator)
    weight, bias = torch.zeros(4, 20, requires_grad=True), torch.zeros(4, requires_grad=True)
    optimizer = torch.optim.Adam([weight, bias], lr=0.05)
    for _ in range(250):
        optimizer.zero_grad()
        loss(F.linear(cells[0], weight, bias), targets[0]).backward()
        optimizer.step()
    found = F.linear(cells[1], weight, bias).argmax(-1)
    hits = int(((found == targets[1]) & (found > 0)).sum())
    return 2 * hits / int((found > 0).sum() + (targets[1] > 0).sum())


def test_dice_converges_to_what_cross_entropy_reaches_and_the_published_one_does_not():
    everywhere = torch.ones(4000, dtype=torch.bool)
    cross_entropy = CrossEntropySpanLoss("cells")
    reached = f1_of_a_linear_model(lambda logits, targets: cross_entropy(logits, targets, everywhere, 1))
    assert reached > 0.95
    for reduction in ("batch", "cells", "positives"):
        dice = DiceSpanLoss(reduction=reduction)
        assert f1_of_a_linear_model(lambda x, y, dice=dice: dice(x, y, everywhere, 1)) > reached - 0.02

    def published(logits, targets):
        return published_dice(logits.softmax(-1).gather(-1, targets.unsqueeze(-1)), 1.0, 1.0).mean()

    assert f1_of_a_linear_model(published) < reached - 0.1


def smoothed_by_hand(targets, mask, classes, epsilon, distance):
    """One entity, one distance and one span around it at a time; what is outside comes back to the entity."""
    soft = torch.zeros(*targets.shape, classes, dtype=torch.float64)
    batch, length, width = targets.shape
    spans = [(i, j) for i in range(length) for j in range(i, min(length, i + width))]
    for b, (i, j) in itertools.product(range(batch), spans):
        gold = int(targets[b, i, j - i])
        if gold == 0 or not mask[b, i, j - i]:
            continue
        soft[b, i, j - i, gold] += 1.0
        for k, m in spans:
            d = abs(i - k) + abs(j - m)
            if 1 <= d <= distance and mask[b, k, m - k]:
                soft[b, k, m - k, gold] += epsilon / (distance * 4 * d)
                soft[b, i, j - i, gold] -= epsilon / (distance * 4 * d)
    total = soft.sum(-1, keepdim=True)
    soft = torch.where(total > 1, soft / total, soft)
    soft[..., 0] = 1 - soft.sum(-1)
    return soft


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 8), st.integers(1, 8), st.integers(2, 4)),
    st.sampled_from([0.0, 0.1, 0.9]),
    st.integers(1, 3),
    st.sampled_from([0.05, 0.5]),
    st.integers(0, 999),
)
def test_boundary_smoothing_equals_its_definition(size, epsilon, distance, density, seed):
    batch, length, width, classes = size
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, length, min(width, length))
    targets = torch.randint(1, classes, shape, generator=generator) * (torch.rand(shape, generator=generator) < density)
    mask = span_mask(torch.rand(batch, length, generator=generator) < 0.9, shape[2])
    soft = smooth_boundaries(targets, mask, classes, epsilon, distance)
    expected = smoothed_by_hand(targets, mask, classes, epsilon, distance)
    torch.testing.assert_close(soft.double(), expected, atol=1e-6, rtol=0.0)
    torch.testing.assert_close(soft.sum(-1), torch.ones(shape))
    assert (soft >= 0).all() and (soft[~mask][:, 0] == 1).all()


def test_boundary_smoothing_of_one_entity():
    targets = torch.zeros(1, 6, 4, dtype=torch.int64)
    targets[0, 2, 1] = 2  # tokens 2 and 3
    soft = smooth_boundaries(targets, span_mask(torch.ones(1, 6, dtype=torch.bool), 4), 3, 0.2, 1)
    shares = {tuple(cell): round(soft[0][tuple(cell)][2].item(), 6) for cell in soft[0, :, :, 2].nonzero().tolist()}
    assert shares == {(1, 2): 0.05, (2, 0): 0.05, (2, 1): 0.8, (2, 2): 0.05, (3, 0): 0.05}
    assert (soft[..., 1] == 0).all()


@pytest.mark.parametrize("reduction", ["batch", "cells", "positives"])
@pytest.mark.parametrize("kind", [CrossEntropySpanLoss, FocalSpanLoss])
def test_without_epsilon_boundary_smoothing_changes_nothing(kind, reduction):
    cells = random_cells()
    smoothed = BoundarySmoothingSpanLoss(0.0, 2, Lazy(kind), reduction)(*cells, 3)
    torch.testing.assert_close(smoothed, kind(reduction=reduction)(*cells, 3))


@pytest.mark.parametrize("kind, options, formula", SOFTMAX)
def test_boundary_smoothing_of_every_loss_equals_its_formula(kind, options, formula):
    logits, targets, mask = random_cells()
    loss = BoundarySmoothingSpanLoss(0.3, 2, Lazy(kind, **options))(logits, targets, mask, 3)
    gold = smoothed_by_hand(targets, mask, 3, 0.3, 2)
    assert loss.item() == pytest.approx(written_out(formula, gold, logits, mask) / 3, abs=1e-6)


@pytest.mark.parametrize("kind, options", ALL)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(kind, options, dtype):
    logits, targets, mask = random_cells()
    low = (logits * 5000).detach().to(dtype)
    with torch.autocast("cpu", torch.bfloat16):
        loss = kind(**options)(low, targets, mask, 3)
    assert loss.dtype == torch.float32 and loss.isfinite()
    torch.testing.assert_close(loss, kind(**options)(low.float(), targets, mask, 3))


@pytest.mark.parametrize("kind, options", ALL)
def test_an_overflow_is_not_hidden(kind, options):
    logits, targets, mask = random_cells()
    low = (logits * 50000).detach().half()
    assert low.isinf().any(-1)[mask].any()
    assert not kind(**options)(low, targets, mask, 3).isfinite()


@pytest.mark.parametrize("kind, options", ALL)
def test_nothing_to_count_gives_zero_with_a_graph(kind, options):
    logits, targets, mask = random_cells()
    loss = kind(**options)(logits, targets, torch.zeros_like(mask), 3)
    loss.backward()
    assert loss.item() == 0.0 and (logits.grad == 0).all()


def test_configs_name_them():
    assert isinstance(SpanLoss.from_params(Params({"type": "focal", "gamma": 3})), FocalSpanLoss)
    assert SpanLoss.from_params(Params({"type": "dice", "alpha": 0.5, "reduction": "cells"})).alpha == 0.5
    smoothing = {"type": "boundary_smoothing", "epsilon": 0.2, "distance": 2, "reduction": "cells"}
    loss = SpanLoss.from_params(Params({**smoothing, "loss": {"type": "focal", "gamma": 1.0}}))
    assert (loss.epsilon, loss.distance, loss.reduction, loss.inner.gamma) == (0.2, 2, "cells", 1.0)
    with pytest.raises(ConfigError, match=r"reduction is cells.*its loss's is batch"):
        SpanLoss.from_params(Params({**smoothing, "loss": {"type": "focal", "reduction": "batch"}}))


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: CrossEntropySpanLoss(label_smoothing=1.0), r"label_smoothing lies in \[0, 1\), not 1.0"),
        (lambda: FocalSpanLoss(gamma=-1.0), "gamma is not negative, as -1.0"),
        (lambda: DiceSpanLoss(alpha=-1.0), "alpha >= 0"),
        (lambda: DiceSpanLoss(gamma=0.0), "gamma > 0"),
        (lambda: BoundarySmoothingSpanLoss(epsilon=1.0), r"epsilon lies in \[0, 1\), not 1.0"),
        (lambda: BoundarySmoothingSpanLoss(distance=0), "at least 1 token, not 0"),
        (lambda: BoundarySmoothingSpanLoss(reduction="mean"), "Unknown loss reduction 'mean'"),
    ],
)
def test_wrong_settings_are_named(build, message):
    with pytest.raises(ConfigError, match=message):
        build()
