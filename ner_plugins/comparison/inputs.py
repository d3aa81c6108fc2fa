"""What `ner-compare` is given, folders of runs and files of predictions, as models with their runs."""

import logging
from collections import Counter
from pathlib import Path
from typing import Mapping, Optional, Sequence, Union

from ner_plugins.comparison.prediction_files import PredictionFile, read_gold, read_predictions
from ner_plugins.comparison.predictions import LabelledData, Predict, predictions_of
from ner_plugins.comparison.runs import TrainedRun, grouped, read_trained_run
from ner_plugins.comparison.span_counts import PredictedSentence
from ner_plugins.errors import ConfigError
from ner_plugins.sweeps.folder import FINISHED, SweepFolder

logger = logging.getLogger(__name__)

TRANSFER = "transfer"
"""What stands behind the name of a model whose runs began with the model of an archive."""

Input = Union[TrainedRun, PredictionFile]


def read_models(
    runs: Sequence[str], groups: Sequence[Sequence[str]] = (), where: Sequence[str] = ()
) -> dict[str, list[Input]]:
    """
    The models and their runs: first those of `groups`, then the others as `grouped` finds them, then files of
    predictions, each a model of its own. Behind the name of a model that began with that of an archive stands
    "(transfer)".

    # Parameters

    runs : `Sequence[str]`
        Folders of runs, or their `model.tar.gz`, or files of predictions, or the folders of sweeps.
    groups : `Sequence[Sequence[str]]`, optional (default=`()`)
        For each model, its name and its runs. They are left out of `runs`.
    where : `Sequence[str]`, optional (default=`()`)
        `AXIS=POINT`: only such runs of sweeps.

    # Raises

    `ConfigError` if there is no such run, or if two models have one name.
    """
    conditions = [_condition(one) for one in where]
    models: dict[str, list[Input]] = {}
    for name, *members in groups:
        models.setdefault(name, []).extend(_read(dict.fromkeys(members), conditions))
    taken = {run.place for members in models.values() for run in members}
    found_runs = {run.place: run for run in _read(dict.fromkeys(runs), conditions)}  # each once
    others = [run for place, run in found_runs.items() if place not in taken]
    found: list[tuple[str, Sequence[Input]]] = list(
        grouped([run for run in others if isinstance(run, TrainedRun)]).items()
    )
    found += [(run.model, [run]) for run in others if isinstance(run, PredictionFile)]
    for name, inputs in found:
        if name in models:
            raise ConfigError(f"two models are called {name}, one of them {inputs[0].name}: name them with --group")
        models[name] = list(inputs)
    return {_labelled(name, members): members for name, members in models.items()}


def read_all_predictions(
    models: Mapping[str, Sequence[Input]], data: str, reader: Optional[str], predict: Predict
) -> dict[str, dict[str, Sequence[PredictedSentence]]]:
    """
    The predictions of each model's runs, by their names.

    # Parameters

    models : `Mapping[str, Sequence[Input]]`
    data : `str`
        The data path of the sentences.
    reader : `Optional[str]`
        For files of predictions without any run beside them, whose archives have readers; `None` to guess.
    predict : `Predict`
        See `predictions_of`.

    # Raises

    `ConfigError` if there are no sentences.
    """
    labelled = LabelledData.at(data)
    found: dict[str, dict[str, Sequence[PredictedSentence]]] = {name: {} for name in models}
    gold: Optional[Sequence[PredictedSentence]] = None
    for name, members in models.items():
        for run in members:
            if isinstance(run, TrainedRun):
                gold = found[name][run.name] = predictions_of(run.folder, labelled, predict)
    for name, members in models.items():
        for run in members:
            if isinstance(run, PredictionFile):
                gold = read_gold(data, reader) if gold is None else gold
                found[name][run.name] = read_predictions(run, gold)
    if not gold:
        raise ConfigError(f"--data {data}: there are no sentences")
    return found


def runs_of_sweep(path: Path, conditions: Sequence[tuple[str, str]] = ()) -> list[TrainedRun]:
    """
    The finished runs of a sweep, with its names of models. Others are mentioned in a warning.

    # Parameters

    path : `Path`
        The folder of the sweep.
    conditions : `Sequence[tuple[str, str]]`, optional (default=`()`)
        Axes and their points: only such runs.

    # Raises

    `ConfigError` if no run has finished, or if there is no such axis or point.
    """
    folder = SweepFolder(path)
    records = folder.records()
    for axis, point in conditions:
        points = dict.fromkeys(record["labels"].get(axis) for record in records.values())
        if point not in points:
            known = sorted({f"{name}={one}" for record in records.values() for name, one in record["labels"].items()})
            listed = ", ".join(known) or "no axes"
            raise ConfigError(f"--where {axis}={point}: {path} has no such runs. It has: {listed}")
        records = {name: one for name, one in records.items() if one["labels"].get(axis) == point}
    found = [name for name, record in records.items() if record["status"] == FINISHED]
    if len(found) < len(records):
        states = Counter(one["status"] for one in records.values() if one["status"] != FINISHED)
        listed = ", ".join(f"{number} {state}" for state, number in states.items())
        logger.warning("%s: runs that have not finished are left out: %s", path, listed)
    if not found:
        raise ConfigError(f"{path}: no run of this sweep has finished")
    return [read_trained_run(folder.run_folder(name), records[name]["model"]) for name in found]


def _labelled(name: str, runs: Sequence[Input]) -> str:
    transfers = any(isinstance(run, TrainedRun) and run.is_transfer for run in runs)
    return f"{name} ({TRANSFER})" if transfers and TRANSFER not in name.lower() else name


def _condition(text: str) -> tuple[str, str]:
    axis, separator, point = text.partition("=")
    if not separator:
        raise ConfigError(f"--where {text}: expected AXIS=POINT")
    return axis, point


def _read(names: "Mapping[str, None]", conditions: Sequence[tuple[str, str]]) -> list[Input]:
    found: list[Input] = []
    for name in names:
        path = Path(name).parent if Path(name).name == "model.tar.gz" else Path(name)
        if SweepFolder(path).exists():
            found += runs_of_sweep(path, conditions)
        elif path.is_dir():
            found.append(read_trained_run(path))
        elif path.is_file():
            found.append(PredictionFile(path))
        else:
            raise ConfigError(f"{name}: there is no such folder or file")
    return found
