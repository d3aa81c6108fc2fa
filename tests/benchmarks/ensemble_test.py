"""The script that measures ensembles: its table by hand, and one tiny run."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from forked import run_instead
from tiny_encoders import make_encoder


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, repository: Path) -> Any:
    monkeypatch.syspath_prepend(str(repository / "benchmarks"))
    return importlib.import_module


def test_the_table_compares_with_the_mean(script: Any) -> None:
    found = {
        "members": {"dev": [0.5, 0.7], "odd": [0.4, 0.4]},
        "ensembles": {"votes": {"dev": 0.65, "odd": 0.5}, "greedy-soup": {"dev": 0.9, "odd": 0.3}},
    }
    rows = [line.split(" | ") for line in script("ensemble").table(found).splitlines()[2:]]
    assert rows[0][1:] == ["0.6000 ± 0.1414", "0.4000 ± 0.0000 |"]
    assert rows[1] == ["| best member", "0.7000", "0.4000 |"]
    assert rows[2] == ["| `votes`", "0.6500 (+0.0500)", "0.5000 (+0.1000) |"]
    assert rows[3] == ["| `greedy-soup`", "", "0.3000 (-0.1000) |"]


def test_f1_is_over_all_sentences(script: Any) -> None:
    found = [({1, 2}, {2, 3}), (set(), {4}), ({5}, {5})]
    assert script("ensemble").micro_f1(found) == pytest.approx(2 * 2 / (3 + 4))


def test_members_are_trained_and_measured_once(script: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module in ("variants", "training_runs", "ensemble"):
        forked = SimpleNamespace(run=run_instead, DEVNULL=subprocess.DEVNULL)
        monkeypatch.setattr(script(module), "subprocess", forked)
    results = tmp_path / "RESULTS.md"
    results.write_text("# Measurements\n\n## On a GPU\n\nNot measured.\n", encoding="utf-8")
    arguments = ["ensemble", "--data", "fixtures/cluener", "--encoder", make_encoder(tmp_path / "encoder")]
    arguments += ["--sentences", "4", "--epochs", "1", "--seeds", "1", "2", "--runs", str(tmp_path / "runs")]
    arguments += ["--records", str(tmp_path / "records"), "--results", str(results)]
    monkeypatch.setattr(sys, "argv", arguments)
    script("ensemble").main()
    [file] = (tmp_path / "records").glob("ensemble-*.json")
    found = json.loads(file.read_text())
    assert len(found["members"]["dev"]) == 2 and set(found["ensembles"]) == {
        "votes", "votes, tuned", "scores", "soup", "greedy-soup",
    }  # fmt: skip
    assert "## Ensembles" in results.read_text(encoding="utf-8")
    before = file.stat().st_mtime_ns
    script("ensemble").main()
    assert file.stat().st_mtime_ns == before
