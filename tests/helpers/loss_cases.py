"""Every loss over cells with small inputs for it, and slow literal forms of what they compute."""

import ner_plugins  # noqa: F401  isort: skip  (AllenNLP imports on these libraries only after it)

import itertools
import math

import torch
from allennlp.common import Lazy

from ner_plugins.heads.band import span_mask
from ner_plugins.modules.losses import BoundarySmoothingLoss, CrossEntropyLoss, DiceLoss, FocalLoss, MultiLabelLoss

# Each softmax loss with what it is, written out, where the gold class has probability p.
SOFTMAX = [
    (CrossEntropyLoss, {}, lambda p: -math.log(p)),
    (FocalLoss, {}, lambda p: -((1 - p) ** 2) * math.log(p)),
    (FocalLoss, {"gamma": 0.5}, lambda p: -((1 - p) ** 0.5) * math.log(p)),
]
ALL = [
    *[(kind, {**options, "label_smoothing": 0.2}) for kind, options, _ in SOFTMAX],
    *[(kind, options) for kind, options, _ in SOFTMAX],
    (DiceLoss, {}),
    (DiceLoss, {"alpha": 0.0, "gamma": 0.1}),
    (MultiLabelLoss, {}),
    (BoundarySmoothingLoss, {"loss": Lazy(MultiLabelLoss)}),
    (BoundarySmoothingLoss, {"epsilon": 0.3, "distance": 2}),
    (BoundarySmoothingLoss, {"loss": Lazy(DiceLoss, alpha=0.0)}),
    (BoundarySmoothingLoss, {"loss": Lazy(FocalLoss, gamma=3.0, label_smoothing=0.1)}),
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
