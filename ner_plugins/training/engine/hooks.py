"""What a callback of this package may do within a step of the trainer `ner`, beyond AllenNLP's hooks."""

import contextlib
from typing import Any, Callable, ContextManager, Mapping, Sequence

from allennlp.training.callbacks import TrainerCallback

Outputs = dict[str, Any]
Forward = Callable[[], Outputs]
Backward = Callable[[], None]


class StepCallback(TrainerCallback):
    """
    Base of the callbacks that take part in a training step: regularisers and averages of weights. The trainer `ner`
    calls these methods for each batch (several make an update if gradients are accumulated), in the order of
    `trainer.callbacks`. They work with mixed precision, accumulation and several processes, since they never call
    `backward` or an optimizer themselves.
    """

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

    def after_backward(self, trainer: Any, batch: Mapping[str, Any], backward: Backward) -> None:
        """
        Called when the gradient of a batch has been added to that of the update.

        # Parameters

        trainer : `NerTrainer`
        batch : `Mapping[str, Any]`
        backward : `Callable[[], None]`
            Adds the gradient of another forward pass over the batch, for instance at perturbed weights, with the
            same weight and scale. The callback restores what it perturbs.
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
