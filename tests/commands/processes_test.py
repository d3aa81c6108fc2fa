"""Processes of distributed training that fail, are killed or have to be ended."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from forked import context

import ner_plugins  # noqa: F401  (before anything imports allennlp)
from ner_plugins.commands import processes
from ner_plugins.commands.processes import ProcessError, run
from ner_plugins.errors import ConfigError


@pytest.fixture(params=["forked", pytest.param("spawned", marks=pytest.mark.exhaustive)], autouse=True)
def started(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spawned processes import everything anew, for seconds; forked ones run the same code."""
    start = processes.start_processes

    def fork(*args: Any, start_method: str, **options: Any) -> Any:
        assert start_method == "spawn"
        context()  # what it forks from
        return start(*args, start_method="forkserver", **options)

    if request.param == "forked":
        monkeypatch.setattr(processes, "start_processes", fork)


def note(process: int, folder: str) -> None:
    Path(folder, str(process)).write_text(str(os.getpid()))


def fail(process: int, folder: str, what: str) -> None:
    note(process, folder)
    if process == 1:
        if what == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "mistake":
            raise ConfigError("the number\nis wrong")
        raise ValueError("a fault")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)


def lose_connection(process: int, folder: str) -> None:
    if process == 0:
        time.sleep(0.5)
        raise ValueError("the cause")
    raise RuntimeError("[gloo/transport/tcp/pair.cc:538] Connection closed by peer [127.0.0.1]:2873")


def ended(folder: Path) -> bool:
    return not any(Path("/proc", path.read_text()).exists() for path in folder.iterdir())


def test_each_process_has_its_number(tmp_path) -> None:
    run(note, (str(tmp_path),), 2)
    assert {path.name for path in tmp_path.iterdir()} == {"0", "1"}


@pytest.mark.parametrize(
    "what, error, message",
    [
        ("killed", ProcessError, "process 1 of distributed training was killed by SIGKILL.*--recover"),
        ("mistake", ConfigError, "^the number\nis wrong$"),
        ("fault", RuntimeError, "(?s)process 1 .*ValueError: a fault"),
    ],
)
def test_one_that_fails_ends_the_others_and_is_reported(what, error, message, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("ner_plugins.commands.processes.GRACE", 0.5)
    with pytest.raises(error, match=message):
        run(fail, (str(tmp_path), what), 2)
    assert ended(tmp_path)


def test_the_cause_is_reported_rather_than_a_lost_connection(tmp_path) -> None:
    with pytest.raises(RuntimeError, match="ValueError: the cause"):
        run(lose_connection, (str(tmp_path),), 2)


def test_an_interrupt_ends_all(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("ner_plugins.commands.processes.GRACE", 0.5)

    def interrupt() -> None:
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # pytest's own processes may ignore it
    threading.Thread(target=interrupt).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run(wait, (str(tmp_path),), 2)
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended(tmp_path)


def wait(process: int, folder: str) -> None:
    note(process, folder)
    time.sleep(600)
