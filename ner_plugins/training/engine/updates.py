"""Updates of parameters: precision, accumulation, clipping, schedules and the gradients of all ranks."""

import contextlib
from typing import Any, ContextManager, Optional, Sequence

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from ner_plugins.distributed import Weight, sum_gradients
from ner_plugins.training.trainer_access import amp_dtype, scales_gradients


class Precision:
    """
    The mixed precision of a trainer: its `use_amp` and `amp_dtype`.

    # Parameters

    trainer : `GradientDescentTrainer`
    """

    def __init__(self, trainer: Any) -> None:
        self.dtype = amp_dtype(trainer)
        self.device_type = torch.device(trainer.cuda_device).type
        self.scales = scales_gradients(trainer)

    def autocast(self) -> ContextManager[Any]:
        """The context for a forward pass."""
        if self.dtype is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device_type, dtype=self.dtype)

    def new_scaler(self) -> torch.amp.GradScaler:
        """A gradient scaler that does nothing if the trainer has none."""
        return torch.amp.GradScaler(self.device_type, enabled=self.scales)


class Updates:
    """
    Accumulates the gradients of an update's batches and updates the parameters: unscale and average the gradients,
    bound their norm, clip each value; step the schedules, then the optimizer.

    The gradient of an update is the weighted mean over its batches that have a loss, over all ranks in distributed
    training, so all ranks make the same update. With the number that a batch's loss is averaged over as its weight, the
    batches have the gradient that one batch of all their sentences would have. Without any batch that has a loss only
    the schedules move.

    # Parameters

    parameters : `Sequence[Parameter]`
        The parameters that learn.
    optimizer : `torch.optim.Optimizer`
    schedules : `Sequence[Any]`
        AllenNLP's schedulers of the learning rate and the momentum.
    precision : `Precision`
    grad_norm, grad_clipping : `Optional[float]`
        Upper bounds: of the norm of all gradients together, and of the absolute value of each.
    scaler : `Optional[torch.amp.GradScaler]`
        Left out: a new one, if the precision needs any.
    """

    def __init__(
        self,
        parameters: Sequence[Parameter],
        optimizer: Any,
        schedules: Sequence[Any],
        precision: Precision,
        grad_norm: Optional[float] = None,
        grad_clipping: Optional[float] = None,
        scaler: Optional[torch.amp.GradScaler] = None,
    ) -> None:
        self.parameters = list(parameters)
        self.optimizer = optimizer
        self.schedules = list(schedules)
        self.scaler = scaler or precision.new_scaler()
        self.grad_norm = grad_norm
        self.grad_clipping = grad_clipping
        self.steps = 0
        self.norm: Optional[Tensor] = None
        self._batches = 0
        self._weight: Weight = 0.0

    @property
    def learning_rates(self) -> list[float]:
        """The rate of each parameter group."""
        return [float(group["lr"]) for group in self.optimizer.param_groups if group["params"]]

    def accumulate(self, loss: Tensor, weight: Weight = 1.0) -> None:
        """Add the gradient of a batch's loss, and its weight."""
        self.backward(loss, weight)
        self.count(weight)

    def backward(self, loss: Tensor, weight: Weight = 1.0) -> None:
        """Add the gradient of `weight * loss`; the batch is not counted."""
        if isinstance(weight, Tensor) or weight != 1.0:
            loss = loss * weight
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def count(self, weight: Weight = 1.0) -> None:
        """Count a batch whose gradient has been added."""
        self._batches += 1
        self._weight = self._weight + weight

    def step(self) -> bool:
        """Update the parameters with the accumulated gradients; returns whether there were any."""
        batches, weight = sum_gradients(self.parameters, self._batches, self._weight)
        self.steps += 1
        for schedule in self.schedules:
            schedule.step_batch(self.steps)
        if batches > 0:
            self.scaler.unscale_(self.optimizer)
            self.norm = self._bound_gradients(weight)
            self.scaler.step(self.optimizer)
            self.scaler.update()
        for parameter in self.parameters:
            parameter.grad = None
        self._batches, self._weight = 0, 0.0
        return batches > 0

    def end_epoch(self, figure: Optional[float]) -> None:
        """Step the schedules after an epoch with the validation figure `figure`."""
        for schedule in self.schedules:
            schedule.step(figure)

    def replay(self, figures: Sequence[Optional[float]], steps_per_epoch: int) -> None:
        """
        Step fresh schedules through the past: `figures` are the validation figures of the finished epochs, and the
        updates so far were `steps_per_epoch` each.
        """
        for step in range(1, self.steps + 1):
            for schedule in self.schedules:
                schedule.step_batch(step)
            if step % steps_per_epoch == 0 and step // steps_per_epoch <= len(figures):
                self.end_epoch(figures[step // steps_per_epoch - 1])

    def state_dict(self) -> dict[str, Any]:
        """The state for a checkpoint: tensors and plain containers."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "schedules": [schedule.state_dict() for schedule in self.schedules],
            "scaler": self.scaler.state_dict(),
            "steps": self.steps,
        }

    def load_state_dict(self, state: dict[str, Any], schedules: bool = True) -> None:
        """Restore what `state_dict` returned; with `schedules=False` all but the schedules: see `replay`."""
        self.optimizer.load_state_dict(state["optimizer"])
        if "schedule" in state:  # checkpoints of version 0.1 have one, or none
            state = {**state, "schedules": [] if state["schedule"] is None else [state["schedule"]]}
        if schedules:
            for schedule, of_schedule in zip(self.schedules, state["schedules"], strict=True):
                schedule.load_state_dict(of_schedule)
        self.scaler.load_state_dict(state["scaler"])
        self.steps = state["steps"]

    def _bound_gradients(self, weight: Weight) -> Optional[Tensor]:
        """Average and bound the gradients; returns their norm before it is bounded, if `grad_norm` is set."""
        trained = [parameter for parameter in self.parameters if parameter.grad is not None]
        if isinstance(weight, Tensor) or weight != 1.0:
            for parameter in trained:
                assert parameter.grad is not None
                parameter.grad.div_(weight)
        norm = None
        if self.grad_norm is not None:
            norm = clip_grad_norm_(trained, self.grad_norm)
        if self.grad_clipping is not None:
            clip_grad_value_(trained, self.grad_clipping)
        return norm
