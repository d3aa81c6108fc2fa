"""The measuring script of the readers, on next to no data."""

import gzip
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from allennlp.data import DatasetReader
from forked import run_forked

ROOT = Path(__file__).resolve().parents[2]
MSRA = "海\tB-LOC\n钓\tI-LOC\n者\tO\n\n林\tB-PER\n晓\tI-PER\n青\tB-ORG\n禾\tI-ORG\n\n风\tO\n\n" * 3
COUNTS = {"sentences": 9, "entities": 9}


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("readers")


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("reading")


@pytest.fixture
def msra(tmp_path: Path) -> str:
    path = tmp_path / "msra_bio" / "msra_train_bio.gz"
    path.parent.mkdir()
    path.write_bytes(gzip.compress(MSRA.encode()))
    return str(path)


def child(*arguments: object) -> dict:
    done = run_forked(*arguments, script=ROOT / "benchmarks/reading.py")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_all_sides_read_the_same(readers, reading, msra: str, tmp_path: Path) -> None:
    readers.four_columns(msra, tmp_path / "four.txt")
    assert (tmp_path / "four.txt").read_text().startswith("海 -X- O B-LOC\n钓 -X- O I-LOC\n者 -X- O O\n\n")
    rows = reading.plain_rows(msra, wide=True)
    peer = reading.digest((r["text"], [(e["start"], e["end"], e["type"]) for e in r["entities"]]) for r in rows)
    sides = [
        child("ours_to_sentences", msra),
        child("ours_to_instances", msra),
        child("allennlp_to_instances", tmp_path / "four.txt"),
    ]
    for side in sides:
        assert side.pop("seconds") > 0 and side.pop("cpu") > 0 and side == peer
    assert peer.items() >= COUNTS.items()
    (row, *_) = reading.plain_rows(msra, wide=True)
    assert row["tokens"] == ["海", "钓", "者"] and row["tags"] == ["B-LOC", "I-LOC", "O"]
    assert set(next(reading.plain_rows(msra, wide=False))) == {"text", "entities"}


def test_a_digest_tells_differences(reading) -> None:
    same = reading.digest([("ab", [(0, 1, "X"), (1, 2, "Y")])])
    assert reading.digest([("ab", [(1, 2, "Y"), (0, 1, "X")])]) == same
    for other in ([("ac", [(0, 1, "X"), (1, 2, "Y")])], [("ab", [(0, 1, "X"), (1, 2, "Z")])], [("ab", [(0, 1, "X")])]):
        assert reading.digest(other)["digest"] != same["digest"]


def test_sides_that_differ_are_no_measurement(readers) -> None:
    sides = {
        "a": lambda: {"seconds": 1.0, "cpu": 1.0, "digest": "x"},
        "b": lambda: {"seconds": 2.0, "cpu": 3.0, "digest": "x"},
    }
    runs = readers.in_turn(3, sides)
    assert readers.ratio_of_medians(runs["b"], runs["a"]) == 2.0
    assert readers.ratio_of_medians(runs["b"], runs["a"], "cpu") == 3.0
    with pytest.raises(SystemExit, match="read different data"):
        readers.in_turn(1, {**sides, "c": lambda: {"seconds": 1.0, "cpu": 1.0, "digest": "y"}})


@pytest.mark.parametrize("number", range(3))
def test_generated_files_are_what_their_readers_read(readers, tmp_path: Path, number: int) -> None:
    name, reader, own = readers.STREAMS[number]
    path = tmp_path / name
    readers.write(path, 1, as_json=reader == "cluener", tokens_of_their_own=own)
    data = gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes()
    assert 1_000_000 <= len(data) < 4_000_000
    sentences = list(DatasetReader.by_name(reader)().sentences(str(path)))
    assert len(sentences) == 5000 and all(len(sentence.entities) == 1 for sentence in sentences)
    assert len({sentence.text for sentence in sentences}) == 5000
    assert own == all("№" in sentence.text for sentence in sentences)


def test_memory_is_that_of_the_stream(readers, tmp_path: Path) -> None:
    readers.write(tmp_path / "g.txt", 1, as_json=False, tokens_of_their_own=True)
    found = readers.measure("memory_of_stream", str(tmp_path / "g.txt"), "msra")  # a fork has the memory of its parent
    assert found["sentences"] == 5000 and found["process"] > 50
    assert -10 < found["above"] < found["process"]


def test_every_split_of_a_corpus(tmp_path: Path) -> None:
    (tmp_path / "msra_test_bio").write_text(MSRA)
    (tmp_path / "msra_train_bio").write_text(MSRA * 2)
    assert child("corpus_to_instances", tmp_path, "msra", "train test")["sentences"] == 27


def test_what_is_missing_is_said(readers, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks/readers.py"), "--data", str(tmp_path), "--peer-python"]
    done = subprocess.run([*command, str(tmp_path / "python")], capture_output=True, text=True)
    assert done.returncode == 1 and "make .venv-readers/.ready" in done.stderr
    done = subprocess.run([*command, sys.executable], capture_output=True, text=True)
    assert done.returncode == 1 and "--data names the folder of the corpora" in done.stderr


def test_broken_bounds_are_told(readers, msra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import argparse

    seconds = {"ours_to_sentences": 1.0, "datasets_wide": 2.5, "datasets_narrow": 2.0}

    def measured(name: str, *_: object, **__: object) -> dict:
        found = {"digest": "x", "sentences": 9, "entities": 9, "versions": "datasets 0"}
        return {"seconds": seconds[name], "cpu": 1.0, **found}

    monkeypatch.setattr(readers, "measure", measured)
    arguments = argparse.Namespace(data=Path(msra).parents[1], repeats=3, peer_python="python")
    text, broken = readers.against_datasets(arguments)
    assert broken == ["2.50 times as fast as datasets"]
    assert "**2.5** (bound 3; of processor times 1.0), 2.0 for rows without" in text
    seconds["datasets_wide"] = 3.0
    assert readers.against_datasets(arguments)[1] == []
