"""The folder of a sweep: a JSON file and the output of each run, and the runs themselves."""

import json
import time
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, ClassVar, Iterator, Mapping, Optional

from ner_plugins.errors import ConfigError
from ner_plugins.files.atomic import atomic_path
from ner_plugins.files.json_files import read_json_object
from ner_plugins.files.locking import locked
from ner_plugins.files.run_record import read_record
from ner_plugins.sweeps.plan import PlannedRun

SWEEP, LOCK = "sweep.json", ".lock"
RECORDS, RUNS = "records", "runs"
FINISHED, FAILED, INTERRUPTED, RUNNING, WAITING = "finished", "failed", "interrupted", "running", "to do"
_VERSION = 1
_TAIL = 20
_TAIL_CHARACTERS = 4000
_BEST = "best_validation_"

Record = dict[str, Any]


class SweepFolder:
    """
    The folder of a sweep.

    `sweep.json` says what it is; `records/NAME.json` is what is known about a run, and `records/NAME.txt` its output;
    `runs/NAME` is its serialization directory.

    # Parameters

    path : `Path`
    """

    facts_name: ClassVar[str] = SWEEP
    runs_name: ClassVar[str] = RUNS
    command: ClassVar[str] = "ner-sweep"

    def __init__(self, path: Path) -> None:
        self.path = path

    def exists(self) -> bool:
        """Whether there is a sweep in it."""
        return (self.path / self.facts_name).is_file()

    def facts(self) -> dict[str, Any]:
        """
        The content of `sweep.json`; empty if there is none.

        # Raises

        `ConfigError` if it is damaged or of another version.
        """
        file = self.path / self.facts_name
        if not file.is_file():
            return {}
        content = read_json_object(file)
        if content.get("format_version") != _VERSION:
            raise ConfigError(f"{file}: its format_version is {content.get('format_version')!r}, not {_VERSION}")
        return content

    def write_facts(self, facts: Mapping[str, Any]) -> None:
        """Replace `sweep.json`."""
        _write(self.path / self.facts_name, {"format_version": _VERSION, **facts})

    def run_folder(self, name: str) -> Path:
        """The serialization directory of a run."""
        return self.path / self.runs_name / name

    def output_file(self, name: str) -> Path:
        """What a run has printed."""
        return self.path / RECORDS / f"{name}.txt"

    def record(self, name: str) -> Optional[Record]:
        """What is known about a run; `None` if it was never planned."""
        file = self.path / RECORDS / f"{name}.json"
        return read_json_object(file) if file.is_file() else None

    def records(self) -> dict[str, Record]:
        """What is known about each run, in the order of `sweep.json`, then of their names."""
        found = {file.stem: file for file in sorted((self.path / RECORDS).glob("*.json"))}
        order = [name for name in self.facts().get("runs", ()) if name in found]
        return {name: read_json_object(found[name]) for name in dict.fromkeys([*order, *found])}

    def write_record(self, record: Record) -> None:
        """Replace what is known about a run."""
        _write(self.path / RECORDS / f"{record['name']}.json", record)

    @contextmanager
    def locked(self) -> Iterator[int]:
        """
        Make the folder, and keep other sweeps out of it.

        # Returns

        `int`
            The file descriptor of the lock. A training that inherits it keeps the lock if this process is killed.

        # Raises

        `ConfigError` if another sweep, or a training that was left behind, is at work in it.
        """
        for folder in (self.path, self.path / RECORDS, self.path / self.runs_name):
            folder.mkdir(parents=True, exist_ok=True)
        (self.path / LOCK).touch()
        with locked(self.path / LOCK, self._is_in_use) as lock:
            yield lock

    def _is_in_use(self) -> ConfigError:
        return ConfigError(
            f"{self.path}: another {self.command} is at work in it, or a training that one has started: wait for it, "
            f"or end it{_processes(self)}"
        )


def planned_record(run: PlannedRun, config: Mapping[str, Any], include_package: tuple[str, ...]) -> Record:
    """
    The record of a run that was never started.

    # Parameters

    run : `PlannedRun`
    config : `Mapping[str, Any]`
        Its config, with everything applied.
    include_package : `tuple[str, ...]`
    """
    return {
        "name": run.name,
        "model": run.model,
        "labels": dict(run.labels),
        "seed": run.seed,
        "trial": run.trial,
        "status": WAITING,
        "config_file": run.setting.config,
        "overrides": dict(run.setting.overrides),
        "environment": dict(run.setting.environment),
        "include_package": list(include_package),
        "predict": list(run.setting.predict),
        "config": dict(config),
        "seconds": 0.0,
        "starts": 0,
    }


def started(record: Record, process: int, goes_on: bool = False) -> Record:
    """The record of a run whose first process has been started; with `goes_on` a later one."""
    if goes_on:
        return {**record, "process": process}
    facts = {"status": RUNNING, "started": _now(), "ended": None, "process": process, "starts": record["starts"] + 1}
    return {**{key: value for key, value in record.items() if key not in ("message", "exit", "changed")}, **facts}


def ended(record: Record, exit: int, seconds: float, folder: SweepFolder, interrupted: bool = False) -> Record:
    """
    The record of a run whose process has ended.

    # Parameters

    record : `Record`
    exit : `int`
        The exit status, negative for a signal.
    seconds : `float`
        Of this start.
    folder : `SweepFolder`
    interrupted : `bool`, optional (default=`False`)
        Whether it was stopped on purpose.
    """
    figures = figures_of(folder.run_folder(record["name"])) if exit == 0 else None
    status = FINISHED if figures is not None else INTERRUPTED if interrupted else FAILED
    facts: Record = {"status": status, "exit": exit, "ended": _now(), "process": None}
    facts["seconds"] = round(record["seconds"] + seconds, 3)
    if figures is not None:
        facts |= figures
    elif status == FAILED:
        facts["message"] = end_of(folder.output_file(record["name"]))
    return {**record, **facts}


def figures_of(run: Path) -> Optional[Record]:
    """The best epoch of a finished run, with the figures of the validation data; `None` if it has not finished."""
    try:
        metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    best = {key.removeprefix(_BEST): value for key, value in metrics.items() if key.startswith(_BEST)}
    test = {key.removeprefix("test_"): value for key, value in metrics.items() if key.startswith("test_")}
    return {"best_epoch": metrics.get("best_epoch"), "best_validation": best, **({"test": test} if test else {})}


def was_finished(run: Path) -> bool:
    """Whether the training in a folder has finished, by its own record."""
    try:
        return read_record(run).get("exit") == FINISHED and figures_of(run) is not None
    except ConfigError:
        return False


def end_of(file: Path) -> str:
    """The last lines of an output."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.rstrip().splitlines()[-_TAIL:])[-_TAIL_CHARACTERS:]


def _processes(folder: SweepFolder) -> str:
    found = [f"{name} is process {one['process']}" for name, one in folder.records().items() if one.get("process")]
    return f" ({', '.join(found)})" if found else ""


def _write(file: Path, content: Mapping[str, Any]) -> None:
    with atomic_path(file) as partial:
        text = json.dumps(content, ensure_ascii=False, indent=1)
        Path(partial).write_bytes(text.encode("utf-8", "backslashreplace") + b"\n")


def _now() -> str:
    return datetime.fromtimestamp(time.time(), timezone.utc).isoformat(timespec="seconds")
