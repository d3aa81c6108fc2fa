"""Sums of losses that stay on the device, and the check that they are numbers."""

import math
from typing import Any, Iterable, NamedTuple, Optional

import torch
from torch import Tensor

from ner_plugins.distributed import sums_over_ranks
from ner_plugins.errors import NerError

DIVERGED = (
    "Training has probably diverged: lower the learning rate, clip gradients, or use bfloat16 or float32 in place of "
    "float16"
)
_UNREAD = 64  # losses are read from a GPU at the latest after this many batches


class _Unread(NamedTuple):
    """A batch whose figures are still on the device: its loss, and the penalty and the weight if it has them."""

    values: Tensor
    has_penalty: bool
    has_weight: bool
    place: str
    sentences: list[str]


class Losses:
    """
    The losses of an epoch's batches. On a GPU they are read only now and then, since each read waits for all work that
    is queued there.

    # Parameters

    device : `torch.device`
    overflows : `bool`
        Whether an infinite loss is allowed, as with scaled float16 gradients.
    """

    def __init__(self, device: torch.device, overflows: bool) -> None:
        self._reads_at_once = device.type == "cpu"
        self._device = device
        self._overflows = overflows
        self._unread: list[_Unread] = []
        self.total = self.regularization = 0.0
        self.weighted_total = self.weight = 0.0
        self.last = math.nan
        self.batches = self.skipped = 0

    def add(
        self,
        loss: Tensor,
        batch: Iterable[Any],
        place: str,
        regularization: Optional[Tensor] = None,
        weight: Optional[Tensor] = None,
    ) -> None:
        """
        Count a batch.

        # Parameters

        loss : `torch.Tensor`
            A scalar.
        batch : `Iterable[Any]`
            The parts of the batch, whose sentences are named if the loss is not a number.
        place : `str`
            The place in training, for messages.
        regularization : `Optional[torch.Tensor]`, optional (default=`None`)
            The part of `loss` that is a penalty.
        weight : `Optional[torch.Tensor]`, optional (default=`None`)
            What `loss` is averaged over, for `weighted_mean`: see `WeightedLoss`.
        """
        values = [one.detach().double() for one in (loss, regularization, weight) if one is not None]
        names = sentences_of(batch)
        self._unread.append(_Unread(torch.stack(values), regularization is not None, weight is not None, place, names))
        if self._reads_at_once or len(self._unread) >= _UNREAD:
            self.read()

    @property
    def mean(self) -> float:
        """The mean of the losses that have been read."""
        return self.total / max(self.batches, 1)

    def skip(self) -> None:
        """Count a batch without a loss."""
        self.skipped += 1

    def read(self) -> None:
        """
        Read the losses that are still on the device.

        # Raises

        `NerError` if one is not a number; the message names the batch's sentences.
        """
        if not self._unread:
            return
        unread, self._unread = self._unread, []
        values = iter(torch.cat([one.values for one in unread]).tolist())
        for one in unread:
            loss = next(values)
            penalty = next(values) if one.has_penalty else 0.0
            self._count(one, loss, penalty, next(values) if one.has_weight else 0.0)

    def _count(self, one: "_Unread", loss: float, penalty: float, weight: float) -> None:
        if math.isnan(loss) or (math.isinf(loss) and not self._overflows):
            names = one.sentences
            listed = f" (sentences {', '.join(names[:8])}{', …' if len(names) > 8 else ''})" if names else ""
            raise NerError(f"{one.place}: the loss is {loss}{listed}. {DIVERGED}")
        self.total += loss
        self.regularization += penalty
        self.weighted_total += loss * (weight if weight > 0 else 1.0)
        self.weight += weight
        self.last = loss
        self.batches += 1

    def sums(self) -> tuple[float, float, int, int]:
        """Loss, penalty, batches and skipped batches of all ranks."""
        self.read()
        values = [self.total, self.regularization, self.batches, self.skipped]
        total, penalty, batches, skipped = sums_over_ranks(values, self._device)
        return total, penalty, int(batches), int(skipped)

    def weighted_mean(self) -> float:
        """
        The loss of one batch of all sentences of all ranks. Without weights, and for losses that are sums, the mean
        over batches.
        """
        self.read()
        values = [self.total, self.batches, self.weighted_total, self.weight]
        total, batches, weighted_total, weight = sums_over_ranks(values, self._device)
        return weighted_total / weight if weight > 0 else total / max(batches, 1.0)

    def state_dict(self) -> dict[str, Any]:
        """The sums of this rank."""
        self.read()
        names = ("total", "regularization", "weighted_total", "weight", "last", "batches", "skipped")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        for name, value in state.items():
            setattr(self, name, value)


def sentences_of(batch: Iterable[Any]) -> list[str]:
    """The sources or ids of the sentences in a batch's parts, as far as they have any."""
    metadata = [one for part in batch if isinstance(part, dict) for one in part.get("metadata", ())]
    return [str(one.get("source") or one.get("id")) for one in metadata if isinstance(one, dict)]
