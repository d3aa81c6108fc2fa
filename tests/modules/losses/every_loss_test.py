import ner_plugins  # noqa: F401  isort: skip  (AllenNLP imports on these libraries only after it)

import pytest
import torch
from loss_cases import ALL, SOFTMAX, random_cells, written_out
from torch.nn import functional as F

from ner_plugins.modules.losses import CellLoss, DiceLoss


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


@pytest.mark.parametrize("kind, options", [case for case in ALL if case != (DiceLoss, {})])  # its weight is held
def test_gradcheck(kind, options):
    logits, targets, mask = random_cells()
    loss = kind(**options)
    assert torch.autograd.gradcheck(lambda x: loss(x, targets, mask, 3), (logits,))


@pytest.mark.parametrize("kind, options", ALL)
def test_class_losses_are_the_cell_losses_of_each_class(kind, options):
    logits, _, _ = random_cells()
    torch.testing.assert_close(kind(**options).class_losses(logits), CellLoss.class_losses(kind(**options), logits))


@pytest.mark.parametrize("kind, options", ALL)
def test_certain_cells_have_finite_gradients(kind, options):
    # float32's softmax is exactly 1 and 0 here.
    logits = torch.tensor([[[[200.0, -200.0, 0.0], [-200.0, 200.0, 0.0]]]], requires_grad=True)
    mask = torch.ones(1, 1, 2, dtype=torch.bool)
    for targets in (torch.tensor([[[0, 1]]]), torch.tensor([[[1, 0]]])):
        loss = kind(**options)(logits, targets, mask, 1)
        (gradient,) = torch.autograd.grad(loss, logits)
        assert loss.isfinite() and gradient.isfinite().all()


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
