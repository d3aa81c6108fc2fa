"""`scripts/gpu_check` on a CPU: its second part on two models, its limits of time, and its table."""

import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def gpu_check() -> Any:
    loader = importlib.machinery.SourceFileLoader("gpu_check", str(ROOT / "scripts/gpu_check"))
    spec = importlib.util.spec_from_loader("gpu_check", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_a_model_is_trained_and_its_predictions_are_compared(gpu_check, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(gpu_check, "SENTENCES", 40)
    arguments = gpu_check.arguments_of(
        ["--device", "cpu", "--out", str(tmp_path), "--models", "crf_tagger", "--precisions", "float32"]
    )
    assert gpu_check.train_and_compare(arguments) == 0
    assert "crf_tagger float32: equal" in capsys.readouterr().out
    monkeypatch.setattr(gpu_check, "predictions", lambda archive, device: [[(0, 1, "a")], [device]].__iter__())
    monkeypatch.setattr(gpu_check, "differences_of", lambda *_: (2, 3))
    assert gpu_check.train_and_compare(arguments) == 1
    assert "2 sentences differ" in capsys.readouterr().out


def test_parts_need_their_data_and_end_in_time(gpu_check, tmp_path, capsys) -> None:
    assert list(gpu_check.commands(gpu_check.arguments_of([]))) == ["tests", "models", "structured", "flat"]
    full = gpu_check.commands(gpu_check.arguments_of(["--encoder", "e", "--cluener", "c"]))
    assert list(full) == list(gpu_check.SHARES)
    python = [sys.executable, "-c"]
    assert gpu_check.run("late", [*python, "import time; time.sleep(60)"], 0.2, tmp_path)[0] == "out of time"
    assert gpu_check.run("bad", [*python, "raise SystemExit(3)"], 60, tmp_path)[0] == "failed (3)"
    assert gpu_check.run("good", [*python, "print(1)"], 60, tmp_path)[0] == "passed"
    assert (tmp_path / "good.log").read_text() == "1\n"


def test_a_table_comes_last_and_failures_are_the_exit_status(gpu_check, tmp_path, capsys, monkeypatch) -> None:
    failing = {"tests": [sys.executable, "-c", "raise SystemExit(2)"], "flat": [sys.executable, "-c", "print('fast')"]}
    monkeypatch.setattr(gpu_check, "commands", lambda _: failing)
    with pytest.raises(SystemExit) as ended:
        gpu_check.main(["--out", str(tmp_path)])
    assert ended.value.code == 1
    *_, first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("| tests | failed (2) |") and second.startswith("| flat | passed |")
