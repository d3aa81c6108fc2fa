"""Which files a job reads."""

import os
from pathlib import Path

import pytest

from ner_plugins.bulk.inputs import find_inputs, format_of
from ner_plugins.errors import ConfigError, DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.jsonl", "b.txt", "deep/c.parquet", ".hidden", "_job/d.txt", "deep/_e.txt"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text("x\n")
    return tmp_path / "in"


def names(*arguments: object, **options: str) -> list[str]:
    return [os.path.basename(file.path) for file in find_inputs(list(map(str, arguments)), **options)]  # type: ignore


def test_files_folders_and_patterns_each_file_once(folder: Path) -> None:
    assert names(folder) == ["a.jsonl", "b.txt", "c.parquet"]
    assert names(folder / "b.txt", folder, folder / "*.txt") == ["a.jsonl", "b.txt", "c.parquet"]
    assert names(f"{folder}/**/*.parquet") == ["c.parquet"]
    (folder / "link").symlink_to(folder / "b.txt")
    assert names(folder / "link", folder / "b.txt") == ["b.txt"]
    (folder / "[1].txt").write_text("x\n")
    assert names(folder / "[1].txt") == ["[1].txt"]


def test_the_format_by_name_or_option(folder: Path) -> None:
    assert [file.format for file in find_inputs([str(folder)])] == ["json", "text", "parquet"]
    assert [file.format for file in find_inputs([str(folder)], "text")] == ["text"] * 3
    assert format_of("A.JSONL.gz") == format_of("a.ndjson.xz") == "json" and format_of("a.gz") == "text"


def test_names_that_stand_for_nothing(folder: Path) -> None:
    (folder / "empty").mkdir()
    os.mkfifo(folder / "pipe")
    for name, message in {
        folder / "a.json": "no such file", folder / "*.csv": "no file matches", folder / "empty": "has no file",
        folder / "pipe": "a device or a pipe", "https://example.org/a.jsonl": "a URL",
    }.items():  # fmt: skip
        with pytest.raises(DataError, match=message):
            find_inputs([str(name)])


def test_the_output_is_no_input(folder: Path) -> None:
    output = folder / "out"
    assert len(find_inputs([str(folder)], output=str(output))) == 3
    output.mkdir()
    (output / "part-000001-000000.parquet").write_bytes(b"")
    with pytest.raises(ConfigError, match="among the input"):
        find_inputs([str(folder)], output=str(output))
