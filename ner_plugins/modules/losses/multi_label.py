"""The multi-label log-sum-exp loss of GlobalPointer."""

from typing import ClassVar, Optional

import torch
from torch import Tensor

from ner_plugins.errors import ConfigError
from ner_plugins.modules.losses.span_loss import CellLoss, Reduction
from ner_plugins.modules.losses.type_weights import KEY, TypeWeights
from ner_plugins.modules.losses.weighted_loss import weighed

_NOTHING = -1e30  # the score of a cell that adds nothing to a sum of exponentials; finite, as are its gradients


@CellLoss.register("multi_label")
class MultiLabelLoss(CellLoss):
    """
    The multi-label log-sum-exp loss (Su et al. 2022, "ZLPR: A Novel Loss for Multi-label Classification"),
    by which GlobalPointer is trained. A `CellLoss` named `multi_label`, for bands of spans only. For each sentence and
    type, over the scores s of all spans, it is

        log(1 + Σ_negative e^s) + log(1 + Σ_positive e^-s)

    where s is the logit of the type minus that of "not an entity". Of the types it takes the mean, as published; of the
    sentences, `reduction`. A span is predicted where s > 0. Each type is learned by itself, so a span's probability of
    a type is `sigmoid(s)`: if no other span of the sentence is in doubt, the loss is the binary cross-entropy of this
    probability. Of several spans in doubt, it tells which is likelier, but adds up to more than one.

    The sums of exponentials favour the hardest spans, so that the many negatives need no sampling. A gold distribution
    weights the terms of both sums: `log(1 + Σ (1 - y) e^s) + log(1 + Σ y e^-s)`.

    # Parameters

    reduction : `str`, optional (default=`"batch"`)
        See `CellLoss`. Published is `batch`.
    type_weights : `Optional[Union[float, dict[str, float]]]`, optional (default=`None`)
        By type. Makes the mean over the types a weighted one: `Σ_t w_t loss_t / Σ_t w_t`. `cells` still divides by
        their number.

    # Raises

    `ConfigError` if `type_weights` is a number for all types, which changes no mean.
    """

    needs_band: ClassVar[bool] = True
    independent_types = True
    adds_cells = False

    def __init__(self, reduction: Reduction = "batch", type_weights: TypeWeights = None) -> None:
        super().__init__(reduction, type_weights)
        if isinstance(self.type_weights, float):
            raise ConfigError(
                f'{KEY} is a number, which has no effect on "multi_label", a mean over the types: weigh single types'
            )

    def cell_losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The loss of a sentence that has this span alone."""
        margins = _margins(logits)
        signed = torch.where(_of_types(targets, margins), -margins, margins)  # Shape: (..., types)
        return self._mean_of_types(_log_one_plus(signed))

    def summed(
        self,
        logits: Tensor,
        targets: Tensor,
        soft: Optional[Tensor],
        mask: Tensor,
        sentence_weights: Optional[Tensor] = None,
    ) -> Tensor:
        """The sum over the sentences, which are the first dimension, of the mean over the types."""
        margins = _margins(logits)  # Shape of this and the next: (batch, ..., types)
        if soft is None:
            gold = _of_types(targets, margins)
            negatives, positives = margins.masked_fill(gold, _NOTHING), (-margins).masked_fill(~gold, _NOTHING)
        else:
            shares = soft[..., 1:].to(margins.dtype)
            negatives, positives = margins + _log(1 - shares), _log(shares) - margins
        outside = ~mask.unsqueeze(-1)
        cells = tuple(range(1, margins.dim() - 1))
        # Shape of each: (batch, types)
        of_negatives, of_positives = (
            _log_one_plus(terms.masked_fill(outside, _NOTHING).logsumexp(cells)) for terms in (negatives, positives)
        )
        return weighed(self._mean_of_types(of_negatives + of_positives), sentence_weights).sum()

    def _mean_of_types(self, losses: Tensor) -> Tensor:
        """The mean, with `type_weights` a weighted one. Shape: (..., types) -> (...)"""
        weights = self.weights_for(losses)
        return losses.mean(-1) if weights is None else losses @ (weights[1:] / weights[1:].sum())


def _margins(logits: Tensor) -> Tensor:
    return logits[..., 1:] - logits[..., :1]


def _of_types(targets: Tensor, margins: Tensor) -> Tensor:
    """Where a type is the gold class. Shape: (..., types)"""
    return targets.unsqueeze(-1) == torch.arange(1, margins.size(-1) + 1, device=targets.device)


def _log_one_plus(log: Tensor) -> Tensor:
    """`log(1 + e^x)`; unlike `softplus`, exact in float64 for any x."""
    return torch.logaddexp(log, torch.zeros_like(log))


def _log(shares: Tensor) -> Tensor:
    """The logarithm, finite at 0."""
    return torch.where(shares > 0, shares.clamp(min=torch.finfo(shares.dtype).tiny).log(), _NOTHING)
