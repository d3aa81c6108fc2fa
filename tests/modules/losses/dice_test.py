import ner_plugins  # noqa: F401  isort: skip  (AllenNLP imports on these libraries only after it)

import pytest
import torch
from allennlp.common import Lazy, Params
from loss_cases import random_cells
from torch.nn import functional as F

from ner_plugins.errors import ConfigError
from ner_plugins.modules.losses import BoundarySmoothingLoss, CellLoss, CrossEntropyLoss, DiceLoss
from ner_plugins.modules.losses.boundary import smooth_boundaries


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
    loss = BoundarySmoothingLoss(smoothing, 1, Lazy(DiceLoss, alpha=alpha, gamma=gamma), reduction)
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
        plain = DiceLoss(alpha, gamma, reduction)
        torch.testing.assert_close(plain(logits, targets, mask, 3), expected)


def test_dice_of_one_cell():
    # Of three classes alike the gold one has p = 1/3, so w = 2/3; the types have 2/3 together.
    losses = DiceLoss().class_losses(torch.zeros(1, 3, dtype=torch.float64))
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
    (gradient,) = torch.autograd.grad(DiceLoss(alpha, gamma)(logits, targets, mask, 3), logits)
    assert (gradient.gather(-1, targets.unsqueeze(-1)).squeeze(-1)[mask] < 0).all()
    certain = 100.0 * F.one_hot(targets, 3)
    assert DiceLoss(alpha, gamma)(certain, targets, mask, 3) == 0.0


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
    cross_entropy = CrossEntropyLoss("cells")
    reached = f1_of_a_linear_model(lambda logits, targets: cross_entropy(logits, targets, everywhere, 1))
    assert reached > 0.95
    for reduction in ("batch", "cells", "positives"):
        dice = DiceLoss(reduction=reduction)
        assert f1_of_a_linear_model(lambda x, y, dice=dice: dice(x, y, everywhere, 1)) > reached - 0.02

    def published(logits, targets):
        return published_dice(logits.softmax(-1).gather(-1, targets.unsqueeze(-1)), 1.0, 1.0).mean()

    assert f1_of_a_linear_model(published) < reached - 0.1


def test_a_config_names_it():
    loss = CellLoss.from_params(Params({"type": "dice", "alpha": 0.5, "reduction": "cells"}))
    assert isinstance(loss, DiceLoss) and (loss.alpha, loss.reduction) == (0.5, "cells")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"alpha": -1.0}, r"loss\.alpha must be >= 0, got -1\.0"),
        ({"gamma": 0.0}, r"loss\.gamma must be > 0, got 0\.0"),
    ],
)
def test_wrong_settings_are_named(options, message):
    with pytest.raises(ConfigError, match=message):
        DiceLoss(**options)
