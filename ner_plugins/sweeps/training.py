"""The processes of a sweep's run: `allennlp train`, and then predictions, by `allennlp ner-compare`."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Optional, Sequence

from ner_plugins.files.run_record import LEFT_BY_A_FAILED_START
from ner_plugins.sweeps.folder import Record, SweepFolder, was_finished

PROGRAM = [sys.executable, "-m", "ner_plugins"]
"""How `allennlp` is started."""
GRACE = 60.0
"""Seconds in which a training may end by itself after SIGTERM."""


class Process:
    """
    A process of a run, in a session of its own: Ctrl-C reaches it through `ask_to_stop` alone.

    # Parameters

    words : `Sequence[str]`
        The command.
    record : `Record`
        Of the run.
    folder : `SweepFolder`
        Of the sweep.
    gpu : `Optional[int]`, optional (default=`None`)
        The only GPU that it sees; `None` leaves the environment as it is.
    lock : `Optional[int]`, optional (default=`None`)
        A file descriptor that it inherits.
    """

    def __init__(
        self,
        words: Sequence[str],
        record: Record,
        folder: SweepFolder,
        gpu: Optional[int] = None,
        lock: Optional[int] = None,
    ) -> None:
        self.name: str = record["name"]
        self.gpu = gpu
        environment = {**os.environ, **record["environment"]}
        if gpu is not None:
            environment["CUDA_VISIBLE_DEVICES"] = visible_name(gpu)
        self._began = time.monotonic()
        with open(folder.output_file(self.name), "ab") as output:
            self._process = subprocess.Popen(
                words,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=() if lock is None else (lock,),
            )

    @property
    def process(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def seconds(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self._began

    def exit(self) -> Optional[int]:
        """The exit status; `None` while it runs."""
        return self._process.poll()

    def ask_to_stop(self) -> None:
        """Send SIGTERM, after which a training ends as with Ctrl-C."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def wait(self, seconds: float = GRACE) -> int:
        """Wait for the end; after so many seconds kill it with all processes that it has started."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.wait()

    def kill(self) -> None:
        """Kill it, with all processes that it has started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


def visible_name(gpu: int) -> str:
    """The name of a GPU for `CUDA_VISIBLE_DEVICES`, which may hide others already."""
    names = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return names[gpu] if gpu < len(names) else str(gpu)


def commands(record: Record, folder: SweepFolder) -> list[list[str]]:
    """
    The commands of a run, one after the other: training, unless it has finished although the record does not say so,
    as after a power failure; then predictions.
    """
    run = folder.run_folder(record["name"])
    packages = [word for package in record["include_package"] for word in ("--include-package", package)]
    finished = not record.get("changed") and was_finished(run)
    found = [] if finished else [[*_train(record, run), *packages]]
    return found + [[*PROGRAM, "ner-compare", str(run), "--data", data, *packages] for data in record["predict"]]


def _train(record: Record, run: Path) -> list[str]:
    """The command that trains a run, or continues it if it has a checkpoint."""
    words = [*PROGRAM, "train", record["config_file"], "-s", str(run)]
    if record["overrides"]:
        words += ["-o", json.dumps(record["overrides"])]
    left = {path.name for path in run.iterdir()} if run.is_dir() else set()
    if left - LEFT_BY_A_FAILED_START:
        # A run that failed may be started again with another config.
        words.append("--force" if record.get("changed") else "--recover")
    return words


def remove_weights(run: Path, keep: str) -> None:
    """Delete what `keep` does not keep of a finished run."""
    if keep == "all":
        return
    for weights in run.glob("*.th"):
        weights.unlink(missing_ok=True)
    if keep == "figures":
        (run / "model.tar.gz").unlink(missing_ok=True)
