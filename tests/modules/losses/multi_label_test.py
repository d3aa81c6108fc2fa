import ner_plugins  # noqa: F401  isort: skip  (AllenNLP imports on these libraries only after it)

import itertools
import math

import pytest
import torch
from allennlp.common import Lazy
from loss_cases import random_cells, smoothed_by_hand

from ner_plugins.errors import ConfigError
from ner_plugins.heads import PointerHead, TagsHead
from ner_plugins.modules.losses import BoundarySmoothingLoss, CellLoss, MultiLabelLoss


def written_out(logits, gold, mask):
    """Sentence by sentence, type by type; `gold` is a distribution over the classes of each cell."""
    logits = logits.detach()
    total, types = 0.0, logits.size(-1) - 1
    for sentence, t in itertools.product(range(len(logits)), range(1, types + 1)):
        negative = positive = 1.0
        for cell in itertools.product(*map(range, mask.shape[1:])):
            if mask[(sentence, *cell)]:
                s = float(logits[(sentence, *cell)][t] - logits[(sentence, *cell)][0])
                share = float(gold[(sentence, *cell)][t])
                negative, positive = negative + (1 - share) * math.exp(s), positive + share * math.exp(-s)
        total += (math.log(negative) + math.log(positive)) / types
    return total


@pytest.mark.parametrize("reduction", ["batch", "cells", "positives"])
def test_it_equals_its_formula(reduction):
    logits, targets, mask = random_cells()
    gold = torch.nn.functional.one_hot(targets, 3)
    divisor = {"batch": 3, "cells": int(mask.sum()), "positives": int((mask & (targets > 0)).sum())}[reduction]
    loss = MultiLabelLoss(reduction)(logits, targets, mask, 3)
    assert loss.item() == pytest.approx(written_out(logits, gold, mask) / divisor, abs=1e-12)


def test_smoothed_gold_weights_the_sums():
    logits, targets, mask = random_cells()
    gold = smoothed_by_hand(targets, mask, 3, 0.3, 2)
    loss = BoundarySmoothingLoss(0.3, 2, Lazy(MultiLabelLoss))(logits, targets, mask, 3)
    assert loss.item() == pytest.approx(written_out(logits, gold, mask) / 3, rel=1e-8)  # gold in float32
    none = BoundarySmoothingLoss(0.0, 2, Lazy(MultiLabelLoss))(logits, targets, mask, 3)
    torch.testing.assert_close(none, MultiLabelLoss()(logits, targets, mask, 3))


@pytest.mark.parametrize("probability", [0.02, 0.3, 0.9])
def test_the_only_span_in_doubt_gets_its_probability(probability):
    """The expected loss is least where the sigmoid is how often the span is an entity."""
    logits = torch.full((1, 3, 3, 2), -30.0, dtype=torch.float64)
    logits[0, 1, 1, 1] = 30.0  # a certain entity
    logits[..., 0] = 0.0
    logits[0, 0, 0, 1] = math.log(probability / (1 - probability))
    logits.requires_grad_()
    mask = torch.ones(1, 3, 3, dtype=torch.bool)
    without = torch.zeros(1, 3, 3, dtype=torch.int64)
    without[0, 1, 1] = 1
    with_it = without.clone()
    with_it[0, 0, 0] = 1
    loss = MultiLabelLoss()
    expected = probability * loss(logits, with_it, mask, 1) + (1 - probability) * loss(logits, without, mask, 1)
    (gradient,) = torch.autograd.grad(expected, logits)
    assert gradient.abs().max() < 1e-9


def test_a_sentence_of_one_span_is_a_cell():
    logits, targets, _ = random_cells()
    alone, of_cells = logits.reshape(-1, 1, 1, 3), targets.reshape(-1, 1, 1)
    whole = MultiLabelLoss()(alone, of_cells, torch.ones_like(of_cells, dtype=torch.bool), 1)
    torch.testing.assert_close(MultiLabelLoss().cell_losses(logits, targets).sum(), whole)


def test_heads_over_tokens_refuse_it():
    loss = CellLoss.by_name("multi_label")
    assert loss is MultiLabelLoss
    for head, options in ((TagsHead, {"decoder": "softmax"}), (PointerHead, {})):
        with pytest.raises(ConfigError, match="over spans together, but this head scores tokens"):
            head(4, ["a"], loss=loss(), **options)
