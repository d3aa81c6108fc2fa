"""Dice loss."""

from typing import Optional

import torch
import torch.nn.functional as F
from torch import Tensor

from ner_plugins.errors import ConfigError
from ner_plugins.modules.losses.span_loss import CellLoss, Reduction
from ner_plugins.modules.losses.type_weights import TypeWeights
from ner_plugins.modules.losses.weighted_loss import divisor, weighed


@CellLoss.register("dice")
class DiceLoss(CellLoss):
    """
    Self-adjusting Dice loss (Li et al. 2020, "Dice Loss for Data-imbalanced NLP Tasks", sections 3.2 and 3.3): 1 minus
    the Dice coefficient, a soft micro F1, of the predicted and the gold types over all cells that count,

        1 - (2 sum_i w_i sum_t p_it y_it + gamma) / (sum_i w_i sum_t (p_it + y_it) + gamma)

    for cells i and types t (without "not an entity"). `w_i = (1 - p_i)^alpha` down-weights cells whose gold class has a
    high probability p_i. A `CellLoss` named `dice`.

    The paper has two forms; this is the one over a set of cells. The other sums `1 - (2 w p + gamma) / (w p + 1 +
    gamma)` over cells, and did not converge in Biaffine-BERT-NER: the many cells without an entity outweigh the others
    before these are learned; a cell adds 1 / (1 + gamma) even if it is right; and as w weighs only the prediction and
    takes part in the gradient, the minimum is at p = 1 / (1 + alpha) instead of 1. Here w weighs prediction and gold
    alike and is a constant in the gradient, so a higher p always lowers the loss.

    # Parameters

    alpha : `float`, optional (default=`1.0`)
        How strongly confident cells are down-weighted.
    gamma : `float`, optional (default=`1.0`)
        Smooths numerator and denominator.
    reduction : `str`, optional (default=`"batch"`)
        The loss above is at most about 1, so it is multiplied by the number of gold entities and then divided as in
        `CellLoss`. `positives` gives the loss above.
    type_weights : `Optional[Union[float, dict[str, float]]]`, optional (default=`None`)
        Multiplies the terms of each type in both sums, as in the generalised Dice loss (Sudre et al. 2017, "Generalised
        Dice Overlap as a Deep Learning Loss Function for Highly Unbalanced Segmentations", section 2.1).

    # Raises

    `ConfigError` if `alpha` is negative or `gamma` is not positive.
    """

    adds_cells = False

    def __init__(
        self,
        alpha: float = 1.0,
        gamma: float = 1.0,
        reduction: Reduction = "batch",
        type_weights: TypeWeights = None,
    ) -> None:
        super().__init__(reduction, type_weights)
        if alpha < 0.0:
            raise ConfigError(f"loss.alpha must be >= 0, got {alpha}")
        if gamma <= 0.0:
            raise ConfigError(f"loss.gamma must be > 0, got {gamma}")
        self.alpha, self.gamma = alpha, gamma

    def cell_losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The loss of each cell as a set of its own."""
        overlap, size = self._parts(logits, targets)  # Shape of each: (...)
        return 1 - (2 * overlap + self.gamma) / (size + self.gamma)

    def summed(
        self,
        logits: Tensor,
        targets: Tensor,
        soft: Optional[Tensor],
        mask: Tensor,
        sentence_weights: Optional[Tensor] = None,
    ) -> Tensor:
        """The loss of all cells as one set, times the number of entities; all sums are weighted."""
        parts = self._parts(logits, targets) if soft is None else self._soft_parts(logits, soft.to(logits.dtype))
        overlap, size = (weighed(torch.where(mask, part, 0.0), sentence_weights).sum() for part in parts)  # scalars
        entities = divisor(weighed(mask & (targets > 0), sentence_weights).sum())
        return entities * (1 - (2 * overlap + self.gamma) / (size + self.gamma))

    def _parts(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """`w sum_t p_t y_t` and `w sum_t (p_t + y_t)` of each cell, without a tensor as large as the logits."""
        if self.class_weights is not None:
            return self._soft_parts(logits, F.one_hot(targets, logits.size(-1)).to(logits.dtype))
        total = logits.logsumexp(-1)  # Shape of this and the next: (...)
        gold = (logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1) - total).exp()
        of_types, is_type = (logits[..., 1:].logsumexp(-1) - total).exp(), targets > 0
        weight = self._weight(gold)
        return weight * gold * is_type, weight * (of_types + is_type)

    def _soft_parts(self, logits: Tensor, gold: Tensor) -> tuple[Tensor, Tensor]:
        """`_parts` for a gold distribution of shape (..., classes). Shape of each: (...)"""
        probabilities = logits.softmax(-1)  # Shape: (..., classes)
        overlaps = probabilities * gold
        weight = self._weight(overlaps.sum(-1))  # Shape: (...)
        of_types = self.weights_for(logits)
        if of_types is None:
            return weight * overlaps[..., 1:].sum(-1), weight * (probabilities[..., 1:].sum(-1) + gold[..., 1:].sum(-1))
        return weight * (overlaps[..., 1:] @ of_types[1:]), weight * ((probabilities + gold)[..., 1:] @ of_types[1:])

    def _weight(self, probability: Tensor) -> Tensor:
        """The weight of a cell whose gold has this probability; a constant in the gradient."""
        return (1 - probability.detach()).clamp(min=0) ** self.alpha
