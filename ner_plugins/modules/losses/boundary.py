"""Boundary smoothing: gold spans share their mass with the spans around them."""

from typing import Any, ClassVar, Optional, Sequence

import torch
import torch.nn.functional as F
from allennlp.common import Lazy
from torch import Tensor

from ner_plugins.errors import ConfigError
from ner_plugins.modules.losses.span_loss import CellLoss, CrossEntropyLoss, Reduction
from ner_plugins.modules.losses.type_weights import TypeWeights


@CellLoss.register("boundary_smoothing")
class BoundarySmoothingLoss(CellLoss):
    """
    Boundary smoothing (Zhu & Li 2022, "Boundary Smoothing for Named Entity Recognition", section 3.2): an entity's
    span keeps 1 - epsilon of the gold, and the spans around it share epsilon. A `CellLoss` named
    `boundary_smoothing`, for bands of spans only.

    # Parameters

    epsilon : `float`, optional (default=`0.1`)
        The shared mass; 0 leaves `loss` unchanged. See `smooth_boundaries`.
    distance : `int`, optional (default=`1`)
        The largest Manhattan distance of the sharing spans, in tokens at both boundaries together; D in the paper.
    loss : `Lazy[CellLoss]`, optional (default=`cross_entropy`)
        The loss against the smoothed gold.
    reduction : `str`, optional (default=`"batch"`)
        See `CellLoss`. `loss` takes it from here.
    type_weights : `Optional[Union[float, dict[str, float]]]`, optional (default=`None`)
        See `CellLoss`. `loss` takes it from here. A cell that shares in the gold of an entity has that share of the
        entity's weight, also in the sum that `cells` divides by. (torch divides by the number of cells where its target
        is a distribution; then an `epsilon` of 0 would not be the same as no smoothing.)

    # Raises

    `ConfigError` if `epsilon` is outside [0, 1), if `distance` is below 1, or if `loss` has another reduction or other
    weights.
    """

    needs_band: ClassVar[bool] = True

    def __init__(
        self,
        epsilon: float = 0.1,
        distance: int = 1,
        loss: Lazy[CellLoss] = Lazy(CrossEntropyLoss),  # noqa: B008 (AllenNLP's idiom; it holds no state)
        reduction: Reduction = "batch",
        type_weights: TypeWeights = None,
    ) -> None:
        super().__init__(reduction, type_weights)
        if not 0.0 <= epsilon < 1.0:
            raise ConfigError(f"loss.epsilon must be in [0, 1), got {epsilon}")
        if distance < 1:
            raise ConfigError(f"loss.distance must be >= 1, got {distance}")
        self.epsilon, self.distance = epsilon, distance
        # Without weights none are passed on: a loss registered by a user may not take them.
        weighted: dict[str, Any] = {} if self.type_weights is None else {"type_weights": self.type_weights}
        self.inner = loss.construct(reduction=reduction, **weighted)
        self.independent_types, self.adds_cells = self.inner.independent_types, self.inner.adds_cells
        if self.inner.reduction != reduction:
            raise ConfigError(
                f"loss.loss.reduction must be that of boundary_smoothing, {reduction!r}, got "
                f"{self.inner.reduction!r}: set only loss.reduction"
            )
        if self.inner.type_weights != self.type_weights:
            raise ConfigError("loss.loss.type_weights differs from loss.type_weights: set only loss.type_weights")

    def name_classes(self, classes: Sequence[Optional[str]]) -> None:
        """`CellLoss.name_classes`, also for `loss`."""
        super().name_classes(classes)
        self.inner.name_classes(classes)

    def cell_losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """`cell_losses` of `loss`."""
        losses: Tensor = self.inner.cell_losses(logits, targets)
        return losses

    def soft_targets(self, targets: Tensor, mask: Tensor, num_classes: int) -> Tensor:
        """`smooth_boundaries`."""
        return smooth_boundaries(targets, mask, num_classes, self.epsilon, self.distance)

    def summed(
        self,
        logits: Tensor,
        targets: Tensor,
        soft: Optional[Tensor],
        mask: Tensor,
        sentence_weights: Optional[Tensor] = None,
    ) -> Tensor:
        """`summed` of `loss`, against the smoothed gold."""
        summed: Tensor = self.inner.summed(logits, targets, soft, mask, sentence_weights)
        return summed


def smooth_boundaries(
    targets: Tensor, mask: Tensor, num_classes: int, epsilon: float, distance: int, dense: Optional[bool] = None
) -> Tensor:
    """
    The gold of a band, with a share of each entity's mass moved to the spans around it.

    For d = 1 .. `distance`, each of the 4 d spans at distance d from an entity gets `epsilon / (4 d distance)`. The
    share of spans outside the text or the band stays with the entity, as in eznlp, the authors' code. The rest of
    every cell is "not an entity"; a cell that gets more than 1 from several entities is scaled to 1.

    # Parameters

    targets : `torch.LongTensor`
        The gold class of each cell. Shape: (batch, length, width)
    mask : `torch.BoolTensor`
        The cells that are spans of the text. Shape: (batch, length, width)
    num_classes : `int`
        The types and "not an entity".
    epsilon, distance
        See `BoundarySmoothingLoss`.
    dense : `Optional[bool]`, optional (default=`None`)
        Whether to move whole bands instead of the entities in them, whose number is only known on the device. By
        default only on accelerators. The results differ by rounding.

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
    if targets.device.type != "cpu" if dense is None else dense:
        return _smoothed_densely(targets, mask, num_classes, moves)
    first, last, share = torch.tensor(moves, device=targets.device).unbind(-1)  # Shape of each: (moves,)
    sentence, start, offset = (targets * mask).nonzero(as_tuple=True)  # Shape of each: (entities,)
    type_class = targets[sentence, start, offset]
    # The cell that each move of each entity leads to. Shape of these: (entities, moves)
    new_start = start.unsqueeze(-1) + first.long()
    new_offset = offset.unsqueeze(-1) + (last - first).long()
    batch, length, width = targets.shape
    inside = (new_start >= 0) & (new_start < length) & (new_offset >= 0) & (new_offset < width)
    new_start, new_offset = new_start.clamp(0, length - 1), new_offset.clamp(0, width - 1)
    given = share * (inside & mask[sentence.unsqueeze(-1), new_start, new_offset])

    # Shape: (batch, length, width, classes), with the classes outermost in memory
    soft = torch.zeros(batch, num_classes, length, width, device=targets.device).permute(0, 2, 3, 1)
    moved_to = (sentence.unsqueeze(-1), new_start, new_offset, type_class.unsqueeze(-1))
    soft.index_put_((sentence, start, offset, type_class), 1 - given.sum(-1), accumulate=True)
    soft.index_put_(moved_to, given, accumulate=True)
    of_types = soft[..., 1:]  # Shape: (batch, length, width, types)
    of_types /= of_types.sum(-1, keepdim=True).clamp(min=1)
    soft[..., 0] = (1 - of_types.sum(-1)).clamp(min=0)
    return soft


def _smoothed_densely(
    targets: Tensor, mask: Tensor, num_classes: int, moves: Sequence[tuple[int, int, float]]
) -> Tensor:
    """
    `smooth_boundaries` for accelerators. `moves` are of the first token and of the last token, with the share. Shape:
    (batch, length, width, num_classes)
    """
    types = torch.arange(1, num_classes, device=targets.device)
    # Shape of these: (batch, length, width, types)
    gold = ((targets * mask).unsqueeze(-1) == types).to(torch.float32)
    of_types = gold.clone()
    for first, last, share in moves:
        there = _shifted(mask.unsqueeze(-1), -first, first - last)  # whether the cell that a cell moves to is a span
        of_types -= share * (gold * there)
        of_types += share * (_shifted(gold, first, last - first) * mask.unsqueeze(-1))
    of_types /= of_types.sum(-1, keepdim=True).clamp(min=1)
    none = (1 - of_types.sum(-1, keepdim=True)).clamp(min=0)
    return torch.cat((none, of_types), -1)


def _shifted(band: Tensor, tokens: int, widths: int) -> Tensor:
    """Cell [:, i, w] is that at [:, i - tokens, w - widths] of the band; 0 where there is none. Shape: as `band`"""
    _, length, width, _ = band.shape
    padded = F.pad(band, (0, 0, max(widths, 0), max(-widths, 0), max(tokens, 0), max(-tokens, 0)))
    return padded[:, max(-tokens, 0) : max(-tokens, 0) + length, max(-widths, 0) : max(-widths, 0) + width]
