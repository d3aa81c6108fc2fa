"""One training step and one validation batch."""

import contextlib
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Optional

import torch
from allennlp.training.gradient_descent_trainer import GradientDescentTrainer
from torch.nn import Parameter

from ner_plugins.commands.dry_run.batches import BatchSizes, DrawnBatches
from ner_plugins.commands.dry_run.memory import MemoryMeter, optimizer_bytes, tensor_bytes
from ner_plugins.errors import ConfigError, NerError
from ner_plugins.models.ner_model import NerModel
from ner_plugins.training.trainer_access import amp_dtype, validation_loader, validation_metrics


@dataclass(frozen=True)
class Memory:
    """
    Bytes in training.

    # Parameters

    parameters, gradients, optimizer : `int`
        Of the model's parameters, their gradients, and the optimizer's state.
    activations : `Optional[int]`
        What the forward pass of the largest batch adds; `None` if it cannot be measured.
    step : `Optional[int]`
        What the whole step on the largest batch adds at its peak.
    """

    parameters: int
    gradients: int
    optimizer: int
    activations: Optional[int]
    step: Optional[int]

    @property
    def total(self) -> Optional[int]:
        """The estimated peak of training."""
        if self.activations is None or self.step is None:
            return None
        # The optimizer's state is made after the backward pass of the first step, and is there in all others.
        return self.parameters + max(self.step, self.gradients + self.activations) + self.optimizer


@dataclass(frozen=True)
class Trial:
    """
    What one step showed.

    # Parameters

    device : `torch.device`
    training, validation : `BatchSizes`
        `validation` is `None` without validation data.
    step_seconds, update_seconds : `float`
        Of the forward and backward pass on a batch of `step_tokens` padded tokens, and of the optimizer's update.
    step_tokens : `int`
    validation_seconds : `float`
        Of a batch of `validation_tokens` padded tokens, with decoding and metrics.
    validation_tokens : `int`
    loss : `float`
    memory : `Memory`
    """

    device: torch.device
    training: BatchSizes
    validation: Optional[BatchSizes]
    step_seconds: float
    update_seconds: float
    step_tokens: int
    validation_seconds: float
    validation_tokens: int
    loss: float
    memory: Memory

    def epoch_seconds(self, accumulated: int = 1) -> tuple[float, float]:
        """The estimated seconds of training and of validation in an epoch, with batches `accumulated` per update."""
        updates = -(-self.training.batches // accumulated)
        training = self.step_seconds * self.training.padded / self.step_tokens + self.update_seconds * updates
        if self.validation is None or not self.validation_tokens:
            return training, 0.0
        return training, self.validation_seconds * self.validation.padded / self.validation_tokens


def try_step(trainer: Any) -> Trial:
    """
    Train on the largest batch and on a typical one, and validate a typical one.

    The largest batch shows whether the memory suffices; the other one, after it, how long a step takes.

    # Parameters

    trainer : `GradientDescentTrainer`

    # Raises

    `ConfigError` for a trainer that is no `GradientDescentTrainer`, and whatever the step raises.
    """
    if not isinstance(trainer, GradientDescentTrainer):
        name = type(trainer).__name__
        raise ConfigError(f"--dry-run cannot try a step with the trainer {name}, which is no GradientDescentTrainer")
    device = torch.device(trainer.cuda_device)
    batches = DrawnBatches(trainer.data_loader, device)
    if not batches.places:
        raise ConfigError("data_loader makes no batch of the training data: check drop_last and the size of a batch")
    trainer.model.train()
    memory, _ = _measured_step(trainer, batches, device)
    typical = batches.typical()
    tensors = batches.tensors(typical)
    with _timed(device) as step:
        loss = _backward(trainer, tensors)
    with _timed(device) as update:
        trainer.optimizer.step()
        trainer.optimizer.zero_grad(set_to_none=True)
    loader = validation_loader(trainer)
    validation = None if loader is None else DrawnBatches(loader, device)
    seconds, tokens = (0.0, 0) if validation is None else _validate(trainer, validation, device)
    return Trial(
        device=device,
        training=batches.sizes,
        validation=None if validation is None else validation.sizes,
        step_seconds=step[0],
        update_seconds=update[0],
        step_tokens=batches.padded_tokens(typical),
        validation_seconds=seconds,
        validation_tokens=tokens,
        loss=loss,
        memory=memory,
    )


def _measured_step(trainer: Any, batches: DrawnBatches, device: torch.device) -> tuple[Memory, float]:
    """A step on the largest batch."""
    places = batches.largest()
    tensors = batches.tensors(places)
    forward: list[Optional[int]] = []
    meter = MemoryMeter(device)
    try:
        loss = _backward(trainer, tensors, lambda: forward.append(meter.peak()))
        peak = meter.peak()
        parameters: list[Parameter] = list(trainer.model.parameters())
        gradients = tensor_bytes(parameter.grad for parameter in parameters)
        trainer.optimizer.step()
    except torch.cuda.OutOfMemoryError as error:
        raise NerError(
            f"the GPU's memory does not suffice for the largest batch: {len(places)} sentences, "
            f"{batches.padded_tokens(places):,} tokens with padding. Make batches smaller, or set "
            "trainer.num_gradient_accumulation_steps and divide their size by it"
        ) from error
    trainer.optimizer.zero_grad(set_to_none=True)
    return Memory(tensor_bytes(parameters), gradients, optimizer_bytes(trainer.optimizer), forward[0], peak), loss


def _backward(trainer: Any, tensors: Any, after_forward: Any = lambda: None) -> float:
    """The loss of a batch, whose gradients are added to the parameters."""
    with _precision(trainer):
        outputs = trainer.batch_outputs(tensors, for_training=True)
    after_forward()
    loss: torch.Tensor = outputs["loss"]
    loss.backward()  # type: ignore[no-untyped-call]
    value = float(loss.detach())
    if value != value:
        raise NerError("the loss of the first step is NaN: check the data and the model's initial weights")
    return value


def _validate(trainer: Any, batches: DrawnBatches, device: torch.device) -> tuple[float, int]:
    """The seconds of a validation batch, and its padded tokens."""
    places = batches.typical()
    tensors = batches.tensors(places)
    trainer.model.eval()
    with torch.no_grad(), _precision(trainer), _timed(device) as taken:
        trainer.batch_outputs(tensors, for_training=False)
    _check_figures(trainer, trainer.model.get_metrics(reset=True).keys())
    return taken[0], batches.padded_tokens(places)


def _check_figures(trainer: Any, produced: Collection[str]) -> None:
    """`ConfigError` if the model does not produce what `validation_metric` names."""
    if isinstance(trainer.model, NerModel):  # checked before; one batch may lack the figures of some types
        return
    absent = [name for name in validation_metrics(trainer) if name not in {*produced, "loss", "reg_loss"}]
    if absent:
        listed = ", ".join(sorted({*produced, "loss"}))
        raise ConfigError(f"trainer.validation_metric has {absent[0]!r}, but the model produces {listed}")


def _precision(trainer: Any) -> contextlib.AbstractContextManager[Any]:
    dtype = amp_dtype(trainer)
    if dtype is None:
        return contextlib.nullcontext()
    return torch.autocast(torch.device(trainer.cuda_device).type, dtype=dtype)


@contextlib.contextmanager
def _timed(device: torch.device) -> Iterator[list[float]]:
    """The seconds that the block takes, as the one item of a list."""
    taken: list[float] = []
    start = time.perf_counter()
    yield taken
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    taken.append(time.perf_counter() - start)
