"""The training runs of a comparison, and which of them are one model."""

import itertools
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

from ner_plugins.errors import ConfigError
from ner_plugins.files.json_files import read_json_object
from ner_plugins.files.run_record import FINISHED, RECORD, read_record
from ner_plugins.sweeps.resuming import SEEDS

SEED_KEYS = (*SEEDS, "trainer.seed")
"""The keys of a config in which the runs of one model may differ."""

_BEST = "best_validation_"
_SEED_IN_NAME = re.compile(r"[-_. ]*(seed|s)?[-_.= ]*\d+$", re.IGNORECASE)


@dataclass(frozen=True)
class TrainedRun:
    """
    A finished training.

    # Parameters

    folder : `Path`
        Its serialization directory.
    config : `Mapping[str, Any]`
        Its `config.json`.
    record : `Mapping[str, Any]`
        Its `run.json`; empty if it has none.
    figures : `Mapping[str, float]`
        Those of the best epoch on the validation data, `seqeval/micro_f1` and so on.
    model : `Optional[str]`
        The name that a sweep gives to its model.
    """

    folder: Path
    config: Mapping[str, Any]
    record: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)
    model: Optional[str] = None

    @property
    def name(self) -> str:
        """The folder, for messages."""
        return str(self.folder)

    @property
    def place(self) -> Path:
        """Where it is."""
        return self.folder.resolve()

    @property
    def is_transfer(self) -> bool:
        """Whether its model began as that of an archive, which has learnt from other data."""
        model = self.config.get("model")
        return isinstance(model, Mapping) and model.get("type") == "from_archive"

    def figures_of(self, metric: str) -> dict[str, float]:
        """Those of one metric, without its name."""
        start = f"{metric}/"
        return {name[len(start) :]: value for name, value in self.figures.items() if name.startswith(start)}


def read_trained_run(folder: Path, model: Optional[str] = None) -> TrainedRun:
    """
    The run in a folder.

    # Raises

    `ConfigError` if the folder is not that of a run, or the run has not finished.
    """
    if not (folder / "config.json").is_file():
        raise ConfigError(f"{folder}: there is no config.json; name the folder of a run (the -s of `allennlp train`)")
    record = read_record(folder) if (folder / RECORD).is_file() else {}
    if record.get("exit", FINISHED) != FINISHED or not (folder / "metrics.json").is_file():
        state = record.get("exit") or "there is no metrics.json"
        raise ConfigError(f"{folder}: this run has not finished ({state}): leave it out, or finish it with --recover")
    metrics = read_json_object(folder / "metrics.json")
    best = {name.removeprefix(_BEST): value for name, value in metrics.items() if name.startswith(_BEST)}
    return TrainedRun(folder, read_json_object(folder / "config.json"), record, best, model)


def grouped(runs: Sequence[TrainedRun]) -> dict[str, list[TrainedRun]]:
    """
    The runs of each model, by its name, in the order of their first runs.

    Runs are one model if a sweep says so, or else if their configs are equal but for `SEED_KEYS`. The name is the
    sweep's, or what the names of the folders have in common, without a number at the end.
    """
    groups: dict[str, list[TrainedRun]] = {}
    for run in runs:
        key = f"sweep {run.model}" if run.model is not None else json.dumps(without_seeds(run.config), sort_keys=True)
        groups.setdefault(key, []).append(run)
    named: dict[str, list[TrainedRun]] = {}
    for members in groups.values():
        name = members[0].model or common_name([run.folder.absolute() for run in members])
        named[_unused(name, named)] = members
    return named


def without_seeds(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config without `SEED_KEYS`."""
    kept = {key: value for key, value in config.items() if key not in SEED_KEYS}
    if isinstance(kept.get("trainer"), Mapping):
        kept["trainer"] = {key: value for key, value in kept["trainer"].items() if f"trainer.{key}" not in SEED_KEYS}
    return kept


def common_name(folders: Sequence[Path]) -> str:
    """
    The name of a model whose runs are in these folders: `crf` for `crf-s1` and `crf-s2`, `crf` for `crf/1` and `crf/2`.
    """
    names = {_SEED_IN_NAME.sub("", folder.name) or folder.parent.name for folder in folders}
    if len(names) == 1:
        return names.pop()
    equal = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    return "".join(letters[0] for letters in equal).strip("-_. =") or folders[0].name


def _unused(name: str, used: Mapping[str, Any]) -> str:
    number, found = 1, name
    while found in used:
        number += 1
        found = f"{name} ({number})"
    return found
