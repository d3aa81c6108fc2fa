"""What a callback of this package may do within a step of the trainer `ner`, beyond AllenNLP's hooks."""

import contextlib
from typing import Any, Callable, ContextManager, Iterator, Mapping, Sequence

import torch
from allennlp.training.callbacks import TrainerCallback
from torch import Tensor
from torch.nn import Module, Parameter

from ner_plugins.errors import ConfigError

Outputs = dict[str, Any]
Forward = Callable[[], Outputs]
Backward = Callable[[], None]


class StepCallback(TrainerCallback):
    """
    Base of the callbacks that take part in a training step: regularisers and averages of weights. The trainer `ner`
    calls these methods for each batch (several make an update if gradients are accumulated), in the order of
    `trainer.callbacks`. They work with mixed precision, accumulation and several processes, since they never call
    `backward` or an optimizer themselves. Each batch, and each process, is treated by itself; an update adds up the
    gradients.
    """

    def on_start(self, trainer: Any, is_primary: bool = True, **kwargs: Any) -> None:
        """
        # Raises

        `ConfigError` if the trainer is not `ner`, which alone calls the methods below.
        """
        super().on_start(trainer, is_primary=is_primary, **kwargs)
        if not hasattr(trainer, "hooks"):
            names = [name for name in TrainerCallback.list_available() if TrainerCallback.by_name(name) is type(self)]
            raise ConfigError(f'the callback {" or ".join(names)} needs "type": "ner" in trainer')

    def start_epoch(self, trainer: Any, epoch: int) -> None:
        """Called before the first update of an epoch, and in a recovered run before the next one."""

    def end_epoch(self, trainer: Any, epoch: int) -> None:
        """Called after the last update of an epoch, before the model is validated."""

    def outputs(self, trainer: Any, batch: Mapping[str, Any], forward: Forward) -> Outputs:
        """
        The outputs, with `loss`, that the gradient of a batch is computed from.

        # Parameters

        trainer : `NerTrainer`
        batch : `Mapping[str, Any]`
            The arguments of the model's `forward`.
        forward : `Callable[[], dict[str, Any]]`
            The model's outputs of this batch; each call is another forward pass, with dropout of its own.
        """
        return forward()

    def attacked(self, trainer: Any) -> Sequence[Parameter]:
        """The parameters whose gradient of the batch alone `after_backward` needs."""
        return ()

    def replaces_gradient(self, trainer: Any) -> bool:
        """Whether the gradient of the batch counts only in `after_backward`, for the parameters in `attacked`."""
        return False

    def after_backward(
        self, trainer: Any, batch: Mapping[str, Any], backward: Backward, gradients: Mapping[Parameter, Tensor]
    ) -> None:
        """
        Called when the gradient of a batch has been computed.

        # Parameters

        trainer : `NerTrainer`
        batch : `Mapping[str, Any]`
        backward : `Callable[[], None]`
            Adds the gradient of another forward pass over the batch, for instance at perturbed weights, with the
            same weight and scale. The callback restores what it perturbs.
        gradients : `Mapping[Parameter, torch.Tensor]`
            The gradient of this batch alone, for the `attacked` parameters of all callbacks that have one. It is
            multiplied by the batch's weight and, in float16, by the scale (`gradient_scale`).
        """

    def after_update(self, trainer: Any) -> None:
        """Called after each update of the parameters."""

    def evaluation_weights(self, trainer: Any) -> ContextManager[Any]:
        """A context in which the model has the weights that are validated, selected and archived."""
        return contextlib.nullcontext()

    @property
    def changes_evaluation_weights(self) -> bool:
        """Whether `evaluation_weights` are other weights than those that learn."""
        return type(self).evaluation_weights is not StepCallback.evaluation_weights


def step_callbacks(callbacks: Sequence[TrainerCallback]) -> list[StepCallback]:
    """Those of the callbacks that take part in a step."""
    return [callback for callback in callbacks if isinstance(callback, StepCallback)]


def add_gradients(
    hooks: Sequence[StepCallback], trainer: Any, batch: Mapping[str, Any], backward: Backward, again: Backward
) -> None:
    """
    Add the gradients of a batch, and those that callbacks add to them.

    # Parameters

    hooks : `Sequence[StepCallback]`
    trainer : `NerTrainer`
    batch : `Mapping[str, Any]`
    backward : `Callable[[], None]`
        Adds the gradient of the batch.
    again : `Callable[[], None]`
        Adds the gradient of another forward pass.
    """
    before = {parameter: parameter.grad for hook in hooks for parameter in hook.attacked(trainer)}
    for parameter in before:
        parameter.grad = None
    backward()
    gradients = {parameter: parameter.grad for parameter in before if parameter.grad is not None}
    for parameter in before:
        parameter.grad = None
    with measures_nothing(trainer.model):
        for hook in hooks:
            hook.after_backward(trainer, batch, again, gradients)
    if any(hook.replaces_gradient(trainer) for hook in hooks):
        gradients.clear()
    for parameter, earlier in before.items():
        parts = [part for part in (earlier, gradients.get(parameter), parameter.grad) if part is not None]
        for part in parts[1:]:
            parts[0].add_(part)
        parameter.grad = parts[0] if parts else None


@contextlib.contextmanager
def measures_nothing(model: Module) -> Iterator[None]:
    """A context in which forward passes do not count in a `NerModel`'s training metrics."""
    before = getattr(model, "training_metrics", None)
    if not before:
        yield
        return
    model.training_metrics = False  # type: ignore[assignment]
    try:
        yield
    finally:
        model.training_metrics = before


def gradient_scale(trainer: Any, like: Tensor) -> Tensor:
    """What the gradients of float16 are multiplied by, on the device of `like`; 1 without scaling. A scalar tensor."""
    scale: Tensor = trainer.updates.scaler.scale(torch.ones((), dtype=torch.float32, device=like.device))
    return scale
