"""The example of addresses: its data, and all its steps."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ner_plugins.dataset_readers import CcksAddressReader


def written(repository: Path, folder: Path) -> Path:
    subprocess.run([sys.executable, repository / "examples/ccks_address/make_data.py", folder], check=True)
    return folder


def entities(reader: CcksAddressReader, path: Path) -> list[tuple[str, list[tuple[str, str]]]]:
    found = []
    for sentence in reader.sentences(str(path)):
        parts = [(sentence.text[e.start : e.end], e.type) for e in sentence.entities or ()]
        found.append((sentence.text, parts))
    return found


def test_its_data_are_the_same_every_time_and_the_errors_are_listed(repository: Path, tmp_path: Path) -> None:
    first, second = written(repository, tmp_path / "first"), written(repository, tmp_path / "second")
    names = sorted(path.name for path in first.iterdir())
    assert names == ["dev.conll", "errors.jsonl", "test.conll", "train.conll", "unlabelled.txt"]
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)
    reader = CcksAddressReader()
    errors = [json.loads(line) for line in (first / "errors.jsonl").read_text("utf-8").splitlines()]
    train = entities(reader, first / "train.conll")
    assert 0.02 < len(errors) / sum(len(parts) for _, parts in train) < 0.06
    for error in errors:
        wrong = [(surface, type_) for surface, type_ in error["wrong"] if type_]
        assert wrong != [(surface, type_) for surface, type_ in error["right"] if type_]
        assert (error["text"], wrong) in train
    for name in ("dev", "test"):
        assert all("".join(s for s, _ in parts) in text for text, parts in entities(reader, first / f"{name}.conll"))


@pytest.mark.exhaustive
def test_all_its_steps(repository: Path, tmp_path: Path) -> None:
    command = ["make", "-C", str(repository / "examples/ccks_address"), f"OUT={tmp_path}", "K=2", "figures"]
    command.append(f"BIN={Path(sys.executable).parent}")
    environment = {**os.environ, "NER_EPOCHS": "6", "PYTHONPATH": str(repository)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = done.stdout.splitlines()
    assert [lines.count(f"{tmp_path}/{name}") for name in ("data/test.conll", "test.jsonl")] == [2, 1]
    assert "first 40 suspects" in done.stdout
    assert {"audit", "data", "folds", "pseudo.jsonl", "student", "vote.tar.gz"} <= {p.name for p in tmp_path.iterdir()}
