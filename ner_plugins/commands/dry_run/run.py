"""The dry run: build, check, try, report."""

import json
import tempfile
from pathlib import Path
from typing import Any

from allennlp.commands.train import TrainModel
from allennlp.common import Params
from allennlp.common.util import prepare_environment
from allennlp.models.archival import CONFIG_NAME

from ner_plugins.commands.checks.built import check_before_training, splits_of
from ner_plugins.commands.dry_run.report import format_report
from ner_plugins.commands.dry_run.trial import try_step
from ner_plugins.errors import ConfigError

# Keys that `allennlp train` takes out of a config before it builds an experiment.
_TAKEN = ("evaluation", "include_in_archive")


def dry_run(params: Params) -> str:
    """
    Build an experiment in a temporary folder, check it, and try a training step and a validation batch.

    An experiment for several processes is tried in one of them.

    # Parameters

    params : `Params`
        The config, which has passed `check_config`.

    # Returns

    `str`
        The report.

    # Raises

    Whatever building, the checks or the step raise.
    """
    config = params.duplicate().as_dict(quiet=True)
    found = []
    distributed = config.pop("distributed", None)
    if isinstance(distributed, dict):
        devices = distributed["cuda_devices"]
        config["trainer"]["cuda_device"] = devices[0]
        found.append(f"one process is tried; times and batches are of one of {len(devices)} that share the data")
    with tempfile.TemporaryDirectory(prefix="ner-dry-run-") as folder:
        # In `config.json` the checks find the options that an experiment was built with.
        (Path(folder) / CONFIG_NAME).write_text(json.dumps(config), encoding="utf-8")
        built = Params({key: value for key, value in config.items() if key not in _TAKEN})
        prepare_environment(built)
        experiment: Any = TrainModel.from_params(built, serialization_dir=folder, local_rank=0)
        trainer = getattr(experiment, "trainer", None)
        if trainer is None:
            raise ConfigError(f"--dry-run cannot try {type(experiment).__name__}, which has no trainer")
        found += check_before_training(experiment)
        splits = splits_of(experiment)
        trial = try_step(trainer)
        return format_report(splits, trial, trainer, found)
