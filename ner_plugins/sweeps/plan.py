"""The runs of a sweep, and their names."""

import hashlib
import itertools
import re
from dataclasses import dataclass, field, replace
from typing import Any, Iterator, Mapping, Optional

from ner_plugins.errors import ConfigError
from ner_plugins.sweeps.sweep_file import Setting, Sweep

_LONGEST = 100
_NONE: Mapping[str, str] = {}
_NOTHING = Setting()
_NOT_IN_A_NAME = re.compile(r"[^\w.=+]+")


@dataclass(frozen=True)
class PlannedRun:
    """
    A run of a sweep.

    # Parameters

    name : `str`
        That of its folder.
    model : `str`
        The name without the seed: runs with equal ones are one model.
    setting : `Setting`
    labels : `Mapping[str, str]`
        For each axis, the name of its point.
    seed : `Optional[int]`
        `None` for the config's.
    trial : `Optional[int]`
        The number of the trial of a search.
    """

    name: str
    model: str
    setting: Setting
    labels: Mapping[str, str] = field(default_factory=dict)
    seed: Optional[int] = None
    trial: Optional[int] = None

    def with_overrides(self, overrides: Mapping[str, Any]) -> "PlannedRun":
        """The run with further overrides."""
        return replace(self, setting=self.setting.changed_by(Setting(overrides=overrides)))


def runs_of(
    sweep: Sweep, chosen: Mapping[str, str] = _NONE, setting: Setting = _NOTHING, trial: Optional[int] = None
) -> Iterator[PlannedRun]:
    """
    A run for each combination of points and each seed: seeds change last, so that models can be compared early.

    # Parameters

    sweep : `Sweep`
    chosen : `Mapping[str, str]`, optional
        The points that a trial has chosen, by axis: the only ones of theirs.
    setting : `Setting`, optional
        What a trial adds.
    trial : `Optional[int]`, optional (default=`None`)
        The number of the trial, with which the names begin.

    # Raises

    `ConfigError` if a run has no config, or if two runs have one name.
    """
    axes = [[(axis, name) for name in points if chosen.get(axis, name) == name] for axis, points in sweep.axes.items()]
    names: dict[str, dict[str, str]] = {}
    for seed in sweep.seeds or (None,):
        for points in itertools.product(*axes):
            run = _run(sweep, dict(points), set(chosen), setting, seed, trial)
            if run.name in names:
                both = f"{names[run.name]} and {dict(run.labels)}"
                raise ConfigError(f"two runs are called {run.name}: rename points of the axes of {both}")
            names[run.name] = dict(run.labels)
            yield run


def _run(
    sweep: Sweep, labels: dict[str, str], chosen: set[str], added: Setting, seed: Optional[int], trial: Optional[int]
) -> PlannedRun:
    setting = sweep.setting
    for axis, point in labels.items():
        setting = setting.changed_by(sweep.axes[axis][point])
    setting = setting.changed_by(added)
    if setting.config is None:
        raise ConfigError(f"no config: give one to the sweep, or to each point of an axis (missing for {labels})")
    if seed is not None:
        setting = setting.changed_by(Setting(environment={"NER_SEED": str(seed)}))
    shown = [point for axis, point in labels.items() if axis not in chosen]
    parts = [*([] if trial is None else [f"t{trial:04}"]), *map(_part, shown)]
    model = _shortened("-".join(parts) or _part(_stem(str(setting.config))))
    name = model if seed is None else f"{model}-s{seed}"
    return PlannedRun(name, model, setting, labels, seed, trial)


def _stem(config: str) -> str:
    return re.sub(r"\.(jsonnet|json|libsonnet)$", "", config.replace("\\", "/").rpartition("/")[2])


def _part(label: str) -> str:
    """A label as a part of a file's name."""
    return _NOT_IN_A_NAME.sub("_", label).strip("._") or "_"


def _shortened(name: str) -> str:
    if len(name) <= _LONGEST:
        return name
    return f"{name[:_LONGEST - 7]}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"
