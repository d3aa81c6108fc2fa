"""The measuring scripts themselves, on next to no data."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_encoders import make_encoder

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import importlib

    return importlib.import_module


def test_spread_and_machine(script) -> None:
    results = script("results")
    assert results.spread([3.0, 1.0, 2.0], "s") == "median 2 s (min 1, max 3, 3 repeats)"
    assert "cores" in results.machine() and "torch" in results.versions("torch")


@pytest.mark.slow
def test_cluener_runs_both_models_once_and_not_again(tmp_path: Path) -> None:
    encoder = make_encoder(tmp_path / "encoder")
    command = [
        sys.executable, "benchmarks/cluener.py", "--data", "fixtures/cluener", "--encoder", encoder, "--epochs", "1",
        "--runs", str(tmp_path / "runs"),
    ]  # fmt: skip
    first = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert first.returncode == 1 and "it is no measure" in first.stderr, first.stdout + first.stderr
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").glob("*.json")}
    assert sorted(json.loads(path.read_text())["model"] for path in files) == ["biaffine", "softmax_peer"]
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert second.stdout.splitlines()[-2:] == first.stdout.splitlines()[-2:]
    assert files == {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").glob("*.json")}


def test_indexing_counts_every_piece(tmp_path: Path) -> None:
    encoder = make_encoder(tmp_path / "encoder")
    command = [sys.executable, "benchmarks/indexing.py", "--child", "ours", "--encoder", encoder]
    command += ["--data", "fixtures/cluener/train.json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    assert measured["sentences"] == len((ROOT / "fixtures/cluener/train.json").read_text().splitlines())
    assert measured["pieces"] >= measured["sentences"] and measured["seconds"] > 0
