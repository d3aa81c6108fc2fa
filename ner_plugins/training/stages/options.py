"""The options of a stage that trains the model by its own loss."""

import logging
from typing import Any, Optional, Union

from allennlp.common import FromParams, Lazy, Params
from allennlp.training.learning_rate_schedulers import LearningRateScheduler
from allennlp.training.optimizers import Optimizer

from ner_plugins.errors import ConfigError
from ner_plugins.training.freezing import matching
from ner_plugins.training.stages.batches import StageBatches
from ner_plugins.training.stages.objectives import SupervisedObjective
from ner_plugins.training.stages.stage import Stage, StageSettings

logger = logging.getLogger(__name__)

_SELECT_ON = ("metric", "loss", "last")


class StageOptions(FromParams):
    """
    How a stage trains that learns the model's own loss.

    # Parameters

    patience : `Optional[int]`
        The stage ends after so many epochs without a better figure.
    select_on : `Optional[str]`
        Which epoch is the best one: by `metric`, the trainer's `validation_metric`, and where that is equal by the
        validation loss; by the `loss` alone; or the `last`, whatever it is. Left out: `metric`, or where there is no
        validation data `last`.
    restore_best : `bool`
        Whether the best epoch's weights are put back; if not, patience alone looks at `select_on`.
    optimizer : `Optional[Lazy[Optimizer]]`
        Adam with a rate of 1e-3 if left out.
    learning_rate_scheduler : `Optional[Lazy[LearningRateScheduler]]`
        A constant rate if left out.
    batch_size : `Optional[int]`
        Left out: batches as the trainer's loader makes them.
    grad_norm, grad_clipping : `Optional[float]`
        As the trainer's: the greatest norm of all gradients together, the greatest absolute value of each.
    num_gradient_accumulation_steps : `int`
    dropout_when_frozen : `bool`
        Whether frozen modules keep their dropout. If not they are in evaluation mode.

    # Raises

    `ConfigError` if `select_on` is none of those, or a number is too small.
    """

    def __init__(
        self,
        patience: Optional[int] = 1,
        select_on: Optional[str] = None,
        restore_best: bool = True,
        optimizer: Optional[Lazy[Optimizer]] = None,
        learning_rate_scheduler: Optional[Lazy[LearningRateScheduler]] = None,
        batch_size: Optional[int] = None,
        grad_norm: Optional[float] = None,
        grad_clipping: Optional[float] = None,
        num_gradient_accumulation_steps: int = 1,
        dropout_when_frozen: bool = False,
    ) -> None:
        check_choice("select_on", select_on, _SELECT_ON)
        check_numbers(
            patience=patience, batch_size=batch_size, num_gradient_accumulation_steps=num_gradient_accumulation_steps
        )
        check_bounds(grad_norm=grad_norm, grad_clipping=grad_clipping)
        self.patience = patience
        self.select_on = select_on
        self.restore_best = restore_best
        self.optimizer = optimizer or Lazy(Optimizer, Params({"type": "adam", "lr": 1e-3}))
        self.learning_rate_scheduler = learning_rate_scheduler
        self.batch_size = batch_size
        self.grad_norm = grad_norm
        self.grad_clipping = grad_clipping
        self.num_gradient_accumulation_steps = num_gradient_accumulation_steps
        self.dropout_when_frozen = dropout_when_frozen

    def make_stage(self, name: str, epochs: int, trainer: Any, frozen: set[str]) -> Stage:
        """
        The stage.

        # Parameters

        name : `str`
        epochs : `int`
        trainer : `GradientDescentTrainer`
        frozen : `set[str]`
            The names of the parameters that do not learn.
        """
        select_on = select_by(self.select_on, "metric", trainer, name)
        training = make_batches(trainer, self.batch_size)
        validation = None
        if select_on != "last":
            validation = StageBatches(trainer._validation_data_loader, trainer.model.vocab, trainer.cuda_device)
        settings = StageSettings(
            name=name,
            epochs=epochs,
            optimizer=self.optimizer,
            schedule=self.learning_rate_scheduler,
            patience=self.patience,
            restore_best=self.restore_best,
            dropout_when_frozen=self.dropout_when_frozen,
            grad_norm=self.grad_norm,
            grad_clipping=self.grad_clipping,
            num_gradient_accumulation_steps=self.num_gradient_accumulation_steps,
        )
        return Stage(settings, trainer, SupervisedObjective(trainer, validation, select_on), training, frozen)


def make_batches(trainer: Any, batch_size: Optional[int], part_size: Optional[int] = None) -> StageBatches:
    """The training data, drawn at random; a loader of another kind of batches keeps those without `batch_size`."""
    loader = trainer.data_loader
    if batch_size is None and getattr(loader, "batch_sampler", None) is None:
        batch_size = getattr(loader, "batch_size", None)
    return StageBatches(loader, trainer.model.vocab, trainer.cuda_device, batch_size, shuffle=True, part_size=part_size)


def select_by(asked: Optional[str], default: str, trainer: Any, name: str) -> str:
    """
    By what epochs are compared.

    # Raises

    `ConfigError` if that needs validation data, and there is none.
    """
    if trainer._validation_data_loader is not None:
        return asked or default
    if asked not in (None, "last"):
        raise ConfigError(f'{name}: select_on "{asked}" needs validation_data_path; without one it can be "last"')
    if asked is None:
        logger.warning("%s: there is no validation data, so the last epoch's weights are kept", name)
    return "last"


def frozen_by(freeze: Union[str, list[str]], trainer: Any, key: str) -> set[str]:
    """The names of the parameters that the option `freeze` matches; see `matching`."""
    return matching(trainer.model, [freeze] if isinstance(freeze, str) else freeze, key)


def check_choice(name: str, value: Optional[str], choices: tuple[str, ...]) -> None:
    """`ConfigError` unless `value` is one of `choices`, or left out."""
    if value is not None and value not in choices:
        raise ConfigError(f"{name} is {value!r}; it can be {', '.join(choices)}")


def check_numbers(**numbers: Optional[int]) -> None:
    """`ConfigError` unless each number is 1 or more, or left out."""
    for name, number in numbers.items():
        if number is not None and number < 1:
            raise ConfigError(f"{name} is {number}; it has to be 1 or more")


def check_bounds(**bounds: Optional[float]) -> None:
    """`ConfigError` unless each bound of gradients is more than 0, or left out."""
    for name, bound in bounds.items():
        if bound is not None and not bound > 0.0:
            raise ConfigError(f"{name} is {bound}; it has to be more than 0, or left out for no bound")
