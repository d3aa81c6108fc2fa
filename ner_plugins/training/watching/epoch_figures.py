"""What an epoch gave, and the base of the callbacks that report it."""

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Mapping, Optional, Sequence

from allennlp.training.callbacks import TrainerCallback

from ner_plugins.training.trainer_access import (
    is_resumed,
    number_of_epochs,
    resumes_within_epoch,
    validates_this_epoch,
    validation_metrics,
)

_VALIDATION, _BEST = "validation_", "best_validation_"


@dataclass(frozen=True)
class EpochFigures:
    """
    The figures of an epoch.

    # Parameters

    epoch : `int`
        From 0, as AllenNLP counts.
    epochs : `int`
        How many there are to be.
    seconds : `float`
        The time of training and validation, and of the checkpoint before them.
    seconds_left : `Optional[float]`
        An estimate for the remaining epochs, from the mean of the whole epochs so far; `None` if there are none.
    rates : `Mapping[str, float]`
        The learning rates of the last step, by the part of the model that has them: see `RateGroups`.
    training_loss : `Optional[float]`
    validation : `Mapping[str, float]`
        The figures of the validation data, as the model names them; empty if the epoch was not validated.
    watched : `Sequence[str]`
        The names of `validation_metric`.
    best_epoch : `Optional[int]`
        The best epoch so far by `validation_metric`.
    best : `Mapping[str, float]`
        Its figures.
    """

    epoch: int
    epochs: int
    seconds: float
    seconds_left: Optional[float]
    rates: Mapping[str, float]
    training_loss: Optional[float]
    validation: Mapping[str, float]
    watched: Sequence[str]
    best_epoch: Optional[int]
    best: Mapping[str, float]


class RateGroups:
    """
    The learning rates of an optimizer: one for all parameter groups that start with the same rate.

    Each is named by what the names of its parameters begin with, `head.crf`; a rate without such a part is `other`, and
    the only rate is the empty string.

    # Parameters

    model : `torch.nn.Module`
    optimizer : `torch.optim.Optimizer`
    """

    def __init__(self, model: Any, optimizer: Any) -> None:
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        members: dict[float, list[str]] = {}
        self._first: list[int] = []  # for each rate, the first group that has it
        for number, group in enumerate(optimizer.param_groups):
            if not group["params"]:
                continue
            start = float(group.get("initial_lr", group["lr"]))
            if start not in members:
                self._first.append(number)
            members.setdefault(start, []).extend(names.get(id(one), "") for one in group["params"])
        self.names = _distinct([_common_part(found) for found in members.values()])

    def read(self, rates: Sequence[Any]) -> dict[str, float]:
        """The rates by name, given the rates of all parameter groups."""
        return {name: float(rates[number]) for name, number in zip(self.names, self._first, strict=True)}


def _common_part(names: Sequence[str]) -> str:
    """What all names begin with, up to a dot."""
    first, last = min(names).split("."), max(names).split(".")
    return ".".join(part for part, _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False)))


def _distinct(names: Sequence[str]) -> list[str]:
    if len(names) == 1:
        return [""]
    named = [name or "other" for name in names]
    return [f"{name}_{place}" if named.count(name) > 1 else name for place, name in enumerate(named, start=1)]


class EpochWatcher(TrainerCallback, ABC):
    """
    Base of the callbacks that report each epoch, under any trainer that calls AllenNLP's callbacks.

    They do without `on_batch`, for which the loss of each step would have to be copied from the GPU: the learning rates
    are noted by a hook of the optimizer. Only the first rank reports.
    """

    def __init__(self, serialization_dir: str) -> None:
        super().__init__(serialization_dir)
        self._handle: Any = None
        self._start: Optional[float] = None
        self._rates: Optional[list[Any]] = None
        self._whole: list[float] = []  # the seconds of each whole epoch
        self._is_part = False

    @staticmethod
    def clock() -> float:
        """Seconds from some moment on."""
        return time.monotonic()

    @abstractmethod
    def report(self, trainer: Any, figures: EpochFigures) -> None:
        """Called on the first rank after each epoch."""

    def on_start(self, trainer: Any, is_primary: bool = True, **kwargs: Any) -> None:
        """Start the clock; a resumed run, which may first skip data, starts it with the first step."""
        super().on_start(trainer, is_primary=is_primary, **kwargs)
        if not is_primary:
            return
        self._groups = RateGroups(trainer.model, trainer.optimizer)
        self._handle = trainer.optimizer.register_step_post_hook(self._note_step)
        self._start = None if is_resumed(trainer) else self.clock()
        self._is_part = resumes_within_epoch(trainer)

    def on_epoch(
        self, trainer: Any, metrics: dict[str, Any], epoch: int, is_primary: bool = True, **kwargs: Any
    ) -> None:
        """Report the epoch."""
        if not is_primary:
            return
        now = self.clock()
        seconds = 0.0 if self._start is None else now - self._start
        self._start = now
        if not self._is_part:
            self._whole.append(seconds)
        self._is_part = False
        left = number_of_epochs(trainer) - epoch - 1
        self.report(
            trainer,
            EpochFigures(
                epoch=epoch,
                epochs=number_of_epochs(trainer),
                seconds=seconds,
                seconds_left=left * sum(self._whole) / len(self._whole) if self._whole else None,
                rates={} if self._rates is None else self._groups.read(self._rates),
                training_loss=metrics.get("training_loss"),
                validation=_beginning_with(_VALIDATION, metrics) if validates_this_epoch(trainer) else {},
                watched=validation_metrics(trainer),
                best_epoch=metrics.get("best_epoch"),
                best=_beginning_with(_BEST, metrics),
            ),
        )

    def on_end(
        self,
        trainer: Any,
        metrics: Optional[dict[str, Any]] = None,
        epoch: Optional[int] = None,
        is_primary: bool = True,
        **kwargs: Any,
    ) -> None:
        """Remove the hook."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    def _note_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        self._rates = [group["lr"] for group in optimizer.param_groups]
        if self._start is None:
            self._start = self.clock()


def _beginning_with(prefix: str, metrics: Mapping[str, Any]) -> dict[str, float]:
    """The figures whose names begin with `prefix`, without it."""
    return {
        name.removeprefix(prefix): value
        for name, value in metrics.items()
        if name.startswith(prefix) and isinstance(value, (int, float))
    }
