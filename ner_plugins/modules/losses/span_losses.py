"""Losses over classified spans that make more of the few entities, or less of their exact boundaries."""

from typing import ClassVar, Optional

import torch
from allennlp.common import Lazy
from torch import Tensor

from ner_plugins.errors import ConfigError
from ner_plugins.modules.losses.span_loss import CrossEntropySpanLoss, SoftmaxSpanLoss, SpanLoss


@SpanLoss.register("focal")
class FocalSpanLoss(SoftmaxSpanLoss):
    """
    Focal loss (Lin et al. 2017, "Focal Loss for Dense Object Detection", equation 4): `-(1 - p)^gamma log p`, where p
    is the probability of the gold class; cells that are right already count for little. A `SpanLoss` of the name
    `focal`.

    # Parameters

    gamma : `float`, optional (default = `2.0`)
        How much less; 0 is cross-entropy. Biaffine-BERT-NER has 3.
    reduction, label_smoothing
        See `SoftmaxSpanLoss`.

    # Raises

    `ConfigError` when `gamma` is negative.
    """

    def __init__(self, gamma: float = 2.0, reduction: str = "batch", label_smoothing: float = 0.0) -> None:
        super().__init__(reduction, label_smoothing)
        if gamma < 0.0:
            raise ConfigError(f"A focal loss's gamma is not negative, as {gamma} is")
        self.gamma = gamma

    def of_log_probability(self, log_probability: Tensor) -> Tensor:
        """`-(1 - p)^gamma log p`."""
        return -(_complement(log_probability) ** self.gamma) * log_probability


@SpanLoss.register("dice")
class DiceSpanLoss(SpanLoss):
    """
    Self-adjusting Dice loss (Li et al. 2020, "Dice Loss for Data-imbalanced NLP Tasks", sections 3.2 and 3.3): one less
    the Dice coefficient, a soft micro F1, of the predicted and the gold types over all cells that count,

        1 - (2 sum_i w_i sum_t p_it y_it + gamma) / (sum_i w_i sum_t (p_it + y_it) + gamma)

    for cells i and types t ("not an entity" is none), where `w_i = (1 - p_i)^alpha` gives cells less weight whose gold
    class has a high probability p_i. A `SpanLoss` of the name `dice`.

    Of the paper's two forms this is the one over a set. The other adds up `1 - (2 w p + gamma) / (w p + 1 + gamma)` of
    each cell, and did not converge in Biaffine-BERT-NER: the many cells without an entity outweigh the others before
    these have learned anything; a cell adds 1 / (1 + gamma) even if it is right; and as w weighs the prediction alone
    and takes part in the gradient, the least is at p = 1 / (1 + alpha), not at 1. Here w weighs a cell's prediction
    and gold alike and is a constant in the gradient, so that a higher p is always better.

    # Parameters

    alpha : `float`, optional (default = `1.0`)
        How much less a cell weighs that is nearly right.
    gamma : `float`, optional (default = `1.0`)
        Smooths numerator and denominator.
    reduction : `str`, optional (default = `"batch"`)
        The loss above, which is of the size of 1, counts once for each gold entity, as it were its own; the sum is
        divided as `SpanLoss` says. With `positives` it is as above.

    # Raises

    `ConfigError` when `alpha` is negative or `gamma` not positive.
    """

    def __init__(self, alpha: float = 1.0, gamma: float = 1.0, reduction: str = "batch") -> None:
        super().__init__(reduction)
        if alpha < 0.0 or gamma <= 0.0:
            raise ConfigError(f"A Dice loss needs alpha >= 0 and gamma > 0, not {alpha} and {gamma}")
        self.alpha, self.gamma = alpha, gamma

    def cell_losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The loss of each cell as a set by itself."""
        overlap, size = self._parts(logits, targets)
        return 1 - (2 * overlap + self.gamma) / (size + self.gamma)

    def summed(self, logits: Tensor, targets: Tensor, soft: Optional[Tensor], mask: Tensor) -> Tensor:
        """The loss of all cells as one set, times the number of entities."""
        parts = self._parts(logits, targets) if soft is None else self._shared_parts(logits, soft.to(logits.dtype))
        overlap, size = (torch.where(mask, part, 0.0).sum() for part in parts)
        entities = (mask & (targets > 0)).sum().clamp(min=1)
        return entities * (1 - (2 * overlap + self.gamma) / (size + self.gamma))

    def _parts(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """`w sum_t p_t y_t` and `w sum_t (p_t + y_t)` of each cell, and nothing as large as the logits."""
        total = logits.logsumexp(-1)
        gold = (logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1) - total).exp()
        of_types, is_type = (logits[..., 1:].logsumexp(-1) - total).exp(), targets > 0
        weight = self._weight(gold)
        return weight * gold * is_type, weight * (of_types + is_type)

    def _shared_parts(self, logits: Tensor, gold: Tensor) -> tuple[Tensor, Tensor]:
        """The same where gold is shared among classes: shape (..., classes) twice to (...) twice."""
        probabilities = logits.softmax(-1)
        overlaps = probabilities * gold
        weight = self._weight(overlaps.sum(-1))
        return weight * overlaps[..., 1:].sum(-1), weight * (probabilities[..., 1:].sum(-1) + gold[..., 1:].sum(-1))

    def _weight(self, probability: Tensor) -> Tensor:
        """That of a cell whose gold has this probability; a constant in the gradient."""
        return (1 - probability.detach()).clamp(min=0) ** self.alpha


@SpanLoss.register("boundary_smoothing")
class BoundarySmoothingSpanLoss(SpanLoss):
    """
    Boundary smoothing (Zhu & Li 2022, "Boundary Smoothing for Named Entity Recognition", section 3.2): an entity's
    span keeps 1 - epsilon of the gold, and the spans around it share epsilon. A `SpanLoss` of the name
    `boundary_smoothing`. For bands of spans only.

    # Parameters

    epsilon : `float`, optional (default = `0.1`)
        What is shared; 0 leaves `loss` as it is. See `smooth_boundaries`.
    distance : `int`, optional (default = `1`)
        How far away, in tokens at both boundaries together (Manhattan distance), a span may be; D in the paper.
    loss : `Lazy[SpanLoss]`, optional (default = `cross_entropy`)
        The loss against the gold so shared.
    reduction : `str`, optional (default = `"batch"`)
        See `SpanLoss`; `loss` is given none of its own.

    # Raises

    `ConfigError` when `epsilon` does not lie in [0, 1), `distance` is below 1, or `loss` has another reduction.
    """

    needs_band: ClassVar[bool] = True

    def __init__(
        self,
        epsilon: float = 0.1,
        distance: int = 1,
        loss: Lazy[SpanLoss] = Lazy(CrossEntropySpanLoss),  # noqa: B008 (AllenNLP's idiom; it holds no state)
        reduction: str = "batch",
    ) -> None:
        super().__init__(reduction)
        if not 0.0 <= epsilon < 1.0:
            raise ConfigError(f"Boundary smoothing's epsilon lies in [0, 1), not {epsilon}")
        if distance < 1:
            raise ConfigError(f"Boundary smoothing's distance is at least 1 token, not {distance}")
        self.epsilon, self.distance = epsilon, distance
        self.inner = loss.construct(reduction=reduction)
        if self.inner.reduction != reduction:
            raise ConfigError(
                f"boundary_smoothing's reduction is {reduction}, and its loss's is {self.inner.reduction}: "
                "give the reduction to boundary_smoothing alone"
            )

    def cell_losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Those of `loss`."""
        losses: Tensor = self.inner.cell_losses(logits, targets)
        return losses

    def soft_targets(self, targets: Tensor, mask: Tensor, num_classes: int) -> Tensor:
        """`smooth_boundaries`."""
        return smooth_boundaries(targets, mask, num_classes, self.epsilon, self.distance)

    def summed(self, logits: Tensor, targets: Tensor, soft: Optional[Tensor], mask: Tensor) -> Tensor:
        """What `loss` makes of the shared gold."""
        summed: Tensor = self.inner.summed(logits, targets, soft, mask)
        return summed


def smooth_boundaries(
    targets: Tensor, mask: Tensor, num_classes: int, epsilon: float, distance: int
) -> Tensor:
    """
    The gold of a band, of which each entity's span gives a share to the spans around it.

    An entity at distance d from 4 d spans gives each `epsilon / (4 d distance)`, for d = 1 .. `distance`; what spans
    that are not in the text or the band would get, it keeps (as eznlp, the authors' code, does). The rest of every
    cell is "not an entity"; a cell that gets more than 1 from several entities is scaled to 1.

    # Parameters

    targets : `torch.LongTensor`
        The gold class of each cell. Shape: (batch, length, width)
    mask : `torch.BoolTensor`
        The cells that are spans of the text. Shape: (batch, length, width)
    num_classes : `int`
        The types and "not an entity".
    epsilon, distance
        See `BoundarySmoothingSpanLoss`.

    # Returns

    `torch.Tensor`
        float32, sums to 1 over the classes. Shape: (batch, length, width, num_classes)
    """
    moves = [
        (first, last, epsilon / (4 * (abs(first) + abs(last)) * distance))
        for first in range(-distance, distance + 1)
        for last in range(abs(first) - distance, distance - abs(first) + 1)
        if first or last
    ]
    first, last, share = torch.tensor(moves, device=targets.device).unbind(-1)  # Shape of each: (moves,)
    sentence, start, offset = (targets * mask).nonzero(as_tuple=True)  # Shape of each: (entities,)
    type_class = targets[sentence, start, offset]
    # Where each entity's mass would go. Shape of these: (entities, moves)
    new_start = start.unsqueeze(-1) + first.long()
    new_offset = offset.unsqueeze(-1) + (last - first).long()
    batch, length, width = targets.shape
    inside = (new_start >= 0) & (new_start < length) & (new_offset >= 0) & (new_offset < width)
    new_start, new_offset = new_start.clamp(0, length - 1), new_offset.clamp(0, width - 1)
    given = share * (inside & mask[sentence.unsqueeze(-1), new_start, new_offset])

    soft = torch.zeros(batch, num_classes, length, width, device=targets.device).permute(0, 2, 3, 1)
    moved_to = (sentence.unsqueeze(-1), new_start, new_offset, type_class.unsqueeze(-1))
    soft.index_put_((sentence, start, offset, type_class), 1 - given.sum(-1), accumulate=True)
    soft.index_put_(moved_to, given, accumulate=True)
    of_types = soft[..., 1:]
    of_types /= of_types.sum(-1, keepdim=True).clamp(min=1)
    soft[..., 0] = (1 - of_types.sum(-1)).clamp(min=0)
    return soft


def _complement(log_probability: Tensor) -> Tensor:
    """1 - p, above 0 so that its powers have a gradient, and exact where p is nearly 1."""
    return (-torch.expm1(log_probability)).clamp(min=torch.finfo(log_probability.dtype).tiny)
