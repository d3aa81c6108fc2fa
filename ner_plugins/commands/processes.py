"""The processes of distributed training: one that fails ends the others, and its error is raised here."""

import contextlib
import multiprocessing.connection
import pickle
import re
import signal
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

from allennlp.commands import train as stock
from allennlp.common.checks import ConfigurationError
from torch.multiprocessing.spawn import start_processes

from ner_plugins.errors import NerError

GRACE = 5.0
"""Seconds in which the other processes may end by themselves, then after SIGTERM, before they are killed."""

_LOST_CONNECTION = re.compile(
    r"connection (was )?(closed|reset|refused)|broken pipe|socket|gloo|nccl|allreduce|all_?gather|store", re.IGNORECASE
)


class ProcessError(NerError):
    """A process of distributed training was killed."""


@contextlib.contextmanager
def own_processes() -> Iterator[None]:
    """A context in which `allennlp train` starts the processes of distributed training by `run`."""
    original = stock.mp
    stock.mp = _Spawning()
    try:
        yield
    finally:
        stock.mp = original


class _Spawning:
    spawn = staticmethod(lambda function, args, nprocs: run(function, args, nprocs))


def run(function: Callable[..., Any], args: Sequence[Any], number: int) -> None:
    """
    Call `function(process, *args)` in new processes, and wait for them.

    # Parameters

    function : `Callable[..., Any]`
        A function of a module.
    args : `Sequence[Any]`
        They are pickled.
    number : `int`
        The number of processes.

    # Raises

    What the first process that failed has raised: not what others raise since they have lost the connection to it. An
    error that cannot be pickled is a `RuntimeError` with its traceback; `ProcessError` for a process that was killed.
    The other processes have ended.
    """
    with tempfile.TemporaryDirectory() as folder:
        started: Any = start_processes(  # type: ignore[no-untyped-call]
            _call, (function, tuple(args), folder), number, join=False, start_method="spawn"
        )
        processes: list[Any] = started.processes
        try:
            failed = _wait(processes)
        except BaseException:
            _end(processes)
            raise
        if failed:
            raise _error(processes, failed, Path(folder))


def _call(process: int, function: Callable[..., Any], args: tuple[Any, ...], folder: str) -> None:
    """Call the function in a new process; an error is written to a file."""
    try:
        function(process, *args)
    except Exception as error:
        path = Path(folder, str(process))
        path.with_suffix(".txt").write_text(traceback.format_exc(), encoding="utf-8")
        if isinstance(error, (NerError, ConfigurationError, OSError)):
            with contextlib.suppress(Exception):
                path.with_suffix(".pickle").write_bytes(pickle.dumps(error))
        raise


def _wait(processes: Sequence[Any]) -> list[int]:
    """Wait until all processes have ended; returns those that failed by themselves, in order of time."""
    running = {process.sentinel: number for number, process in enumerate(processes)}
    failed: list[int] = []
    end = None
    while running:
        seconds = None if end is None else max(0.0, end - time.monotonic())
        ended = multiprocessing.connection.wait(list(running), seconds)
        for sentinel in ended:
            number = running.pop(sentinel)  # type: ignore[index]
            processes[number].join()
            if processes[number].exitcode != 0:
                failed.append(number)
        if failed and end is None:
            end = time.monotonic() + GRACE
        if end is not None and not ended:
            break
    _end(processes)
    return failed


def _end(processes: Sequence[Any]) -> None:
    """End processes that still run."""
    for stop in ("terminate", "kill"):
        alive = [process for process in processes if process.is_alive()]
        for process in alive:
            getattr(process, stop)()
        end = time.monotonic() + GRACE
        for process in alive:
            process.join(max(0.0, end - time.monotonic()))


def _error(processes: Sequence[Any], failed: Sequence[int], folder: Path) -> BaseException:
    """The error of the process that failed first, by itself if possible."""
    errors = [_error_of(number, processes[number].exitcode, folder) for number in failed]
    own = [one for one in errors if isinstance(one, NerError) or not _LOST_CONNECTION.search(_last_line(one))]
    return (own or errors)[0]


def _error_of(number: int, status: int, folder: Path) -> BaseException:
    with contextlib.suppress(Exception):
        error: BaseException = pickle.loads((folder / f"{number}.pickle").read_bytes())
        return error
    path = folder / f"{number}.txt"
    if path.exists():
        return RuntimeError(f"process {number} of distributed training failed:\n{path.read_text(encoding='utf-8')}")
    if status < 0:
        name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
        memory = ", as the system does when memory runs out" if -status == signal.SIGKILL else ""
        return ProcessError(
            f"process {number} of distributed training was killed by {name}{memory}, so the others were ended too. "
            "--recover continues from the last checkpoint"
        )
    return ProcessError(f"process {number} of distributed training ended with status {status}")


def _last_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[-1]
