"""Efficiency of several processes: what the script prepares and reports."""

from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def distributed(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import distributed

    return distributed


def test_each_process_gets_its_share(distributed: Any, tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text("a\nb\nc\n", encoding="utf-8")
    texts = [Path(path).read_text(encoding="utf-8") for path in distributed.shares(tmp_path / "train.json", 2)]
    assert texts == ["a\nc\n", "b\n"]
    arguments = distributed.arguments_of(["--accumulate", "3"])
    changes = distributed.overrides(arguments, "train.json", 700, 2)
    assert changes["distributed"] == {"cuda_devices": [-1, -1]}
    assert changes["trainer.num_gradient_accumulation_steps"] == 3
    assert "distributed" not in distributed.overrides(arguments, "train.json", 700, 1)


def test_efficiency_is_that_of_each_repeat(distributed: Any) -> None:
    assert distributed.duration("1:02:03.5") == 3723.5
    one, two, apart = distributed.ONE, "`distributed`, 2 processes", distributed.INDEPENDENT
    found = [{one: 10.0, two: 6.0, apart: 5.0}, {one: 20.0, two: 12.5, apart: 10.0}, {one: 10.0, two: 5.0, apart: 5.0}]
    text = distributed.report(found, 100, 2)
    assert "| one process | 10.0 s (10.0–20.0) | 10.0 | 1.00 (1.00–1.00) |" in text
    assert "| `distributed`, 2 processes | 6.0 s (5.0–12.5) | 16.7 | 0.83 (0.80–1.00) |" in text
