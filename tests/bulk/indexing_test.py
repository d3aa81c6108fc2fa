"""Indices of files: digests, numbers of lines, and places to begin at."""

import bz2
import gzip
import hashlib
import os
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.bulk import indexing
from ner_plugins.bulk.indexing import FileIndex, index_file, index_files
from ner_plugins.bulk.inputs import InputFile
from ner_plugins.errors import DataError

content = st.lists(st.sampled_from([b"\n", b"a", "刘晓燕".encode(), b"\r\n", b"\n\n"]), max_size=30).map(b"".join)


def lines_of(data: bytes) -> list[bytes]:
    """Lines that end with LF; the last may lack it."""
    lines = data.split(b"\n")
    return lines if lines[-1] else lines[:-1]


@given(content, st.integers(1, 40), st.integers(1, 7))
def test_lines_and_chunks(tmp_path_factory: pytest.TempPathFactory, data: bytes, chunk: int, block: int) -> None:
    path = tmp_path_factory.getbasetemp() / "lines.txt"
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(indexing, "_BLOCK", block)
        index = index_file(InputFile("lines", str(path), "text"), "text", chunk)
    lines = lines_of(data)
    assert index.lines == len(lines) and index.sha256 == hashlib.sha256(data).hexdigest()
    for line, place in index.chunks:
        assert lines_of(data[place:]) == lines[line - 1 :]
    places = [place for _, place in index.chunks]
    assert places[:1] == ([0] if lines else [])
    assert all(right - left >= chunk for left, right in pairwise(places))


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress])
def test_a_compressed_file_is_one_chunk(tmp_path: Path, compress) -> None:
    path = tmp_path / "lines"
    path.write_bytes(compress(b"a\nb\nc"))
    index = index_file(InputFile("lines", str(path), "text"), "text", 1)
    assert (index.lines, index.chunks) == (3, ((1, 0),))
    assert index.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_row_groups_of_parquet(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"text": list("abcde")}), path, row_group_size=2)
    index = index_file(InputFile("rows", str(path), "parquet"), "text")
    assert (index.lines, index.chunks) == (5, ((1, 0), (3, 1), (5, 2)))


def test_what_is_no_input(tmp_path: Path) -> None:
    numbers, damaged = tmp_path / "numbers.parquet", tmp_path / "damaged.parquet"
    pq.write_table(pa.table({"text": [1], "title": ["a"]}), numbers)
    damaged.write_bytes(numbers.read_bytes()[:-9])
    utf16, broken = tmp_path / "utf16.txt", tmp_path / "broken.gz"
    utf16.write_text("a\n", encoding="utf-16")
    broken.write_bytes(gzip.compress(b"a\n" * 1000)[:-12])
    for path, kind, column, message in (
        (numbers, "parquet", "text", "of type int64"), (numbers, "parquet", "sentence", "no column 'sentence'.*title"),
        (damaged, "parquet", "text", "not a complete Parquet file"), (utf16, "text", "text", "UTF-16"),
        (broken, "text", "text", "cannot be read"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=message):
            index_files([InputFile(path.name, str(path), kind)], column)  # type: ignore[arg-type]


def test_only_what_has_changed_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = []
    for name in ("a", "b"):
        (tmp_path / name).write_text(f"{name}\n")
        files.append(InputFile(name, str(tmp_path / name), "text"))
    known = [FileIndex.from_json(index.to_json()) for index in index_files(files, "text")]
    (tmp_path / "b").write_text("b\nc\n")
    read: list[str] = []
    original = indexing.index_file
    monkeypatch.setattr(indexing, "index_file", lambda file, *rest: read.append(file.name) or original(file, *rest))
    again = index_files(files, "text", known)
    assert read == ["b"] and again[0] == known[0] and again[1].lines == 2
    os.utime(tmp_path / "a")
    index_files(files, "text", known)
    assert read == ["b", "a", "b"] or sorted(read[1:]) == ["a", "b"]
