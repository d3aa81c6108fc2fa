"""Locks of files and folders, held by other processes."""

import subprocess
import sys
from pathlib import Path

import pytest

from ner_plugins.errors import ConfigError
from ner_plugins.files.locking import locked

HOLD = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX); print(); input()"


def refusal() -> ConfigError:
    return ConfigError("it is in use")


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_lock_ends_with_its_process(kind: str, tmp_path: Path) -> None:
    place = tmp_path / "place"
    if kind == "file":
        place.touch()
    else:
        place.mkdir()
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-S", "-u", "-c", HOLD, str(place)], stdin=pipe, stdout=pipe) as holder:
        assert holder.stdout is not None and holder.stdout.readline()
        with pytest.raises(ConfigError, match="it is in use"), locked(place, refusal):
            pytest.fail("two have the lock")
        holder.kill()
        holder.wait()
        with locked(place, refusal):
            pass


def test_a_lock_ends_with_its_block(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path, refusal), pytest.raises(ConfigError), locked(tmp_path, refusal):
            pytest.fail("two have the lock")
