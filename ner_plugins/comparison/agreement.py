"""Whether runs can be compared: the same data, gold and metric. If not, the difference is named."""

import json
from typing import Any, Mapping, Optional, Sequence

from ner_plugins.comparison.runs import TrainedRun
from ner_plugins.comparison.span_counts import PredictedSentence
from ner_plugins.errors import ConfigError, shown
from ner_plugins.options import written

TRAINING, VALIDATION = "train", "validation"
_PARTS = {TRAINING: ("train_data_path", "training data"), VALIDATION: ("validation_data_path", "validation data")}


def check_runs(runs: Sequence[TrainedRun], any_training_data: bool = False) -> None:
    """
    Check that runs were trained and validated on the same files, and chose their best epochs by the same metric.

    Files are compared by the digests in `run.json`; where a run has none, data are compared by their paths.

    # Parameters

    runs : `Sequence[TrainedRun]`
    any_training_data : `bool`, optional (default=`False`)
        Whether the training data may differ.

    # Raises

    `ConfigError` that names two runs and what differs.
    """
    for run in runs[1:]:
        for part in (VALIDATION,) if any_training_data else (TRAINING, VALIDATION):
            _check_data(runs[0], run, part)
        metrics = [one.config.get("trainer", {}).get("validation_metric", "-loss") for one in (runs[0], run)]
        if metrics[0] != metrics[1]:
            raise ConfigError(
                f"{runs[0].name} and {run.name} chose their best epochs by different metrics: "
                f"{written(metrics[0])} and {written(metrics[1])} (trainer.validation_metric)"
            )


def check_figures(runs: Sequence[TrainedRun], metric: str) -> None:
    """
    Check that runs have a metric's figures on validation data with the same gold entities.

    # Raises

    `ConfigError` that names the run, and what it has instead.
    """
    for run in runs:
        if f"{metric}/micro_f1" not in run.figures:
            names = sorted({name.partition("/")[0] for name in run.figures if name.endswith("/micro_f1")})
            raise ConfigError(
                f"{run.name}: its metrics.json has no figures of {metric} on validation data; of other metrics: "
                f"{', '.join(names) or 'none'}. Choose another --metric, or give --data"
            )
    first = _support(runs[0], metric)
    for run in runs[1:]:
        support = _support(run, metric)
        for type_ in sorted(first.keys() | support.keys()):
            if first.get(type_, 0) != support.get(type_, 0):
                raise ConfigError(
                    f"{runs[0].name} and {run.name} have different gold in their validation data: "
                    f"{first.get(type_, 0):.0f} and {support.get(type_, 0):.0f} entities of the type {type_}"
                )


def check_sentences(names: Sequence[str], predictions: Sequence[Sequence[PredictedSentence]]) -> None:
    """
    Check that all predictions are about the same sentences with the same gold.

    # Parameters

    names : `Sequence[str]`
        Of the runs or files.
    predictions : `Sequence[Sequence[PredictedSentence]]`
        Of each.

    # Raises

    `ConfigError` that names the first difference.
    """
    first = predictions[0]
    for name, others in zip(names[1:], predictions[1:], strict=True):
        pair = f"{names[0]} and {name}"
        if len(first) != len(others):
            raise ConfigError(f"{pair} have different numbers of sentences: {len(first)} and {len(others)}")
        for number, (one, other) in enumerate(zip(first, others, strict=True), start=1):
            if one.text != other.text:
                raise ConfigError(f"{pair} differ in sentence {number}: {shown(one.text)} and {shown(other.text)}")
            if list(one.gold) != list(other.gold):
                entity = min(set(one.gold) ^ set(other.gold))
                place = names[0] if entity in one.gold else name
                raise ConfigError(
                    f"{pair} have different gold in sentence {number}, {shown(one.text)}: only in that of {place} is "
                    f"{shown(one.text[entity.start : entity.end])} ({entity.start}, {entity.end}) of the type "
                    f"{entity.type}. Do their readers have the same options?"
                )


def _check_data(run: TrainedRun, other: TrainedRun, part: str) -> None:
    one, two = (_facts(each, part) for each in (run, other))
    if _same(one, two):
        return
    _, name = _PARTS[part]
    remedy = ", or add --any-training-data" if part == TRAINING else ""
    raise ConfigError(
        f"{run.name} and {other.name} have different {name}: {_described(one)} and {_described(two)}. Compare runs on "
        f"the same data{remedy} (of a sweep over corpora choose one with --where)"
    )


def _facts(run: TrainedRun, part: str) -> Mapping[str, Any]:
    """What `run.json` says about the data of a run; the path alone where it says nothing."""
    key, _ = _PARTS[part]
    found: Mapping[str, Any] = run.record.get("data", {}).get(part) or {}
    return {"path": run.config.get(key), **found}


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    digests = [sorted(file["sha256"] for file in each.get("files") or ()) for each in (one, other)]
    if not all(digests):
        return bool(one["path"] == other["path"])
    # An archive has one digest, whatever split or member is read.
    places = [_place_in_file(each) for each in (one, other)]
    return digests[0] == digests[1] and one.get("sentences") == other.get("sentences") and places[0] == places[1]


def _place_in_file(facts: Mapping[str, Any]) -> Optional[str]:
    """What follows the name of the file in a data path: `!MEMBER#SPLIT`; empty for a folder's split."""
    path, files = str(facts["path"]), [str(file["file"]) for file in facts["files"]]
    return next((path[len(file) :] for file in files if path.startswith(file)), "")


def _described(facts: Mapping[str, Any]) -> str:
    files = [f"SHA-256 {str(file['sha256'])[:12]}" for file in facts.get("files") or ()]
    more = [*files[:3], *(["…"] if len(files) > 3 else [])]
    if "sentences" in facts:
        more.append(f"{facts['sentences']} sentences")
    return json.dumps(facts["path"], ensure_ascii=False) + (f" ({', '.join(more)})" if more else "")


def _support(run: TrainedRun, metric: str) -> dict[str, float]:
    end = "/support"
    figures = run.figures_of(metric).items()
    return {name[: -len(end)]: value for name, value in figures if name.endswith(end)}
