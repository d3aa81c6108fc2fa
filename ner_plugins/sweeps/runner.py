"""Doing the runs of a sweep, one at a time or one on each GPU."""

import json
import logging
import time
from collections import Counter
from typing import Any, Mapping, Optional, Sequence

from ner_plugins.files.run_record import RECORD
from ner_plugins.progress import is_redrawn, progress
from ner_plugins.sweeps.folder import FAILED, FINISHED, Record, SweepFolder, ended, started
from ner_plugins.sweeps.sources import Source
from ner_plugins.sweeps.training import Process, commands, remove_weights

logger = logging.getLogger(__name__)

_POLL = 0.1
_REDRAW = 2.0


class Runner:
    """
    Does the runs of a source.

    # Parameters

    folder : `SweepFolder`
        Locked.
    source : `Source`
    gpus : `Sequence[Optional[int]]`, optional (default=`(None,)`)
        A run is trained at a time for each of them; `None` leaves the environment as it is.
    keep : `str`, optional (default=`"all"`)
        What stays of a finished run: see `KEEP`.
    lock : `Optional[int]`, optional (default=`None`)
        The file descriptor of the folder's lock.
    """

    def __init__(
        self,
        folder: SweepFolder,
        source: Source,
        gpus: Sequence[Optional[int]] = (None,),
        keep: str = "all",
        lock: Optional[int] = None,
    ) -> None:
        self._folder, self._source, self._keep, self._lock = folder, source, keep, lock
        self._free = list(gpus)
        self._running: dict[str, tuple[Process, Record, list[list[str]]]] = {}
        self._redrawn = 0.0
        self.ended: Counter[str] = Counter()

    def run(self) -> None:
        """
        Do all runs. A run that fails is recorded, and the next one begins.

        Ctrl-C and SIGTERM end the trainings as they end a single one, and are raised again when their records are
        written.
        """
        total, before = self._source.total, self._source.finished
        with progress(total=total, initial=before, desc="sweep", unit=" runs") as bar:
            try:
                while self._start_all(bar) or self._running:
                    self._end_all(bar)
                    self._show(bar)
                    time.sleep(_POLL if self._running else 0.0)
            except BaseException:
                self._stop()
                raise

    def _start_all(self, bar: Any) -> bool:
        """Start runs while there are runs and room; whether there was one."""
        any_started = False
        while self._free:
            record = self._source.next()
            if record is None:
                break
            any_started = True
            words = commands(record, self._folder)
            if words:
                self._start(words, record, self._free.pop(0))
            else:
                self._finish(ended(record, 0, 0.0, self._folder), bar)
        return any_started

    def _start(self, words: list[list[str]], record: Record, gpu: Optional[int], goes_on: bool = False) -> None:
        """Start the next of a run's commands."""
        process = Process(words[0], record, self._folder, gpu, self._lock)
        record = started(record, process.process, goes_on)
        self._running[process.name] = process, record, words[1:]
        self._folder.write_record(record)

    def _end_all(self, bar: Any) -> None:
        for name, (process, record, others) in list(self._running.items()):
            status = process.exit()
            if status is None:
                continue
            del self._running[name]
            record["seconds"] = round(record["seconds"] + process.seconds, 3)
            if status == 0 and others:
                self._start(others, record, process.gpu, goes_on=True)
            else:
                self._free.append(process.gpu)
                self._finish(ended(record, status, 0.0, self._folder), bar)

    def _finish(self, record: Record, bar: Any) -> None:
        self._folder.write_record(record)
        self.ended[record["status"]] += 1
        if record["status"] == FINISHED:
            remove_weights(self._folder.run_folder(record["name"]), self._keep)
            bar.update(1)
        elif record["status"] == FAILED:
            last = (record["message"].splitlines() or ["nothing was printed"])[-1]
            logger.warning("%s failed: %s", record["name"], last)
        self._source.done(record)

    def _stop(self) -> None:
        """End all trainings; a second Ctrl-C kills them."""
        running = list(self._running.values())
        try:
            for process, *_ in running:
                process.ask_to_stop()
            for process, *_ in running:
                process.wait()
        finally:
            for process, record, _ in running:
                if process.exit() is None:
                    process.kill()
                status = process.wait()
                self._folder.write_record(ended(record, status, process.seconds, self._folder, interrupted=True))

    def _show(self, bar: Any) -> None:
        """What runs at present, and how many have failed."""
        if time.monotonic() - self._redrawn < _REDRAW:
            return
        self._redrawn = time.monotonic()
        parts = [f"{self.ended[FAILED]} failed"] * bool(self.ended[FAILED])
        parts += [f"{name}{self._epoch(name)}" for name in self._running]
        bar.set_postfix_str(", ".join(parts), refresh=is_redrawn())

    def _epoch(self, name: str) -> str:
        try:
            text = (self._folder.run_folder(name) / RECORD).read_text(encoding="utf-8")
            epochs: Mapping[str, Any] = json.loads(text)["epochs"]
            return f" {epochs['done']}/{epochs['planned']}"
        except (OSError, ValueError, LookupError, TypeError):
            return ""


def summary(folder: SweepFolder, names: Sequence[str]) -> str:
    """How many runs there are in each state, and the last line of each that failed."""
    records = [record for name in names if (record := folder.record(name)) is not None]
    counts = Counter(record["status"] for record in records)
    states = ", ".join(f"{number} {status}" for status, number in counts.items())
    lines = [f"{len(records)} run{'s' * (len(records) != 1)}: {states}"]
    for record in records:
        if record["status"] == FAILED:
            last = (record.get("message", "").splitlines() or [""])[-1]
            lines.append(f"failed: {record['name']}: {last} ({folder.output_file(record['name'])})")
    return "\n".join(lines)


def figure_of(record: Record, metric: str) -> Optional[float]:
    """A figure of a finished run's best epoch on the validation data; `None` if it has none."""
    if record["status"] != FINISHED:
        return None
    found: Optional[float] = record["best_validation"].get(metric)
    return found
