"""What losses over classified spans share, cross-entropy, and the targets of a band."""

from abc import abstractmethod
from typing import ClassVar, Optional, Union

import torch
from allennlp.common import Registrable
from torch import Tensor

from ner_plugins.errors import ConfigError
from ner_plugins.modules.losses.sampling import NegativeSampling

_REDUCTIONS = ("batch", "cells", "positives")


class SpanLoss(torch.nn.Module, Registrable):
    """
    A loss over classified cells, class 0 being "not an entity": the cells of a band of spans, or any others of which
    each has its scores and one gold class. A subclass gives one number per cell (`cell_losses`); they are summed over
    the cells that count and divided as `reduction` says. Computed in float32 at least, under autocast too.

    Gold may be shared among cells or classes: a subclass then gives `soft_targets`, and a cell's loss is the mean of
    its losses for each class, weighted by what the gold says of that class.

    # Parameters

    reduction : `str`, optional (default = `"batch"`)
        What the sum is divided by: `batch`, the number of sentences (as in the published biaffine system); `cells`,
        the number of cells that count; `positives`, the number of gold entities among them (1 if there are none).

    # Raises

    `ConfigError` when `reduction` is another word.
    """

    default_implementation = "cross_entropy"
    needs_band: ClassVar[bool] = False
    """Whether cells have to be the spans of a band, shape (batch, length, width)."""

    def __init__(self, reduction: str = "batch") -> None:
        super().__init__()
        if reduction not in _REDUCTIONS:
            raise ConfigError(f"Unknown loss reduction {reduction!r} (expected {', '.join(_REDUCTIONS)})")
        self.reduction = reduction

    @abstractmethod
    def cell_losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """
        The loss of every cell by itself.

        # Parameters

        logits : `torch.Tensor`
            float32 or float64. Shape: (..., classes)
        targets : `torch.LongTensor`
            The gold class of each cell. Shape: (...)

        # Returns

        `torch.Tensor`
            Shape: (...)
        """
        raise NotImplementedError

    def class_losses(self, logits: Tensor) -> Tensor:
        """What `cell_losses` is for each class, were it the gold one. Shape: (..., classes)"""
        of_class = torch.zeros(logits.shape[:-1], dtype=torch.int64, device=logits.device)
        return torch.stack([self.cell_losses(logits, of_class + c) for c in range(logits.size(-1))], -1)

    def soft_targets(self, targets: Tensor, mask: Tensor, num_classes: int) -> Optional[Tensor]:
        """
        The gold as a distribution over the classes of every cell, or `None` (as here) where `targets` says it all.

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
    ) -> Tensor:
        """
        # Parameters

        logits : `torch.Tensor`
            Finite in every cell, masked ones included. Shape: (..., classes)
        targets : `torch.LongTensor`
            Shape: (...)
        mask : `torch.BoolTensor`
            The cells that are spans of the text: no others count. Shape: (...)
        batch_size : `int`
            Number of sentences, for the reduction `batch`.
        sampling : `Optional[NegativeSampling]`
            Which cells without gold count, in training. By default all.

        # Returns

        `torch.Tensor`
            A scalar; 0, with a graph, where no cell counts.
        """
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        soft = self.soft_targets(targets, mask, logits.size(-1))
        if sampling is not None:
            with_gold = mask & (targets > 0 if soft is None else soft[..., 0] < 1)
            mask = with_gold | sampling(mask & (targets > 0), mask & ~with_gold)
        return self.summed(logits, targets, soft, mask) / self._divisor(targets, mask, batch_size)

    def summed(self, logits: Tensor, targets: Tensor, soft: Optional[Tensor], mask: Tensor) -> Tensor:
        """
        The losses of the cells in `mask`, added up; for a loss that is more than a sum over cells to give otherwise.

        # Parameters

        logits, targets, soft, mask : `torch.Tensor`
            As in `cell_losses`, `soft_targets` and `forward`; `soft` in place of `targets` where there is one.

        # Returns

        `torch.Tensor`
            A scalar.
        """
        if soft is None:
            losses = self.cell_losses(logits, targets)
        else:
            losses = (self.class_losses(logits) * soft.to(logits.dtype)).sum(-1)
        return torch.where(mask, losses, 0.0).sum()

    def _divisor(self, targets: Tensor, mask: Tensor, batch_size: int) -> Union[Tensor, int]:
        if self.reduction == "batch":
            return max(batch_size, 1)
        counted = mask if self.reduction == "cells" else mask & (targets > 0)
        return counted.sum().clamp(min=1)


class SoftmaxSpanLoss(SpanLoss):
    """
    A `SpanLoss` that is a function of the softmax probability of the gold class, which a subclass gives as
    `of_log_probability`.

    # Parameters

    reduction : `str`, optional (default = `"batch"`)
        See `SpanLoss`.
    label_smoothing : `float`, optional (default = `0.0`)
        Share of the gold that goes to all classes alike, the gold one included (Szegedy et al. 2016, "Rethinking the
        Inception Architecture", section 7).

    # Raises

    `ConfigError` when `label_smoothing` does not lie in [0, 1).
    """

    def __init__(self, reduction: str = "batch", label_smoothing: float = 0.0) -> None:
        super().__init__(reduction)
        if not 0.0 <= label_smoothing < 1.0:
            raise ConfigError(f"label_smoothing lies in [0, 1), not {label_smoothing}")
        self.label_smoothing = label_smoothing

    @abstractmethod
    def of_log_probability(self, log_probability: Tensor) -> Tensor:
        """The loss where the gold class has this log-probability, element by element."""
        raise NotImplementedError

    def cell_losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """`SpanLoss.cell_losses`."""
        # A third of the time of `F.cross_entropy` on a CPU, whose log-softmax is slow for few classes.
        gold = logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
        losses = self.of_log_probability(gold - logits.logsumexp(-1))
        if self.label_smoothing == 0.0:
            return losses
        every_class = self.of_log_probability(logits - logits.logsumexp(-1, keepdim=True))
        return (1 - self.label_smoothing) * losses + self.label_smoothing * every_class.mean(-1)

    def class_losses(self, logits: Tensor) -> Tensor:
        """`SpanLoss.class_losses`, from one softmax."""
        losses = self.of_log_probability(logits - logits.logsumexp(-1, keepdim=True))
        if self.label_smoothing == 0.0:
            return losses
        return (1 - self.label_smoothing) * losses + self.label_smoothing * losses.mean(-1, keepdim=True)


@SpanLoss.register("cross_entropy")
class CrossEntropySpanLoss(SoftmaxSpanLoss):
    """
    Softmax cross-entropy: the negative log-probability of each cell's gold class. A `SpanLoss` of the name
    `cross_entropy`; its parameters are `SoftmaxSpanLoss`'s.
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
    shape : `Tuple[int, int, int]`
        The band's (batch, length, width).

    # Returns

    targets : `torch.LongTensor`
        0 where there is no entity, type id + 1 where there is one. Shape: (batch, length, width)
    reachable : `torch.BoolTensor`
        Which rows of `entities` the targets hold. Padding is not; nor is an entity wider than the band, or, of two
        types on one span, the one with the higher id. Shape: (batch, entities)
    """
    batch, length, width = shape
    start, end, type_id = entities.unbind(-1)  # Shape of each: (batch, entities)
    offset = end - start - 1
    fits = (type_id >= 0) & (start >= 0) & (end <= length) & (offset >= 0) & (offset < width)
    sentence = torch.arange(batch, device=entities.device).unsqueeze(-1)
    cells = batch * length * width
    # What does not fit goes to one cell more, which is then cut off.
    cell = torch.where(fits, (sentence * length + start) * width + offset, cells)
    none = torch.iinfo(torch.int64).max
    classes = torch.full((cells + 1,), none, device=entities.device)
    classes.scatter_reduce_(0, cell.flatten(), (type_id + 1).flatten(), "amin")
    reachable = fits & (classes[cell] == type_id + 1)
    targets = classes[:cells].masked_fill(classes[:cells] == none, 0)
    return targets.view(shape), reachable
