"""Updates of parameters: precision, accumulation, clipping and schedules."""

import contextlib
from typing import Any, Callable, ContextManager, Optional, Sequence

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.nn.utils import clip_grad_value_

from ner_plugins.training.engine.gradients import Exchanged, GradientSum, Weight
from ner_plugins.training.trainer_access import amp_dtype, scales_gradients

SCHEDULED = ("lr", "momentum", "betas")
"""The options of a parameter group that schedules change."""


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

    The gradient of an update is that of one batch of all its sentences, over all ranks: see `GradientSum`. So all ranks
    make the same update. Without any batch that has a loss only the schedules move.

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
        self._gradients = GradientSum()
        self._fresh: list[dict[str, Any]] = [{}] * len(optimizer.param_groups)

    @property
    def learning_rates(self) -> list[float]:
        """The rate of each parameter group."""
        return [float(group["lr"]) for group in self.optimizer.param_groups if group["params"]]

    def accumulate(self, loss: Tensor, weight: Optional[Weight] = None) -> None:
        """Add the gradient of a batch's loss, and count the batch; parameters as in `backward`."""
        self.backward(loss, weight)
        self.count(weight)

    def backward(self, loss: Tensor, weight: Optional[Weight] = None) -> None:
        """
        Add the gradient of a batch's loss; the batch is not counted.

        # Parameters

        loss : `torch.Tensor`
            A scalar.
        weight : `Optional[Union[float, torch.Tensor]]`, optional (default=`None`)
            The number that `loss` is averaged over, 0 for a sum. `None` if this is the only batch of the update.
        """
        self.scaler.scale(self._gradients.share(loss, weight)).backward()  # type: ignore[no-untyped-call]

    def count(self, weight: Optional[Weight] = None) -> None:
        """Count a batch whose gradient has been added."""
        self._gradients.count(weight)

    def step(self, penalty: Optional[Callable[[], Optional[Tensor]]] = None, wish: bool = False) -> Exchanged:
        """
        Update the parameters with the accumulated gradients.

        # Parameters

        penalty : `Optional[Callable[[], Optional[torch.Tensor]]]`, optional (default=`None`)
            A loss of the parameters alone, such as a regularization, which counts once an update.
        wish : `bool`, optional (default=`False`)
            Passed on to the other ranks.

        # Returns

        `Exchanged`
            The number of batches and of wishes, of all ranks.
        """
        exchanged = self._gradients.over_ranks(self.parameters, wish)
        self.steps += 1
        for schedule in self.schedules:
            schedule.step_batch(self.steps)
        if exchanged.batches > 0:
            self.scaler.unscale_(self.optimizer)
            self._gradients.average(self.parameters)
            of_parameters = None if penalty is None else penalty()
            if of_parameters is not None and of_parameters.requires_grad:
                of_parameters.backward()  # type: ignore[no-untyped-call]
            self.norm = self._bound_gradients()
            self.scaler.step(self.optimizer)
            self.scaler.update()
        for parameter in self.parameters:
            parameter.grad = None
        self._gradients.clear()
        return exchanged

    def end_epoch(self, figure: Optional[float]) -> None:
        """Step the schedules after an epoch with the validation figure `figure`."""
        for schedule in self.schedules:
            schedule.step(figure)

    def replay(self, figures: Sequence[Optional[float]], steps_per_epoch: int) -> None:
        """
        Step fresh schedules through the past: `figures` are the validation figures of the finished epochs, and the
        updates so far were `steps_per_epoch` each. It follows `load_state_dict(…, schedules=False)`.
        """
        # Some schedules multiply the rate that they find: they have to find that of the start.
        for group, fresh in zip(self.optimizer.param_groups, self._fresh, strict=True):
            group.update(fresh)
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
        groups = self.optimizer.param_groups
        self._fresh = [{name: group[name] for name in SCHEDULED if name in group} for group in groups]
        self.optimizer.load_state_dict(state["optimizer"])
        if "schedule" in state:  # checkpoints of version 0.1 have one, or none
            state = {**state, "schedules": [] if state["schedule"] is None else [state["schedule"]]}
        if schedules:
            for schedule, of_schedule in zip(self.schedules, state["schedules"], strict=True):
                schedule.load_state_dict(of_schedule)
        self.scaler.load_state_dict(state["scaler"])
        self.steps = state["steps"]

    def _bound_gradients(self) -> Optional[Tensor]:
        """Bound the gradients; returns their norm before, if `grad_norm` is set."""
        trained = [parameter for parameter in self.parameters if parameter.grad is not None]
        norm = None
        if self.grad_norm is not None:
            norm = torch.nn.utils.clip_grad_norm_(trained, self.grad_norm)  # as compat has it
        if self.grad_clipping is not None:
            clip_grad_value_(trained, self.grad_clipping)
        return norm
