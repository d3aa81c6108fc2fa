"""Weights of types in losses: torch's cross-entropy with weights, literal loops, and what is refused."""

import ner_plugins  # noqa: F401  isort: skip  (AllenNLP imports on these libraries only after it)

import itertools
import math
from copy import deepcopy
from typing import Any

import pytest
import torch
from allennlp.common import Params
from loss_cases import ALL, random_cells, smoothed_by_hand
from torch.nn import functional as F

from ner_plugins.errors import ConfigError
from ner_plugins.heads import BiaffineHead, Head, PairsHead, PointerHead, TagsHead
from ner_plugins.modules.losses import BoundarySmoothingLoss, CellLoss, CrossEntropyLoss, DiceLoss, MultiLabelLoss
from ner_plugins.modules.losses.type_weights import check_weights, checked_weights

NAMES = [None, "name", "city"]  # of the classes of `random_cells`
WEIGHTS = {"city": 4.0, "name": 0.25}
BY_CLASS = torch.tensor([1.0, 0.25, 4.0], dtype=torch.float64)


def weighted(kind: type[CellLoss], weights: dict[str, float] = WEIGHTS, **options: Any) -> CellLoss:
    loss = kind(**options, type_weights=weights)
    loss.name_classes(NAMES)
    return loss


def assert_same(actual: torch.Tensor, expected: torch.Tensor, logits: torch.Tensor) -> None:
    torch.testing.assert_close(actual, expected)
    gradients = (torch.autograd.grad(value, logits)[0] for value in (actual, expected))
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_cells_is_torchs_weighted_mean(smoothing: float) -> None:
    logits, targets, mask = random_cells()
    loss = weighted(CrossEntropyLoss, reduction="cells", label_smoothing=smoothing)
    expected = F.cross_entropy(logits[mask], targets[mask], weight=BY_CLASS, label_smoothing=smoothing)
    assert_same(loss(logits, targets, mask, 3), expected, logits)
    number = loss.weighted(logits, targets, mask, 3).number
    assert number.item() == pytest.approx(float(BY_CLASS[targets[mask]].sum()))


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("reduction", ["batch", "positives"])
def test_the_other_reductions_are_torchs_weighted_sum_by_the_same_number_as_without(
    reduction: str, smoothing: float
) -> None:
    logits, targets, mask = random_cells()
    loss = weighted(CrossEntropyLoss, reduction=reduction, label_smoothing=smoothing)
    total = F.cross_entropy(logits[mask], targets[mask], weight=BY_CLASS, label_smoothing=smoothing, reduction="sum")
    divisor = {"batch": 3, "positives": int((mask & (targets > 0)).sum())}[reduction]
    assert_same(loss(logits, targets, mask, 3), total / divisor, logits)


def test_the_sum_of_weights_is_at_least_1() -> None:
    logits = torch.randn(1, 1, 3, dtype=torch.float64)
    targets, mask = torch.tensor([[1]]), torch.ones(1, 1, dtype=torch.bool)
    loss = weighted(CrossEntropyLoss, reduction="cells")(logits, targets, mask, 1)
    torch.testing.assert_close(loss, 0.25 * F.cross_entropy(logits[0], targets[0]))


@pytest.mark.parametrize("reduction", ["batch", "cells", "positives"])
@pytest.mark.parametrize("kind, options", ALL)
def test_without_weights_not_a_bit_changes_and_weights_of_1_change_nothing(
    kind: type[CellLoss], options: dict[str, Any], reduction: str
) -> None:
    logits, targets, mask = random_cells()
    plain = kind(**options, reduction=reduction)
    expected = plain(logits, targets, mask, 3)
    named = kind(**deepcopy(options), reduction=reduction)
    named.name_classes(NAMES)
    assert torch.equal(named(logits, targets, mask, 3), expected)
    assert_same(
        weighted(kind, {"name": 1.0}, **deepcopy(options), reduction=reduction)(logits, targets, mask, 3),
        plain(logits, targets, mask, 3),
        logits,
    )
    assert not kind(**options, type_weights={"name": 2.0}).state_dict()


def test_smoothed_gold_weighs_each_share() -> None:
    logits, targets, mask = random_cells()
    soft = smoothed_by_hand(targets, mask, 3, 0.3, 2)
    losses = (-logits.log_softmax(-1) * soft * BY_CLASS).sum(-1)[mask]
    masses = (soft * BY_CLASS).sum(-1)[mask]
    loss = weighted(BoundarySmoothingLoss, epsilon=0.3, distance=2, reduction="cells")
    assert_same(loss(logits, targets, mask, 3), losses.sum() / masses.sum(), logits)
    unsmoothed = weighted(BoundarySmoothingLoss, epsilon=0.0, reduction="cells")(logits, targets, mask, 3)
    torch.testing.assert_close(unsmoothed, weighted(CrossEntropyLoss, reduction="cells")(logits, targets, mask, 3))


@pytest.mark.parametrize("reduction", ["batch", "cells"])
def test_multi_label_is_a_weighted_mean_over_the_types(reduction: str) -> None:
    logits, targets, mask = random_cells()
    logits = logits.detach()
    total = 0.0
    for sentence, (of_type, weight) in itertools.product(range(3), enumerate((0.25, 4.0), 1)):
        sums = [1.0, 1.0]
        for cell in itertools.product(range(5), range(4)):
            place = (sentence, *cell)
            if mask[place]:
                margin = float(logits[place][of_type] - logits[place][0])
                is_gold = int(targets[place]) == of_type
                sums[is_gold] += math.exp(-margin if is_gold else margin)
        total += weight * (math.log(sums[0]) + math.log(sums[1])) / 4.25
    loss = weighted(MultiLabelLoss, reduction=reduction)(logits, targets, mask, 3)
    assert loss.item() == pytest.approx(total / {"batch": 3, "cells": int(mask.sum())}[reduction], rel=1e-9)


def test_dice_weighs_the_terms_of_each_type() -> None:
    logits, targets, mask = random_cells()
    overlap = size = 1.0  # gamma
    for place in map(tuple, mask.nonzero().tolist()):
        p, gold = logits[place].softmax(-1).tolist(), int(targets[place])
        for of_type, weight in ((1, 0.25), (2, 4.0)):
            is_gold = of_type == gold
            overlap += 2 * (1 - p[gold]) * weight * p[of_type] * is_gold
            size += (1 - p[gold]) * weight * (p[of_type] + is_gold)
    loss = weighted(DiceLoss, reduction="positives")(logits, targets, mask, 3)
    assert loss.item() == pytest.approx(1 - overlap / size, rel=1e-9)


def cells_of(head: Any, scores: Any, entities: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and type names' classes of a head's cells, for entities [0, 1) "name" and [1, 3) "city" of 3 tokens."""
    if isinstance(head, TagsHead):
        return scores[mask], torch.tensor([1, 3, 4])  # B-name, B-city, I-city
    band = torch.zeros(1, 3, scores.size(2), dtype=torch.int64)
    band[0, 0, 0], band[0, 1, 1] = 1, 2
    inside = torch.tensor([[[True, True, True], [True, True, False], [True, False, False]]])
    return scores[inside], band[inside]


@pytest.mark.parametrize(
    "kind, options, weight",
    [
        (TagsHead, {"decoder": "softmax"}, [1.0, 0.25, 0.25, 4.0, 4.0]),
        (BiaffineHead, {"init": "xavier"}, [1.0, 0.25, 4.0]),
        (PairsHead, {}, [1.0, 0.25, 4.0]),
    ],
)
def test_heads_weigh_the_classes_of_each_type(kind: type[Head], options: dict[str, Any], weight: list[float]) -> None:
    torch.manual_seed(0)
    head = kind(4, ["name", "city"], loss=CrossEntropyLoss("cells", type_weights=WEIGHTS), **options)
    mask, entities = torch.ones(1, 3, dtype=torch.bool), torch.tensor([[[0, 1, 0], [1, 3, 1]]])
    scores = head(torch.randn(1, 3, 4), mask)
    expected = F.cross_entropy(*cells_of(head, scores, entities, mask), weight=torch.tensor(weight))
    torch.testing.assert_close(head.loss(scores, entities, mask), expected)


def test_a_pointer_weighs_the_labels_of_both_ends() -> None:
    torch.manual_seed(0)
    head = PointerHead(4, ["name", "city"], loss=CrossEntropyLoss("cells", type_weights=WEIGHTS))
    mask, entities = torch.ones(1, 3, dtype=torch.bool), torch.tensor([[[0, 1, 0], [1, 3, 1]]])
    scores = head(torch.randn(1, 3, 4), mask)
    starts, ends = torch.tensor([[1, 2, 0]]), torch.tensor([[1, 0, 2]])
    of_ends = F.cross_entropy(head.end_logits(scores, starts)[0], ends[0], weight=BY_CLASS.float())
    of_starts = F.cross_entropy(scores.start[0], starts[0], weight=BY_CLASS.float())
    torch.testing.assert_close(head.loss(scores, entities, mask), (of_starts + of_ends) / 2)


def test_a_crf_refuses_weights_and_says_why() -> None:
    loss = CrossEntropyLoss(type_weights=WEIGHTS)
    with pytest.raises(ConfigError, match=r'type_weights .* the probability of a whole tagging, .* "softmax"'):
        TagsHead(4, ["name", "city"], loss=loss)


def test_a_head_that_names_no_classes_does_not_ignore_the_weights() -> None:
    logits, targets, mask = random_cells()
    with pytest.raises(ConfigError, match="does not call `name_classes`"):
        CrossEntropyLoss(type_weights=WEIGHTS)(logits, targets, mask, 3)


@pytest.mark.parametrize("value", [-1.0, math.inf, math.nan, True, "2"])
def test_a_weight_is_a_finite_number_of_0_or_more(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"loss\.type_weights\.name must be a number of 0 or more, got"):
        checked_weights({"name": value})


def test_boundary_smoothing_hands_its_weights_on() -> None:
    config = {"type": "boundary_smoothing", "loss": {"type": "focal"}, "type_weights": {"name": 2}}
    loss = CellLoss.from_params(Params(config))
    assert loss.inner.type_weights == loss.type_weights == {"name": 2}
    inner = {"type": "focal", "type_weights": {"name": 3}}
    for outer in ({"type_weights": {"name": 2}}, {}):
        with pytest.raises(ConfigError, match=r"set only loss\.type_weights"):
            CellLoss.from_params(Params({"type": "boundary_smoothing", "loss": dict(inner), **outer}))


def test_types_that_the_data_lack_are_refused_with_those_that_they_have() -> None:
    message = r"loss\.type_weights names the entity type 'nmae' \(did you mean 'name'\?\), .* they have city, name"
    with pytest.raises(ConfigError, match=message):
        check_weights({"nmae": 2.0}, ["name", "city"])
    with pytest.raises(ConfigError, match="gives every entity type the weight 0"):
        check_weights({"name": 0.0}, ["name"])
    check_weights({"name": 0.0}, ["name", "city"])
    check_weights(None, ["name"])


def test_a_number_is_that_of_every_type() -> None:
    logits, targets, mask = random_cells()
    one, named = CrossEntropyLoss(type_weights=2), CrossEntropyLoss(type_weights={"name": 2.0, "city": 2.0})
    for loss in (one, named):
        loss.name_classes([None, *["name", "city", "name", "city", "name", "city"][: logits.size(-1) - 1]])
    assert one(logits, targets, mask, 3) == named(logits, targets, mask, 3)
    one.forget_type_weights(), named.forget_type_weights()
    assert one.type_weights == 2.0 and one.class_weights is not None and named.type_weights is None
    config = {"type": "focal", "type_weights": 3}
    assert CellLoss.from_params(Params(config)).type_weights == 3.0
    with pytest.raises(ConfigError, match="the weight 0, so there is nothing to learn"):
        CrossEntropyLoss(type_weights=0)
    with pytest.raises(ConfigError, match="must be a number of 0 or more, got -1"):
        CrossEntropyLoss(type_weights=-1)
    with pytest.raises(ConfigError, match=r"no effect on .multi_label."):
        MultiLabelLoss(type_weights=2.0)
