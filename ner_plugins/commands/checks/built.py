"""Checks of an experiment that is built, before its first step."""

import logging
from pathlib import Path
from typing import Any

from ner_plugins.compat.replace import replace
from ner_plugins.files.json_files import parsed_json

logger = logging.getLogger(__name__)


def check_built_experiments() -> None:
    """AllenNLP 2.10.1 starts training unchecked; check the data and the model first, in any way of starting it."""
    from allennlp.commands.train import TrainModel

    replace(TrainModel, "run", _checking)


def _checking(original: Any) -> Any:
    def run(self: Any) -> dict[str, Any]:
        for remark in check_before_training(self):
            logger.warning("%s", remark)
        return dict(original(self))

    return run


def check_before_training(experiment: Any) -> list[str]:
    """
    Check the data and the model of an experiment.

    In distributed training, the first process checks its own share of the data.

    # Parameters

    experiment : `TrainModel`
        Its folder has the `config.json` that it was built from.

    # Returns

    `list[str]`
        What will be lost in training.

    # Raises

    `ConfigError` for what would make training fail, or learn other than the config says.
    """
    from ner_plugins.commands.checks import data, parameter_groups, schedules, stages
    from ner_plugins.commands.checks.config import walk_config
    from ner_plugins.commands.checks.mistakes import raise_if_any
    from ner_plugins.commands.checks.validation_metric import tracked
    from ner_plugins.commands.checks.walk import Walk
    from ner_plugins.distributed import is_first_rank
    from ner_plugins.models.ner_model import NerModel

    if not is_first_rank():
        return []
    config = _config_of(experiment)
    walk = walk_config(config) if config else Walk()
    model = experiment.model
    mistakes = list(parameter_groups.without_parameters(walk, [name for name, _ in model.named_parameters()]))
    mistakes += stages.failing(experiment.trainer)
    remarks = list(schedules.late_warm_ups(walk, experiment.trainer))
    if isinstance(model, NerModel):
        splits = splits_of(experiment)
        # Without the training data in memory, the vocabulary has the types, which may be those of all data.
        learned = next((set(data.type_counts(one.instances)) for one in splits if one.name == "train"), model.types)
        for split in splits:
            if split.key != "train_data_path":
                mistakes += data.unlabelled(split)
                remarks += data.unseen_types(split, learned)
            if split.key == "validation_data_path":
                entries = tracked(config.get("trainer", {}).get("validation_metric"))
                mistakes += data.untracked_types(entries, model, split)
            remarks += data.cut_gold(split, model)
            remarks += data.long_texts(split, model)
    raise_if_any(mistakes)
    return remarks


def splits_of(experiment: Any) -> list[Any]:
    """
    The data of an experiment that are in memory and have this package's fields, each a `Split`.

    Test data are among them if the experiment is evaluated on them.
    """
    from allennlp.training.gradient_descent_trainer import GradientDescentTrainer

    from ner_plugins.commands.checks.data import Split
    from ner_plugins.fields.tokens_field import TokensField
    from ner_plugins.training.trainer_access import instances_of, validation_loader

    trainer = experiment.trainer
    loaders = {}
    if isinstance(trainer, GradientDescentTrainer):
        loaders = {"train_data_path": trainer.data_loader, "validation_data_path": validation_loader(trainer)}
    if experiment.evaluate_on_test:
        loaders["test_data_path"] = experiment.evaluation_data_loader
    splits = [Split(key, instances_of(loader) or []) for key, loader in loaders.items() if loader is not None]
    return [
        split
        for split in splits
        if split.instances and isinstance(split.instances[0].fields.get("tokens"), TokensField)
    ]


def _config_of(experiment: Any) -> dict[str, Any]:
    """The config that an experiment was built from; empty if it was built without one."""
    path = Path(experiment.serialization_dir) / "config.json"
    if not path.is_file():
        return {}
    config: dict[str, Any] = parsed_json(path.read_bytes())
    return config
