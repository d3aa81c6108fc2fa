"""All checks of a config, before any data are read."""

from pathlib import Path
from typing import Any

from allennlp.commands.train import TrainModel

from ner_plugins.commands.checks import (
    augmentation,
    devices,
    files,
    libraries,
    output_folder,
    parameter_groups,
    ranges,
    stages,
    validation_metric,
)
from ner_plugins.commands.checks.mistakes import Mistake, raise_if_any
from ner_plugins.commands.checks.walk import Walk
from ner_plugins.options import written

# Keys that `allennlp train` takes out of a config before it builds anything.
_TAKEN = ("evaluation", "include_in_archive", "distributed", "random_seed", "numpy_seed", "pytorch_seed")
_REQUIRED = ("dataset_reader", "train_data_path", "model", "data_loader", "trainer")


def walk_config(config: dict[str, Any]) -> Walk:
    """The objects that a config of `allennlp train` describes."""
    walk = Walk()
    walk.visit("", {key: value for key, value in config.items() if key not in _TAKEN}, TrainModel)
    return walk


def check_config(config: dict[str, Any], folder: Path) -> None:
    """
    Check a config without reading data or building anything.

    # Parameters

    config : `dict[str, Any]`
        As JSON gives it, after overrides.
    folder : `Path`
        The output folder.

    # Raises

    `ConfigError` that lists all mistakes found.
    """
    walk = walk_config(config)
    top = walk.at("")
    mistakes = list(walk.mistakes)
    if top is not None and top.cls is TrainModel:
        mistakes += [Mistake("", f"the config has no {key}") for key in _REQUIRED if config.get(key) is None]
    mistakes += _unknown_datasets(config)
    mistakes += ranges.out_of_range(walk)
    mistakes += parameter_groups.malformed(walk)
    mistakes += validation_metric.unknown_figures(config, walk)
    mistakes += devices.absent_devices(config, walk)
    mistakes += files.missing_files(config, walk)
    mistakes += stages.without_transformer(walk)
    mistakes += augmentation.without_effect(walk)
    mistakes += libraries.missing_libraries(walk)
    mistakes += output_folder.unwritable(folder)
    raise_if_any(mistakes)


def _unknown_datasets(config: dict[str, Any]) -> list[Mistake]:
    """Entries of `datasets_for_vocab_creation` that are no data of the config."""
    key = "datasets_for_vocab_creation"
    there = [name for name in ("train", "validation", "test") if config.get(f"{name}_data_path") is not None]
    given = config.get(key)
    unknown = [name for name in given if name not in there] if isinstance(given, list) else []
    return [Mistake(key, f"{key} has {written(name)}; it can have {', '.join(there)}") for name in unknown]
