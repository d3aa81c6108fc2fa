import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from ner_plugins.audit.suspects import KINDS
from ner_plugins.commands import ner_audit
from ner_plugins.commands.ner_audit import NerAuditCommand
from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError, DataError
from ner_plugins.files.folds_file import RECORDS, FoldRecord, write_records
from ner_plugins.files.folds_manifest import Fold, FoldsManifest

MANIFEST = FoldsManifest(
    "tagger.jsonnet", "0" * 64, (), ("address", "name"), 2, 7, 0.01, False, (Fold("folds/0"), Fold("folds/1")),
)  # fmt: skip
SENTENCES = [
    FoldRecord(
        0, 1, "刘晓燕去了北京", (Entity(0, 3, "address", 1e-6),), (), (Entity(0, 3, "name", 0.99),), "a.json", 1
    ),
    FoldRecord(1, 0, "在北京", (Entity(1, 3, "address", 0.99),), (), (Entity(1, 3, "address", 0.99),), "a.json", 2),
    FoldRecord(2, 0, "去北京\u202e吧", (Entity(1, 3, "address", 0.99),), (), (), "a.json", 3),
]


@pytest.fixture
def folds(tmp_path: Path) -> Path:
    folder = tmp_path / "folds"
    folder.mkdir()
    write_records(folder, SENTENCES, MANIFEST)
    return folder


def run(*arguments: Any) -> None:
    parser = argparse.ArgumentParser()
    NerAuditCommand().add_subparser(parser.add_subparsers())
    args = parser.parse_args(["ner-audit", *map(str, arguments)])
    args.func(args)


def test_files_and_summary(folds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(folds, "-o", tmp_path / "audit")
    printed = capsys.readouterr().out
    assert printed.startswith("3 sentences, 3 labels; the 4 most doubtful places are written\n")
    assert "1. 1.00 type, a.json:1: address 刘晓燕 -> name 刘晓燕\n" in printed
    assert "spurious           2             0\ntype               1             1" in printed
    assert printed.endswith(f"page: {tmp_path}/audit/audit.html\n")
    lines = [json.loads(line) for line in (tmp_path / "audit/suspects.jsonl").read_text().splitlines()]
    assert lines[0]["kind"] == "type" and len(lines) == 4
    assert (tmp_path / "audit/suspects.csv").read_text().count("\n") == 5
    assert "<title>Label audit</title>" in (tmp_path / "audit/audit.html").read_text()


def test_the_first_of_some_kinds(folds: Path, tmp_path: Path) -> None:
    run(folds / RECORDS, "-o", tmp_path / "audit", "--top", 1, "--kinds", "unlabelled, spurious")
    (line,) = (tmp_path / "audit/suspects.jsonl").read_text().splitlines()
    assert json.loads(line)["kind"] == "unlabelled"
    assert ", ".join(KINDS) == ner_audit.KINDS


def test_mistakes_end_in_one_message_and_write_nothing(folds: Path, tmp_path: Path) -> None:
    output = tmp_path / "audit"
    for option, value, message in [
        ("--top", -1, "--top is -1; it must be >= 0"),
        ("--error-rate", 1, "--error-rate is 1.0; it must be between 0 and 1"),
        ("--kinds", "mised", "mised"),
    ]:
        with pytest.raises(ConfigError, match=message):
            run(folds, "-o", output, option, value)
    file = folds / RECORDS
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(DataError, match="cut off"):
        run(folds, "-o", output)
    with pytest.raises(DataError, match=r"there is no folds\.json"):
        run(tmp_path, "-o", output)
    assert not output.exists()
    output.mkdir()
    (output / "mine").touch()
    with pytest.raises(ConfigError, match="--force"):
        run(folds, "-o", output)
