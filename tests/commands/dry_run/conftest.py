"""Dry runs start in the repository, whose fixtures they read, and have a folder of their own for temporary files."""

import tempfile
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def from_the_root(monkeypatch: pytest.MonkeyPatch, repository: Path, tmp_path: Path) -> None:
    monkeypatch.chdir(repository)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
