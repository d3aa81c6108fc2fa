"""The scripts that measure `ner-bulk` and kill it."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROW = {"row": 1, "text": "刘晓燕", "entities": [{"start": 0, "end": 3, "score": 0.5}], "error": None}


@pytest.fixture
def kills(monkeypatch: pytest.MonkeyPatch) -> Any:
    pytest.importorskip("ray")
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("bulk_kills")


def write(folder: Path, name: str, *rows: dict[str, Any]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_rows_that_are_lost_doubled_or_different_are_found(kills: Any, tmp_path: Path) -> None:
    write(
        tmp_path / "whole", "part-1.jsonl", ROW, {**ROW, "row": 2}, {**ROW, "row": 3, "entities": None, "error": "bad"}
    )
    whole = kills.rows_of(tmp_path / "whole")
    assert kills.differing(whole, whole) == []
    close = {**ROW, "entities": [{"start": 0, "end": 3, "score": 0.50001}]}
    assert kills.differing({**whole, 1: close}, whole) == []
    for other in (
        {**ROW, "text": "x"},
        {**ROW, "entities": []},
        {**ROW, "entities": [{"start": 0, "end": 3, "score": 0.6}]},
    ):
        assert kills.differing({**whole, 1: other}, whole) == [1]
    assert (
        kills.differing({1: whole[1], 2: whole[2]}, whole) == [3] == kills.differing(whole, {1: whole[1], 2: whole[2]})
    )
    write(tmp_path / "whole", "part-2.jsonl", ROW)
    with pytest.raises(SystemExit, match="row 1 is there twice"):
        kills.rows_of(tmp_path / "whole")


def test_every_hundredth_line_of_the_input_is_bad(kills: Any, tmp_path: Path) -> None:
    kills.make_input(tmp_path / "input.jsonl", 250)
    lines = (tmp_path / "input.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 250 and [n for n, line in enumerate(lines) if line == "{"] == [99, 199]
    assert len({json.loads(line)["text"] for line in lines if line != "{"}) == 248


@pytest.mark.exhaustive
def test_the_command_killed_four_times(kills: Any, repository: Path) -> None:
    archive = repository / "fixtures/archives/crf_tagger.tar.gz"
    script = str(repository / "benchmarks/bulk_kills.py")
    done = subprocess.run(
        [sys.executable, script, str(archive), "--kills", "4", "--rows", "3000"],
        capture_output=True, text=True, cwd=repository, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "kill 4 after" in done.stdout and "0 of 3000 rows differ" in done.stdout
