"""Building stages from their options and the trainer."""

import logging
from typing import Any, Optional, Union

from ner_plugins.errors import ConfigError
from ner_plugins.training.engine.batches import EpochBatches
from ner_plugins.training.freezing import matching
from ner_plugins.training.stages.objectives import SupervisedObjective
from ner_plugins.training.stages.options import SupervisedOptions
from ner_plugins.training.stages.stage import Stage
from ner_plugins.training.trainer_access import seed_of, validation_loader

logger = logging.getLogger(__name__)


def supervised_stage(name: str, epochs: int, options: SupervisedOptions, trainer: Any, frozen: set[str]) -> Stage:
    """
    A stage that minimises the model's own loss.

    # Parameters

    name : `str`
    epochs : `int`
        The most epochs.
    options : `SupervisedOptions`
    trainer : `GradientDescentTrainer`
    frozen : `set[str]`
        The names of the parameters that do not learn.
    """
    select_on = select_by(options.select_on, "metric", trainer, name)
    training = training_batches(trainer, options.batch_size)
    validation = validation_batches(trainer) if select_on != "last" else None
    objective = SupervisedObjective(trainer, validation, select_on)
    return Stage(name, epochs, options, trainer, objective, training, frozen)


def training_batches(trainer: Any, batch_size: Optional[int], part_size: Optional[int] = None) -> EpochBatches:
    """The training data, shuffled. Without `batch_size` a loader keeps its sampler or its own batch size."""
    loader = trainer.data_loader
    if batch_size is None and getattr(loader, "batch_sampler", None) is None:
        batch_size = getattr(loader, "batch_size", None)
    return EpochBatches(
        loader,
        trainer.model.vocab,
        trainer.cuda_device,
        batch_size,
        shuffle=True,
        part_size=part_size,
        seed=seed_of(trainer),
        equal_on_ranks=True,
    )


def validation_batches(trainer: Any, batch_size: Optional[int] = None, part_size: Optional[int] = None) -> EpochBatches:
    """The validation data, in order."""
    loader = validation_loader(trainer)
    return EpochBatches(loader, trainer.model.vocab, trainer.cuda_device, batch_size, part_size=part_size)


def select_by(asked: Optional[str], default: str, trainer: Any, name: str) -> str:
    """
    How the best epoch is found, given the option `select_on`.

    # Raises

    `ConfigError` if it needs validation data, and there are none.
    """
    if validation_loader(trainer) is not None:
        return asked or default
    if asked not in (None, "last"):
        raise ConfigError(f'{name}: select_on "{asked}" needs validation_data_path; without it only "last" is possible')
    if asked is None:
        logger.warning("%s: there is no validation data, so the last epoch's weights are kept", name)
    return "last"


def frozen_by(freeze: Union[str, list[str]], trainer: Any, key: str) -> set[str]:
    """The names of the parameters that the option `freeze` matches; see `matching`."""
    return matching(trainer.model, [freeze] if isinstance(freeze, str) else freeze, key)
