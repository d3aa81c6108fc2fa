"""Updates of a stage's parameters: optimizer, schedule, scaler and clipping, with the gradients of all ranks."""

import contextlib
from typing import Any, ContextManager, Optional, Sequence

import torch
from allennlp.training.learning_rate_schedulers import LearningRateScheduler
from torch import Tensor
from torch.nn import Parameter
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from ner_plugins.distributed import sum_gradients
from ner_plugins.training.stages.options import StageOptions
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
        """A gradient scaler for one stage, which does nothing if the trainer has none."""
        return torch.amp.GradScaler(self.device_type, enabled=self.scales)


class Updates:
    """
    Accumulates the gradients of an update's batches and updates the parameters, in the trainer's order: unscale and
    average the gradients, bound their norm, clip each value; then step the schedule, then the optimizer.

    The gradient of an update is the mean over those of its batches that have a loss, over all ranks in distributed
    training, so all ranks make the same update. Without any such batch only the schedule moves.

    # Parameters

    parameters : `Sequence[tuple[str, Parameter]]`
        The parameters that learn, with their names.
    options : `StageOptions`
        With an optimizer.
    num_epochs : `int`
    steps_per_epoch : `int`
        Updates per epoch.
    precision : `Precision`
    """

    def __init__(
        self,
        parameters: Sequence[tuple[str, Parameter]],
        options: StageOptions,
        num_epochs: int,
        steps_per_epoch: int,
        precision: Precision,
    ) -> None:
        assert options.optimizer is not None
        self.options = options
        self.parameters = [parameter for _, parameter in parameters]
        self.optimizer = options.optimizer.construct(model_parameters=[list(pair) for pair in parameters])
        self.schedule: Optional[LearningRateScheduler] = None
        if options.learning_rate_scheduler is not None:
            self.schedule = options.learning_rate_scheduler.construct(
                optimizer=self.optimizer, num_epochs=num_epochs, num_steps_per_epoch=steps_per_epoch
            )
        self.scaler = precision.new_scaler()
        self.steps = 0
        self._batches = 0

    @property
    def learning_rates(self) -> list[float]:
        """The rate of each parameter group."""
        return [float(group["lr"]) for group in self.optimizer.param_groups if group["params"]]

    def accumulate(self, loss: Tensor) -> None:
        """Add the gradient of a batch's loss."""
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._batches += 1

    def step(self) -> bool:
        """Update the parameters with the accumulated gradients; returns whether there were any."""
        batches = sum_gradients(self.parameters, self._batches)
        self.steps += 1
        if self.schedule is not None:
            self.schedule.step_batch(self.steps)
        if batches > 0:
            self.scaler.unscale_(self.optimizer)
            self._bound_gradients(batches)
            self.scaler.step(self.optimizer)
            self.scaler.update()
        for parameter in self.parameters:
            parameter.grad = None
        self._batches = 0
        return batches > 0

    def end_epoch(self, figure: Optional[float]) -> None:
        """Step the schedule after an epoch with the validation figure `figure`."""
        if self.schedule is not None:
            self.schedule.step(figure)

    def state_dict(self) -> dict[str, Any]:
        """The state for a checkpoint: tensors and plain containers."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "schedule": None if self.schedule is None else self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
            "steps": self.steps,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.optimizer.load_state_dict(state["optimizer"])
        if self.schedule is not None:
            self.schedule.load_state_dict(state["schedule"])
        self.scaler.load_state_dict(state["scaler"])
        self.steps = state["steps"]

    def _bound_gradients(self, batches: int) -> None:
        trained = [parameter for parameter in self.parameters if parameter.grad is not None]
        if batches > 1:
            for parameter in trained:
                assert parameter.grad is not None
                parameter.grad.div_(batches)
        if self.options.grad_norm is not None:
            clip_grad_norm_(trained, self.options.grad_norm)
        if self.options.grad_clipping is not None:
            clip_grad_value_(trained, self.options.grad_clipping)
