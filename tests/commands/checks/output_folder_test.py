"""Whether the output folder can be written."""

import errno
import tempfile
from pathlib import Path
from typing import Any

import pytest

from ner_plugins.commands.checks.output_folder import unwritable


def test_a_folder_that_can_be_made_is_not_made(tmp_path: Path) -> None:
    assert list(unwritable(tmp_path)) == [] and list(unwritable(tmp_path / "a/b")) == []
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    [mistake] = unwritable(tmp_path / "file/run")
    assert f"{tmp_path}/file is a file" in mistake.text


@pytest.mark.parametrize("number, reason", [(errno.EROFS, "Read-only file system"), (errno.ENOSPC, "No space left")])
def test_a_folder_that_cannot_be_written(
    number: int, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(dir: Path) -> Any:
        assert dir == tmp_path
        raise OSError(number, reason)

    monkeypatch.setattr(tempfile, "TemporaryFile", fail)
    [mistake] = unwritable(tmp_path / "a/b")
    assert mistake.text.startswith(f"{tmp_path}/a/b: the output folder cannot be written in {tmp_path} ({reason})")
