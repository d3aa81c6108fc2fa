"""Focal loss."""

import torch
from torch import Tensor

from ner_plugins.errors import ConfigError
from ner_plugins.modules.losses.span_loss import CellLoss, Reduction, SoftmaxLoss
from ner_plugins.modules.losses.type_weights import TypeWeights


@CellLoss.register("focal")
class FocalLoss(SoftmaxLoss):
    """
    Focal loss (Lin et al. 2017, "Focal Loss for Dense Object Detection", equation 4): `-(1 - p)^gamma log p`, where p
    is the probability of the gold class. Cells that are already right count for little. A `CellLoss` named `focal`.

    # Parameters

    gamma : `float`, optional (default=`2.0`)
        How strongly confident cells are down-weighted; 0 is cross-entropy. Biaffine-BERT-NER uses 3.
    reduction, label_smoothing, type_weights
        See `SoftmaxLoss`.

    # Raises

    `ConfigError` if `gamma` is negative.
    """

    def __init__(
        self,
        gamma: float = 2.0,
        reduction: Reduction = "batch",
        label_smoothing: float = 0.0,
        type_weights: TypeWeights = None,
    ) -> None:
        super().__init__(reduction, label_smoothing, type_weights)
        if gamma < 0.0:
            raise ConfigError(f"loss.gamma must be >= 0, got {gamma}")
        self.gamma = gamma

    def of_log_probability(self, log_probability: Tensor) -> Tensor:
        """`-(1 - p)^gamma log p`."""
        return -(_complement(log_probability) ** self.gamma) * log_probability


def _complement(log_probability: Tensor) -> Tensor:
    """1 - p, accurate for p near 1, and kept above 0 so that its powers have a gradient."""
    return (-torch.expm1(log_probability)).clamp(min=torch.finfo(log_probability.dtype).tiny)
