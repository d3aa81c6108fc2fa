"""What surrounds Ray: its absence, its errors, and what a killed run leaves."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ner_plugins.bulk import session
from ner_plugins.bulk.session import as_ours, needs_ray
from ner_plugins.errors import ConfigError, DataError, NerError

exceptions = pytest.importorskip("ray.exceptions")

ADVICE = "\nFailed to apply UDF transform after 1/1 attempts.\nTo change retry attempts, configure Ray."


def of_ray(cause: Exception) -> BaseException:
    """An error as a task of Ray raises it in the driver."""
    error = exceptions.RayTaskError("a task", "its traceback", cause)
    return error.as_instanceof_cause()  # type: ignore[no-any-return]


def test_without_ray_a_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"pip install 'ner_plugins\[ray\]'"):
        needs_ray()


def test_the_error_behind_one_of_rays() -> None:
    found = as_ours(of_ray(ConfigError("--types is wrong" + ADVICE)))
    assert type(found) is ConfigError and str(found) == "--types is wrong"
    found = as_ours(of_ray(DataError("bad", path="a", line=3)))
    assert type(found) is DataError and str(found) == "a:3: bad"
    full = OSError(28, "No space left on device", ADVICE.strip())  # what is left of it after Ray
    found = as_ours(of_ray(full))
    assert type(found) is OSError and (found.errno, found.filename) == (28, None)
    assert "No space left" in str(found) and "Failed" not in str(found)


def test_errors_that_are_no_ones_mistake_stay() -> None:
    for error in (KeyboardInterrupt(), ValueError("a bug"), of_ray(ValueError("a bug"))):
        assert as_ours(error) is error
    interrupt = KeyboardInterrupt()
    interrupt.__context__ = OSError(2, "while it was raised")
    assert as_ours(interrupt) is interrupt


def test_too_little_memory_says_what_to_do() -> None:
    for error in (exceptions.OutOfMemoryError("node"), exceptions.WorkerCrashedError()):
        found = as_ours(error)
        assert isinstance(found, NerError) and "fewer --actors" in str(found)


def test_what_killed_processes_left_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session.tempfile, "gettempdir", lambda: str(tmp_path))
    ended = subprocess.Popen(["true"])
    ended.wait()
    mine, left, other = (tmp_path / f"ner-bulk-{name}-x" for name in (os.getpid(), ended.pid, "notes"))
    for folder in (mine, left, other):
        folder.mkdir()
    session._sweep()
    assert mine.exists() and other.exists() and not left.exists()
