"""Losses over classified cells: their base, cross-entropy, and the gold classes of a band of spans."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal, Optional, Sequence

import torch
from allennlp.common import Registrable
from torch import Tensor

from ner_plugins.errors import ConfigError
from ner_plugins.modules.losses.sampling import NegativeSampling
from ner_plugins.modules.losses.type_weights import TypeWeights, checked_weights, class_weights
from ner_plugins.modules.losses.weighted_loss import WeightedLoss, divisor, number_on, weighed

Reduction = Literal["batch", "cells", "positives"]


class CellLoss(torch.nn.Module, Registrable, ABC):
    """
    A loss over classified cells; class 0 is "not an entity". A cell is a span of a band, a token, or anything else
    with one score per class and one gold class.

    A subclass defines the loss of each cell (`cell_losses`). `forward` sums them over the cells that count and divides
    by `reduction`. It computes in float32 or float64, under autocast too.

    A subclass may spread gold over cells and classes (`soft_targets`). The loss of a cell is then the mean of its
    losses for each class, weighted by the gold.

    # Parameters

    reduction : `str`, optional (default=`"batch"`)
        Divisor of the sum: `batch`, the number of sentences (as in the published biaffine system); `cells`, the number
        of cells that count; `positives`, the number of gold entities among them, but at least 1. Where sentences have
        weights, each counts with its own.
    type_weights : `Optional[Union[float, dict[str, float]]]`, optional (default=`None`)
        How much the cells of a gold type count: a number for all types, or one for each named type. Types that are not
        named, and cells that are no entity, count 1. A cell's loss is multiplied by its weight; `cells` divides by the
        sum of the weights (but at least 1), as `torch.nn.functional.cross_entropy(…, weight)` does, `batch` and
        `positives` as without weights.

    # Raises

    `ConfigError` if a weight is negative or not a finite number.
    """

    default_implementation = "cross_entropy"
    needs_band: ClassVar[bool] = False
    """Whether the cells must be the spans of a band, shape (batch, length, width)."""
    independent_types: bool = False
    """Whether each type is learned by itself: a type's probability is the sigmoid of its margin over class 0, not the
    softmax."""

    adds_cells: bool = True
    """Whether the loss is a sum over cells, so that the weights of cells have a sum to divide it by."""
    class_weights: Optional[Tensor]

    def __init__(self, reduction: Reduction = "batch", type_weights: TypeWeights = None) -> None:
        super().__init__()
        self.reduction = reduction
        self.type_weights = checked_weights(type_weights)
        self.register_buffer("class_weights", None, persistent=False)

    def name_classes(self, classes: Sequence[Optional[str]]) -> None:
        """
        Say which type each class stands for, so that `type_weights` is known for the classes. A head calls it.

        # Parameters

        classes : `Sequence[Optional[str]]`
            Type names, in order of the classes; `None` for "not an entity".
        """
        if self.type_weights is not None:
            self.class_weights = class_weights(self.type_weights, classes)

    def forget_type_weights(self) -> None:
        """Drop the weights of single types; a number for all types stays."""
        if not isinstance(self.type_weights, float):
            self.type_weights = self.class_weights = None

    @abstractmethod
    def cell_losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """
        The loss of each cell on its own.

        # Parameters

        logits : `torch.Tensor`
            float32 or float64. Shape: (..., classes)
        targets : `torch.LongTensor`
            The gold class of each cell. Shape: (...)

        # Returns

        `torch.Tensor`
            Shape: (...)
        """

    def class_losses(self, logits: Tensor) -> Tensor:
        """`cell_losses` for each class as if it were gold. Shape: (..., classes)"""
        zeros = torch.zeros(logits.shape[:-1], dtype=torch.int64, device=logits.device)
        return torch.stack([self.cell_losses(logits, zeros + c) for c in range(logits.size(-1))], -1)

    def weighted_cell_losses(self, logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """`cell_losses` times the weight of the gold class. Shape of `weights`: (classes,)"""
        return weights[targets] * self.cell_losses(logits, targets)

    def weighted_class_losses(self, logits: Tensor, weights: Tensor) -> Tensor:
        """`class_losses` times the weight of each class. Shape of `weights`: (classes,)"""
        return weights * self.class_losses(logits)

    def soft_targets(self, targets: Tensor, mask: Tensor, num_classes: int) -> Optional[Tensor]:
        """
        The gold as a distribution over the classes of every cell; `None` (the default) if `targets` is the gold.

        # Parameters

        targets : `torch.LongTensor`
            Shape: (...)
        mask : `torch.BoolTensor`
            The cells that are spans of the text. Shape: (...)
        num_classes : `int`
            The types and "not an entity".

        # Returns

        `Optional[torch.Tensor]`
            Sums to 1 over the classes. Shape: (..., num_classes)
        """
        return None

    def forward(
        self,
        logits: Tensor,
        targets: Tensor,
        mask: Tensor,
        batch_size: int,
        sampling: Optional[NegativeSampling] = None,
        sentence_weights: Optional[Tensor] = None,
    ) -> Tensor:
        """
        # Parameters

        logits : `torch.Tensor`
            Finite in every cell, masked cells included. Shape: (..., classes)
        targets : `torch.LongTensor`
            Shape: (...)
        mask : `torch.BoolTensor`
            The cells that are spans of the text; only these count. Shape: (...)
        batch_size : `int`
            Number of sentences, for the reduction `batch`.
        sampling : `Optional[NegativeSampling]`, optional (default=`None`)
            Draws the cells without gold that count in training; all count without it.
        sentence_weights : `Optional[torch.Tensor]`, optional (default=`None`)
            Of the sentences, which are the first dimension of the cells; `None` if all weigh the same. Shape: (batch,)

        # Returns

        `torch.Tensor`
            A scalar; 0, with a graph, if no cell counts.
        """
        return self.weighted(logits, targets, mask, batch_size, sampling, sentence_weights).loss

    def weighted(
        self,
        logits: Tensor,
        targets: Tensor,
        mask: Tensor,
        batch_size: int,
        sampling: Optional[NegativeSampling] = None,
        sentence_weights: Optional[Tensor] = None,
    ) -> WeightedLoss:
        """`forward`, with what it divides by: the number of sentences, cells or gold entities, as `reduction` says."""
        if self.type_weights is not None and self.class_weights is None:
            raise ConfigError("loss.type_weights has no effect: the head does not call `name_classes` of its loss")
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        soft = self.soft_targets(targets, mask, logits.size(-1))  # Shape: (..., classes)
        if sampling is not None:
            with_gold = mask & (targets > 0 if soft is None else soft[..., 0] < 1)  # Shape: (...)
            mask = with_gold | sampling(mask & (targets > 0), mask & ~with_gold)
        number = self._number(targets, soft, mask, batch_size, sentence_weights)
        return WeightedLoss(self.summed(logits, targets, soft, mask, sentence_weights) / divisor(number), number)

    def summed(
        self,
        logits: Tensor,
        targets: Tensor,
        soft: Optional[Tensor],
        mask: Tensor,
        sentence_weights: Optional[Tensor] = None,
    ) -> Tensor:
        """
        The sum of the losses of the cells in `mask`, each with the weight of its sentence. Override it if the loss is
        not a sum over cells.

        # Parameters

        logits, targets, soft, mask, sentence_weights : `torch.Tensor`
            As in `cell_losses`, `soft_targets` and `forward`; `soft` replaces `targets` if it is given.

        # Returns

        `torch.Tensor`
            A scalar.
        """
        weights = self.weights_for(logits)
        if soft is not None:
            by_class = self.class_losses(logits) if weights is None else self.weighted_class_losses(logits, weights)
            losses = (by_class * soft.to(logits.dtype)).sum(-1)  # Shape: (...)
        elif weights is not None:
            losses = self.weighted_cell_losses(logits, targets, weights)
        else:
            losses = self.cell_losses(logits, targets)
        return weighed(torch.where(mask, losses, 0.0), sentence_weights).sum()

    def weights_for(self, logits: Tensor) -> Optional[Tensor]:
        """The weight of each class in the precision of the logits; `None` without weights. Shape: (classes,)"""
        return None if self.class_weights is None else self.class_weights.to(logits.dtype)

    def _number(
        self,
        targets: Tensor,
        soft: Optional[Tensor],
        mask: Tensor,
        batch_size: int,
        sentence_weights: Optional[Tensor] = None,
    ) -> Tensor:
        if self.reduction == "batch":
            return number_on(batch_size, targets.device) if sentence_weights is None else sentence_weights.sum()
        if self.reduction == "cells" and self.class_weights is not None and self.adds_cells:
            weights = self.class_weights
            of_cells = weights[targets] if soft is None else soft.to(weights.dtype) @ weights  # Shape: (...)
            total = weighed(torch.where(mask, of_cells, 0.0), sentence_weights).sum()
            return torch.where(total > 0, total.clamp(min=1), total) if sentence_weights is None else total
        counted = mask if self.reduction == "cells" else mask & (targets > 0)
        return weighed(counted, sentence_weights).sum()


SpanLoss = CellLoss  # the earlier name


class SoftmaxLoss(CellLoss):
    """
    A `CellLoss` that is a function of the softmax probability of the gold class; a subclass defines the function
    (`of_log_probability`).

    # Parameters

    reduction : `str`, optional (default=`"batch"`)
        See `CellLoss`.
    label_smoothing : `float`, optional (default=`0.0`)
        Share of the gold spread evenly over all classes, the gold class included (Szegedy et al. 2016, "Rethinking the
        Inception Architecture", section 7). With `type_weights`, the share of each class has the weight of that class,
        as torch has it.
    type_weights : `Optional[Union[float, dict[str, float]]]`, optional (default=`None`)
        See `CellLoss`.

    # Raises

    `ConfigError` if `label_smoothing` is outside [0, 1).
    """

    def __init__(
        self, reduction: Reduction = "batch", label_smoothing: float = 0.0, type_weights: TypeWeights = None
    ) -> None:
        super().__init__(reduction, type_weights)
        if not 0.0 <= label_smoothing < 1.0:
            raise ConfigError(f"loss.label_smoothing must be in [0, 1), got {label_smoothing}")
        self.label_smoothing = label_smoothing

    @abstractmethod
    def of_log_probability(self, log_probability: Tensor) -> Tensor:
        """The loss of a cell whose gold class has this log-probability, element by element."""

    def cell_losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """`CellLoss.cell_losses`."""
        # A third of the time of `F.cross_entropy` on a CPU, whose log-softmax is slow for few classes.
        gold = logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1)  # Shape: (...)
        losses = self.of_log_probability(gold - logits.logsumexp(-1))
        if self.label_smoothing == 0.0:
            return losses
        every_class = self.of_log_probability(logits - logits.logsumexp(-1, keepdim=True))  # Shape: (..., classes)
        return (1 - self.label_smoothing) * losses + self.label_smoothing * every_class.mean(-1)

    def class_losses(self, logits: Tensor) -> Tensor:
        """`CellLoss.class_losses`, from one softmax."""
        losses = self.of_log_probability(logits - logits.logsumexp(-1, keepdim=True))  # Shape: (..., classes)
        if self.label_smoothing == 0.0:
            return losses
        return (1 - self.label_smoothing) * losses + self.label_smoothing * losses.mean(-1, keepdim=True)

    def weighted_cell_losses(self, logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """`CellLoss.weighted_cell_losses`; each class that has a share of the gold has its own weight."""
        if self.label_smoothing == 0.0:
            return super().weighted_cell_losses(logits, targets, weights)
        return self.weighted_class_losses(logits, weights).gather(-1, targets.unsqueeze(-1)).squeeze(-1)

    def weighted_class_losses(self, logits: Tensor, weights: Tensor) -> Tensor:
        """`CellLoss.weighted_class_losses`, as `weighted_cell_losses`."""
        # Shape: (..., classes)
        losses = weights * self.of_log_probability(logits - logits.logsumexp(-1, keepdim=True))
        if self.label_smoothing == 0.0:
            return losses
        return (1 - self.label_smoothing) * losses + self.label_smoothing * losses.mean(-1, keepdim=True)


@CellLoss.register("cross_entropy")
class CrossEntropyLoss(SoftmaxLoss):
    """
    Softmax cross-entropy: the negative log-probability of each cell's gold class. A `CellLoss` named `cross_entropy`;
    its parameters are those of `SoftmaxLoss`.
    """

    def of_log_probability(self, log_probability: Tensor) -> Tensor:
        """`-log p`."""
        return -log_probability


def span_targets(entities: Tensor, shape: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """
    The gold class of every cell of a band.

    # Parameters

    entities : `torch.LongTensor`
        Rows of (first token, last token + 1, type id); a padding row is all -1. Shape: (batch, entities, 3)
    shape : `tuple[int, int, int]`
        The band's (batch, length, width).

    # Returns

    targets : `torch.LongTensor`
        0 for no entity, else type id + 1. Shape: (batch, length, width)
    reachable : `torch.BoolTensor`
        Which rows of `entities` the targets hold: not padding, not an entity wider than the band, and of two types on
        one span only the lower id. Shape: (batch, entities)
    """
    batch, length, width = shape
    start, end, type_id = entities.unbind(-1)  # Shape of each: (batch, entities)
    offset = end - start - 1
    fits = (type_id >= 0) & (start >= 0) & (end <= length) & (offset >= 0) & (offset < width)
    sentence = torch.arange(batch, device=entities.device).unsqueeze(-1)  # Shape: (batch, 1)
    cells = batch * length * width
    # Entities that do not fit go to one extra cell, which is cut off below.
    cell = torch.where(fits, (sentence * length + start) * width + offset, cells)  # Shape: (batch, entities)
    none = torch.iinfo(torch.int64).max
    classes = torch.full((cells + 1,), none, device=entities.device)  # Shape: (cells + 1,)
    classes.scatter_reduce_(0, cell.flatten(), (type_id + 1).flatten(), "amin")
    reachable = fits & (classes[cell] == type_id + 1)  # Shape: (batch, entities)
    targets = classes[:cells].masked_fill(classes[:cells] == none, 0)
    return targets.view(shape), reachable
