"""What is to be done of a plan in a folder in which runs have been done before."""

from dataclasses import dataclass
from typing import Any, Callable, Iterable, Mapping, Sequence

from ner_plugins.errors import ConfigError
from ner_plugins.options import written
from ner_plugins.sweeps.folder import (
    FAILED,
    FINISHED,
    INTERRUPTED,
    RUNNING,
    WAITING,
    Record,
    SweepFolder,
    planned_record,
)
from ner_plugins.sweeps.plan import PlannedRun
from ner_plugins.sweeps.sweep_file import Setting

SEEDS = ("random_seed", "numpy_seed", "pytorch_seed")
_MOST_DIFFERENCES = 10
_SETTINGS = ("config_file", "overrides", "environment", "include_package", "predict", "labels")

Resolve = Callable[[PlannedRun], Mapping[str, Any]]
"""From a run to its config, with everything applied."""
Differences = Callable[[Any, Any], Sequence[tuple[str, str, str]]]
"""The keys at which two configs differ, each with both values."""


@dataclass(frozen=True)
class Plan:
    """
    The runs of a sweep's file.

    # Parameters

    records : `Mapping[str, Record]`
        What is known about each, by name; of new runs what is planned.
    new : `Sequence[str]`
        Those that were not in the folder.
    left : `Sequence[str]`
        Runs in the folder that are not in the file any more. They stay.
    """

    records: Mapping[str, Record]
    new: Sequence[str]
    left: Sequence[str]

    def to_do(self) -> list[Record]:
        """The runs that have not finished, in the order of the file."""
        return [record for record in self.records.values() if record["status"] != FINISHED]


def resolved(run: PlannedRun, resolve: Resolve) -> tuple[PlannedRun, Mapping[str, Any]]:
    """A run and its config. Where the config does not take its seeds from `NER_SEED`, overrides set them."""
    config = resolve(run)
    if run.seed is None or all(config.get(key) == run.seed for key in SEEDS):
        return run, config
    run = run.with_overrides(dict.fromkeys(SEEDS, run.seed))
    return run, resolve(run)


def plan(
    runs: Iterable[PlannedRun],
    folder: SweepFolder,
    resolve: Resolve,
    differences: Differences,
    include_package: tuple[str, ...] = (),
) -> Plan:
    """
    Compare the runs of a file with those in a folder.

    A run that has begun goes on only with the config that it has. One that has failed, or waits, may have another.

    # Parameters

    runs : `Iterable[PlannedRun]`
    folder : `SweepFolder`
    resolve : `Resolve`
    differences : `Differences`
    include_package : `tuple[str, ...]`

    # Raises

    `ConfigError` that lists what differs in a run that has begun.
    """
    known = folder.records()
    found: dict[str, Record] = {}
    new = []
    for planned in runs:
        run, config = resolved(planned, resolve)
        fresh = planned_record(run, config, include_package)
        before = known.get(run.name)
        if before is None:
            new.append(run.name)
            found[run.name] = fresh
        else:
            found[run.name] = _continued(before, fresh, differences(before["config"], fresh["config"]), folder)
    return Plan(found, new, [name for name in known if name not in found])


def _continued(
    before: Record, now: Record, changes: Sequence[tuple[str, str, str]], folder: SweepFolder
) -> Record:
    """The record of a run that was planned before, with the present settings."""
    settings = {key: now[key] for key in _SETTINGS}
    if not changes:
        return {**before, **settings, "model": now["model"]}
    if before["status"] in (FAILED, WAITING):
        return {**before, **settings, "model": now["model"], "config": now["config"], "changed": True}
    listed = [f"\n  {key} was {old} and is {new}" for key, old, new in changes[:_MOST_DIFFERENCES]]
    listed += ["\n  …"] * (len(changes) > _MOST_DIFFERENCES)
    state = {FINISHED: "has finished", INTERRUPTED: "was interrupted", RUNNING: "was running"}[before["status"]]
    raise ConfigError(
        f"{folder.path}: the run {before['name']} {state} with another config. Undo the change, rename the point in "
        f"the sweep's file so that a new run is added, or choose another -s:{''.join(listed)}"
    )


def described(record: Record) -> str:
    """A line about a run: its name, what is special about it, and its state."""
    setting = Setting(record["config_file"], record["overrides"], record["environment"])
    parts = [str(setting.config), *(f"{name}={value}" for name, value in setting.environment.items())]
    parts += [f"{key}={written(value)}" for key, value in setting.overrides.items()]
    return f"{record['name']}: {record['status']}: {' '.join(parts)}"
