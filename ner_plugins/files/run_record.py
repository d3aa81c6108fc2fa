"""`run.json`: what a training run was made of, how long it took, and what came of it."""

import json
import math
import os
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable, Mapping, Optional

from ner_plugins.errors import ConfigError, shown
from ner_plugins.files.atomic import atomic_path
from ner_plugins.files.json_files import parsed_json

RECORD = "run.json"
VERSION = 1

RUNNING, FINISHED, INTERRUPTED, KILLED = "running", "finished", "interrupted", "killed"

PRETRAINED_MODULES = "pretrained_modules"
"""The folder for what a run's archive needs of the archives that modules were taken from."""

LEFT_BY_A_FAILED_START = {
    "config.json", "meta.json", "out.log", "err.log", "vocabulary", "ner_assets", PRETRAINED_MODULES, RECORD
}  # fmt: skip
"""What a run's folder has before its first checkpoint: such a run begins anew rather than being recovered."""


class RunRecord:
    """
    The file `run.json` of a run, which is replaced as a whole by each change.

    A run that was stopped and resumed has several `parts`, each with its start, end, seconds and exit; `seconds` is
    their sum, and `exit` that of the last. A part whose end was not written was `killed`, at the time of the last
    change.

    # Parameters

    folder : `os.PathLike[str]`
        The run's folder. It has to exist when something is written.
    clock : `Callable[[], float]`, optional (default=`time.time`)
        Seconds since 1970.
    """

    def __init__(self, folder: "os.PathLike[str]", clock: Callable[[], float] = time.time) -> None:
        self.path = Path(folder, RECORD)
        self._clock = clock
        self.content: dict[str, Any] = self._read()

    def start(self) -> None:
        """Begin a part, unless this process or its parent has begun one."""
        parts: list[dict[str, Any]] = self.content.setdefault("parts", [])
        if parts and parts[-1]["exit"] == RUNNING:
            # In distributed training the command begins the part, and its child trains.
            if parts[-1]["process"] in (os.getpid(), os.getppid()):
                return
            parts[-1].update(exit=KILLED, ended=self.content.get("changed"))
        now = self._clock()
        parts.append({"started": _date(now), "ended": None, "seconds": 0.0, "exit": RUNNING, "process": os.getpid()})
        self.content.setdefault("started", _date(now))
        self.update()

    def update(self, facts: Optional[Mapping[str, Any]] = None) -> None:
        """Add or replace facts, and write the file."""
        self.content.update(facts or {})
        self._count_time()
        self._write()

    def end(self, exit: str) -> None:
        """End the part, or correct its end: `finished`, `interrupted`, or `failed: ` with a message."""
        parts = self.content.get("parts", [])
        if parts:
            parts[-1]["exit"] = RUNNING  # the time up to now counts
        self._count_time()
        if parts:
            parts[-1].update(exit=exit, ended=_date(self._clock()))
        self.content["ended"] = _date(self._clock())
        self.content["exit"] = exit
        self._write()

    def _count_time(self) -> None:
        now = self._clock()
        parts = self.content.get("parts", [])
        if parts and parts[-1]["exit"] == RUNNING:
            began = datetime.fromisoformat(parts[-1]["started"]).timestamp()
            parts[-1]["seconds"] = round(max(now - began, 0.0), 3)  # a clock may be set back
            self.content["exit"], self.content["ended"] = RUNNING, None
        self.content["seconds"] = round(sum(part["seconds"] for part in parts), 3)
        self.content["changed"] = _date(now)

    def _write(self) -> None:
        order = ("format_version", "exit", "started", "ended", "changed", "seconds", "parts")
        head = {name: self.content[name] for name in order if name in self.content}
        with atomic_path(self.path) as partial:
            text = json.dumps({**head, **self.content}, ensure_ascii=False, indent=2)
            Path(partial).write_bytes(text.encode("utf-8", "backslashreplace") + b"\n")

    def _read(self) -> dict[str, Any]:
        """The file's content; that of a new run if there is none, or a damaged one."""
        try:
            return read_record(self.path)
        except ConfigError:
            return {"format_version": VERSION}


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, int) and abs(value) < 1 << 63)


def _are_numbers(value: Any) -> bool:
    return isinstance(value, dict) and all(of is None or _is_number(of) for of in value.values())


# What readers of a record compute with.
_KINDS: Mapping[str, Callable[[Any], bool]] = {
    "seconds": lambda value: _is_number(value) and math.isfinite(value),
    "epochs": lambda value: isinstance(value, dict) and {"done", "planned"} <= set(value),
    "peak_memory_mib": _are_numbers,
    "best_validation": _are_numbers,
    "config": lambda value: isinstance(value, dict),
    "seeds": lambda value: isinstance(value, dict),
}


def read_record(path: "os.PathLike[str]") -> dict[str, Any]:
    """
    The content of a `run.json`.

    # Parameters

    path : `os.PathLike[str]`
        The file, or the folder of a run.

    # Raises

    `ConfigError` if there is none, or it is not one.
    """
    path = Path(path)
    file = path / RECORD if path.is_dir() else path
    if not file.is_file():
        raise ConfigError(f"{path}: there is no {RECORD}; name the folder of a run (the -s of `allennlp train`)")
    try:
        content = parsed_json(file.read_bytes())
    except ValueError as error:
        raise ConfigError(f"{file}: not valid JSON: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("parts", []), list):
        raise ConfigError(f"{file}: this is not the record of a run")
    if content.get("format_version") != VERSION:
        found = content.get("format_version")
        raise ConfigError(f"{file}: its format_version is {shown(found)}; this version of ner_plugins reads {VERSION}")
    for key, is_right in _KINDS.items():
        if content.get(key) is not None and not is_right(content[key]):
            raise ConfigError(f"{file}: {key} is {shown(content[key])}, so this is not the record of a run")
    return content


def _date(seconds: float) -> str:
    """UTC with milliseconds, as in `2026-01-31T12:00:00.000+00:00`."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")
