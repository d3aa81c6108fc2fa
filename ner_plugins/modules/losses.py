"""Targets and losses of the heads that score every span of a band."""

from abc import abstractmethod
from typing import Union

import torch
from allennlp.common import Registrable
from torch import Tensor

from ner_plugins.errors import ConfigError

_REDUCTIONS = ("batch", "cells", "positives")


class SpanLoss(torch.nn.Module, Registrable):
    """
    A loss over typed spans: one number per cell of a band (`cell_losses`, which a subclass gives), summed over the
    cells that count and divided as `reduction` says. Computed in float32 at least, under autocast too.

    # Parameters

    reduction : `str`, optional (default = `"batch"`)
        What the sum is divided by: `batch`, the number of sentences (as in the published biaffine system); `cells`,
        the number of cells that count; `positives`, the number of gold entities among them (1 if there are none).

    # Raises

    `ConfigError` when `reduction` is another word.
    """

    default_implementation = "cross_entropy"

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

    def forward(self, logits: Tensor, targets: Tensor, mask: Tensor, batch_size: int) -> Tensor:
        """
        # Parameters

        logits : `torch.Tensor`
            Finite in every cell, masked ones included. Shape: (..., classes)
        targets : `torch.LongTensor`
            Shape: (...)
        mask : `torch.BoolTensor`
            The cells that count. Shape: (...)
        batch_size : `int`
            Number of sentences, for the reduction `batch`.

        # Returns

        `torch.Tensor`
            A scalar; 0, with a graph, where no cell counts.
        """
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        losses = self.cell_losses(logits, targets)
        return torch.where(mask, losses, 0.0).sum() / self._divisor(targets, mask, batch_size)

    def _divisor(self, targets: Tensor, mask: Tensor, batch_size: int) -> Union[Tensor, int]:
        if self.reduction == "batch":
            return max(batch_size, 1)
        counted = mask if self.reduction == "cells" else mask & (targets > 0)
        return counted.sum().clamp(min=1)


@SpanLoss.register("cross_entropy")
class CrossEntropySpanLoss(SpanLoss):
    """
    Softmax cross-entropy: the negative log-probability of each cell's gold class. A `SpanLoss` of the name
    `cross_entropy`.
    """

    def cell_losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """`-log softmax(logits)[target]`, with `SpanLoss.cell_losses`'s shapes."""
        # A third of the time of `F.cross_entropy` on a CPU, whose log-softmax is slow for few classes.
        gold = logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
        return logits.logsumexp(-1) - gold


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
