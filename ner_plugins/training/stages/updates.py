"""Updates of a stage's parameters: its own optimizer, schedule and scaler, clipping, and gradients of all ranks."""

import contextlib
from typing import Any, ContextManager, Optional, Sequence

import torch
from allennlp.common import Lazy
from allennlp.training.learning_rate_schedulers import LearningRateScheduler
from allennlp.training.optimizers import Optimizer
from torch import Tensor
from torch.nn import Parameter
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from ner_plugins.distributed import sum_gradients


class Precision:
    """
    The mixed precision that a trainer's `use_amp` and `amp_dtype` say.

    # Parameters

    trainer : `GradientDescentTrainer`
    """

    def __init__(self, trainer: Any) -> None:
        name = getattr(trainer, "amp_dtype", "float16" if trainer._use_amp else None)
        self.dtype: Optional[torch.dtype] = None if name is None else getattr(torch, name)
        self.device_type = torch.device(trainer.cuda_device).type
        self.scales = trainer._scaler is not None

    def autocast(self) -> ContextManager[Any]:
        """The context of a forward pass."""
        if self.dtype is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device_type, dtype=self.dtype)

    def new_scaler(self) -> torch.amp.GradScaler:
        """A scaler of gradients of its own; it leaves them as they are where the trainer has none."""
        return torch.amp.GradScaler(self.device_type, enabled=self.scales)


class Updates:
    """
    Accumulates the gradients of the batches of a step and updates the parameters, in the trainer's order: gradients
    unscaled, averaged, their norm bounded, each value clipped; then the schedule, then the optimizer.

    A step's gradient is the mean over those of its batches that have a loss, in distributed training over the
    batches of all ranks, so all ranks make the same update. A step without any such batch moves the schedule alone.

    # Parameters

    parameters : `Sequence[tuple[str, Parameter]]`
        Those that learn.
    optimizer : `Lazy[Optimizer]`
    schedule : `Optional[Lazy[LearningRateScheduler]]`
    num_epochs : `int`
    steps_per_epoch : `int`
    precision : `Precision`
    grad_norm : `Optional[float]`
        The greatest norm of all gradients together.
    grad_clipping : `Optional[float]`
        The greatest absolute value of each gradient.
    """

    def __init__(
        self,
        parameters: Sequence[tuple[str, Parameter]],
        optimizer: Lazy[Optimizer],
        schedule: Optional[Lazy[LearningRateScheduler]],
        num_epochs: int,
        steps_per_epoch: int,
        precision: Precision,
        grad_norm: Optional[float] = None,
        grad_clipping: Optional[float] = None,
    ) -> None:
        self.parameters = [parameter for _, parameter in parameters]
        self.optimizer = optimizer.construct(model_parameters=[list(pair) for pair in parameters])
        self.schedule: Optional[LearningRateScheduler] = None
        if schedule is not None:
            self.schedule = schedule.construct(
                optimizer=self.optimizer, num_epochs=num_epochs, num_steps_per_epoch=steps_per_epoch
            )
        self.scaler = precision.new_scaler()
        self.grad_norm = grad_norm
        self.grad_clipping = grad_clipping
        self.steps = 0
        self._batches = 0

    @property
    def learning_rates(self) -> list[float]:
        """Of each group of parameters."""
        return [float(group["lr"]) for group in self.optimizer.param_groups if group["params"]]

    def accumulate(self, loss: Tensor) -> None:
        """Add the gradient of a batch's loss."""
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._batches += 1

    def step(self) -> bool:
        """Update the parameters by what was accumulated; returns whether there was anything."""
        batches = sum_gradients(self.parameters, self._batches)
        self.steps += 1
        if self.schedule is not None:
            self.schedule.step_batch(self.steps)
        if batches > 0:
            self.scaler.unscale_(self.optimizer)
            self._bound(batches)
            self.scaler.step(self.optimizer)
            self.scaler.update()
        for parameter in self.parameters:
            parameter.grad = None
        self._batches = 0
        return batches > 0

    def end_epoch(self, figure: Optional[float]) -> None:
        """Move the schedule by an epoch, whose validation gave `figure`."""
        if self.schedule is not None:
            self.schedule.step(figure)

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain containers."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "schedule": None if self.schedule is None else self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
            "steps": self.steps,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.optimizer.load_state_dict(state["optimizer"])
        if self.schedule is not None:
            self.schedule.load_state_dict(state["schedule"])
        self.scaler.load_state_dict(state["scaler"])
        self.steps = state["steps"]

    def _bound(self, batches: int) -> None:
        learnt = [parameter for parameter in self.parameters if parameter.grad is not None]
        if batches > 1:
            for parameter in learnt:
                assert parameter.grad is not None
                parameter.grad.div_(batches)
        if self.grad_norm is not None:
            clip_grad_norm_(learnt, self.grad_norm)
        if self.grad_clipping is not None:
            clip_grad_value_(learnt, self.grad_clipping)
