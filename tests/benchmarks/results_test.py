"""What the measuring scripts share."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("results")


def test_the_section_is_replaced(results, tmp_path: Path) -> None:
    file = tmp_path / "RESULTS.md"
    file.write_text("# Results\n\nHead.\n\n## A\n\na\n\n## Z\n\nz\n")
    results.replace_section(file, "Reading", "first\n\n")
    assert file.read_text() == "# Results\n\nHead.\n\n## A\n\na\n\n## Reading\n\nfirst\n\n## Z\n\nz\n"
    results.replace_section(file, "Reading", "second")
    assert file.read_text() == "# Results\n\nHead.\n\n## A\n\na\n\n## Reading\n\nsecond\n\n## Z\n\nz\n"
    results.replace_section(file, "Z", "end")
    assert file.read_text().endswith("\n\n## Z\n\nend\n")


def test_table(results) -> None:
    assert results.table("a | b", [(1, "x"), (2.5, "y")]) == "| a | b |\n| --- | --- |\n| 1 | x |\n| 2.5 | y |\n"
