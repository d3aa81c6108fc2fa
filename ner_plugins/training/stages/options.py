"""The options of a stage."""

import inspect
from dataclasses import dataclass, field
from typing import Any, Callable, ClassVar, Literal, Mapping, Optional, TypeVar

from allennlp.common import FromParams, Lazy, Params
from allennlp.training.learning_rate_schedulers import LearningRateScheduler
from allennlp.training.optimizers import Optimizer
from torch.nn import Parameter

from ner_plugins.errors import ConfigError
from ner_plugins.options import place_of_object

Constructor = TypeVar("Constructor", bound=Callable[..., None])


@dataclass(eq=False)
class StageOptions(FromParams):
    """
    How a stage trains, whatever its loss is.

    # Parameters

    patience : `Optional[int]`
        The stage stops after this many epochs without a better figure; `None`: after all epochs.
    optimizer : `Optional[Lazy[Optimizer]]`
    learning_rate_scheduler : `Optional[Lazy[LearningRateScheduler]]`
        Left out: a constant rate.
    grad_norm, grad_clipping : `Optional[float]`
        As for the trainer: an upper bound of the norm of all gradients together, and of the absolute value of each.
    num_gradient_accumulation_steps : `int`
        Batches per update.
    dropout_when_frozen : `bool`
        Whether frozen modules keep their dropout. Otherwise they are in evaluation mode.

    # Raises

    `ConfigError` if a number is too small.
    """

    patience: Optional[int] = None
    optimizer: Optional[Lazy[Optimizer]] = None
    learning_rate_scheduler: Optional[Lazy[LearningRateScheduler]] = None
    grad_norm: Optional[float] = None
    grad_clipping: Optional[float] = None
    num_gradient_accumulation_steps: int = 1
    dropout_when_frozen: bool = False
    restore_best: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        check_counts(patience=self.patience, num_gradient_accumulation_steps=self.num_gradient_accumulation_steps)
        check_bounds(grad_norm=self.grad_norm, grad_clipping=self.grad_clipping)

    def construct(
        self, parameters: list[tuple[str, Parameter]], epochs: int, updates_per_epoch: int
    ) -> tuple[Any, list[Any]]:
        """The optimizer of the named parameters, and its schedules: one or none."""
        assert self.optimizer is not None
        optimizer = self.optimizer.construct(model_parameters=[list(pair) for pair in parameters])
        if self.learning_rate_scheduler is None:
            return optimizer, []
        schedule = self.learning_rate_scheduler.construct(
            optimizer=optimizer, num_epochs=epochs, num_steps_per_epoch=updates_per_epoch
        )
        return optimizer, [schedule]


@dataclass(eq=False)
class SupervisedOptions(StageOptions):
    """
    How a stage trains that minimises the model's own loss.

    # Parameters

    select_on : `Optional[Literal["metric", "loss", "last"]]`
        How the best epoch is found: by `metric`, the trainer's `validation_metric`, and on a tie by the validation
        loss; by the `loss` alone; or the `last` is the best. Left out: `metric`, or `last` without validation data.
    restore_best : `bool`
        Whether the weights of the best epoch are restored. Otherwise `select_on` affects patience only.
    batch_size : `Optional[int]`
        Left out: batches as the trainer's loader makes them.
    optimizer : `Optional[Lazy[Optimizer]]`
        Left out: Adam with rate 1e-3.
    patience, learning_rate_scheduler, grad_norm, grad_clipping, num_gradient_accumulation_steps, dropout_when_frozen
        See `StageOptions`.
    """

    default_optimizer: ClassVar[Mapping[str, Any]] = {"type": "adam", "lr": 1e-3}

    patience: Optional[int] = 1
    select_on: Optional[Literal["metric", "loss", "last"]] = None
    restore_best: bool = True
    batch_size: Optional[int] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(batch_size=self.batch_size)
        self.optimizer = self.optimizer or Lazy(Optimizer, Params(dict(self.default_optimizer)))


def takes_options(options: type[StageOptions]) -> Callable[[Constructor], Constructor]:
    """
    Decorate a constructor whose `**options` are the fields of `options`.

    The fields are added to its signature, where AllenNLP looks for options. It follows `**kwargs` only to base classes,
    and a callback has options rather than being a kind of options.
    """

    def decorate(constructor: Constructor) -> Constructor:
        own = inspect.signature(constructor)
        named = [parameter for parameter in own.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
        fields = inspect.signature(options).parameters.values()
        named += [parameter.replace(kind=parameter.KEYWORD_ONLY) for parameter in fields]
        constructor.__signature__ = own.replace(parameters=named)  # type: ignore[attr-defined]
        return constructor

    return decorate


def check_counts(**counts: Optional[int]) -> None:
    """`ConfigError` with the full key if a number is less than 1; `None` is allowed."""
    for name, count in counts.items():
        if count is not None and count < 1:
            raise ConfigError(f"{place_of_object()}{name} is {count}, but has to be 1 or more")


def check_bounds(**bounds: Optional[float]) -> None:
    """`ConfigError` with the full key if an upper bound of gradients is not positive; `None` is allowed."""
    for name, bound in bounds.items():
        if bound is not None and not bound > 0.0:
            key = place_of_object() + name
            raise ConfigError(f"{key} is {bound}, but has to be more than 0; leave it out for no bound")
