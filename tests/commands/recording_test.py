import subprocess
from pathlib import Path
from typing import Any

import pytest
from allennlp.training import util as training_util

from ner_plugins.commands.recording import commit_of, recorded
from ner_plugins.errors import DataError
from ner_plugins.files.run_record import read_record


def make_folder(params: Any, folder: Path, recover: bool, force: bool) -> None:
    folder.mkdir()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(training_util, "create_serialization_dir", make_folder)
    monkeypatch.setattr("sys.argv", ["allennlp", "train", "my config.jsonnet"])
    return tmp_path / "run"


def start(folder: Path) -> None:
    """What AllenNLP's `train_model` does first."""
    training_util.create_serialization_dir({}, folder, False, False)


def test_a_run_that_finishes(folder: Path) -> None:
    with recorded("my config.jsonnet", folder):
        start(folder)
        record = read_record(folder)
        assert record["exit"] == "running" and record["command"] == "allennlp train 'my config.jsonnet'"
        assert record["config"]["file"] == "my config.jsonnet" and "torch" in record["versions"]
    assert read_record(folder)["exit"] == "finished"
    assert training_util.create_serialization_dir is make_folder


@pytest.mark.parametrize(
    "error, expected",
    [
        (KeyboardInterrupt(), "interrupted"),
        (DataError("no label", path="a.json", line=3), "failed: a.json:3: no label"),
        (ZeroDivisionError("division by zero"), "failed: division by zero"),
    ],
)
def test_a_run_that_fails(folder: Path, error: BaseException, expected: str) -> None:
    with pytest.raises(type(error)), recorded("config.jsonnet", folder):
        start(folder)
        raise error
    assert read_record(folder)["exit"] == expected


def test_a_start_that_fails_before_there_is_a_folder(folder: Path) -> None:
    with pytest.raises(DataError), recorded("config.jsonnet", folder):
        raise DataError("no such file")
    assert not folder.exists()


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    command = ["git", *identity, "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_the_commit_of_a_config(tmp_path: Path) -> None:
    config = tmp_path / "repository" / "config.jsonnet"
    config.parent.mkdir()
    config.write_text("{}")
    git(config.parent, "init", "--quiet")
    assert commit_of(config) == {}, "there is no commit yet"
    git(config.parent, "add", ".")
    git(config.parent, "commit", "--quiet", "-m", "first")
    commit = git(config.parent, "rev-parse", "HEAD")
    assert commit_of(config) == {"commit": commit, "uncommitted_changes": False}
    config.write_text("{ }")
    assert commit_of(config) == {"commit": commit, "uncommitted_changes": True}


def test_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit_of(Path("training_config/biaffine.jsonnet")) == {}


def test_the_command_compares_runs(allennlp, trained: Path, tmp_path: Path) -> None:
    record = read_record(trained)
    assert record["exit"] == "finished" and record["command"].startswith("allennlp train training_config/biaffine")
    done = allennlp("ner-runs", trained, trained)
    assert done.returncode == 0, done.stderr
    assert "Nothing differs" in done.stdout
    done = allennlp("ner-runs", trained, tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {tmp_path}: there is no run.json; name the folder of a run")
