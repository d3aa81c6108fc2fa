"""Rows: what each line of each format gives, and that none is lost or doubled."""

import datetime
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.bulk.indexing import index_file
from ner_plugins.bulk.inputs import InputFile, InputFormat
from ner_plugins.bulk.row_ids import RowRanges, row_id
from ner_plugins.bulk.rows import RowOptions, chunks_to_do, parse_json, read_chunk
from ner_plugins.errors import DataError

NUMBER = 3  # of the file in its job
PLAIN = RowOptions()


def read(
    path: Path, kind: InputFormat, options: RowOptions = PLAIN, done: Any = (), chunk: int = 64
) -> list[dict[str, Any]]:
    index = index_file(InputFile("a name", str(path), kind), options.text_column, chunk)
    ranges = RowRanges()
    ranges.add_all([row_id(NUMBER, line) for line in done])
    tables = [table for one in chunks_to_do([index], [NUMBER], ranges) for table in read_chunk(one, options, 100)]
    return [row for table in tables for row in table.to_pylist()]


@given(
    st.lists(st.sampled_from(["", "刘晓燕", "去了 北京", "a" * 50]), max_size=20),
    st.sets(st.integers(1, 20)),
    st.booleans(),
)
def test_each_line_that_is_not_done_once(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], done: set[int], compressed: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "rows.txt"
    data = "".join(f"{text}\n" for text in texts).encode()
    path.write_bytes(gzip.compress(data) if compressed else data)
    rows = read(path, "text", done=[line for line in done if line <= len(texts)])
    expected = [(row_id(NUMBER, n), n, text) for n, text in enumerate(texts, start=1) if n not in done]
    assert [(row["row"], row["line"], row["text"]) for row in rows] == expected
    assert all(row["file"] == "a name" and row["error"] is None for row in rows)


def test_the_ends_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_bytes(b"\xef\xbb\xbfa\r\nb\rc\n\n\xef\xbb\xbfd\xe2\x80\xa8e")
    assert [row["text"] for row in read(path, "text")] == ["a", "b\rc", "", "\ufeffd\u2028e"]


BAD = {
    b'{"text": 5}': "`text` is a int instead of a string",
    b'{"text": null}': "no `text` in an object with ['text']",
    b'{"title": "a"}': "no `text` in an object with ['title']",
    b'["a"]': "a JSON list instead of an object",
    b'{"text": "a"': "not valid JSON",
    b'{"text": "\\ud800"}': "half of a surrogate pair",
    b'{"text": "\xff"}': "0xff is not UTF-8 (byte 10 of the line",
    b"[" * 100_000: "not valid JSON",
    b'{"text": ' + b"9" * 5000 + b"}": "not valid JSON",
}


def test_a_bad_line_is_a_row_with_an_error(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"text": "good"}\n' + b"\n".join(BAD) + b'\n{"text": "good"}')
    rows = read(path, "json")
    assert [row["line"] for row in rows] == list(range(1, len(BAD) + 3))
    assert rows[0]["text"] == rows[-1]["text"] == "good"
    for row, message in zip(rows[1:-1], BAD.values(), strict=True):
        assert row["text"] is None and message in row["error"]


def test_json_lines(tmp_path: Path) -> None:
    assert parse_json(" ", RowOptions()).text == ""
    assert parse_json('{"sentence": "a"}', RowOptions()).text == "a"
    assert parse_json('{"sentence": "a"}', RowOptions("title")).error
    line = json.dumps({"id": 7, "text": "a", "more": {"x": ["刘"]}})
    assert json.loads(parse_json(line, RowOptions()).fields or "") == {"id": 7, "more": {"x": ["刘"]}}
    assert json.loads(parse_json(line, RowOptions(keep=("id",))).fields or "") == {"id": 7}
    assert parse_json(line, RowOptions(keep=())).fields is None
    assert json.loads(parse_json(line, RowOptions("more")).fields or "") == {"id": 7, "text": "a"}


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    text = pa.array([b"a", None, b"\xff", "刘".encode(), b""]).cast(pa.binary())
    text = pa.Array.from_buffers(pa.string(), len(text), text.buffers(), text.null_count)
    days = [datetime.date(2026, 1, day) for day in range(1, 6)]
    table = pa.table({"id": list(range(5)), "text": text, "day": days, "raw": [b"\xff"] * 5})
    pq.write_table(table, path, row_group_size=2)
    rows = read(path, "parquet", RowOptions(keep=("id", "day")), done=[4])
    assert [row["line"] for row in rows] == [1, 2, 3, 5]
    assert [row["text"] for row in rows] == ["a", None, None, ""]
    assert json.loads(rows[0]["fields"]) == {"id": 0, "day": "2026-01-01"}
    assert "no `text`" in rows[1]["error"] and "not UTF-8" in rows[2]["error"] and rows[3]["error"] is None
    assert json.loads(read(path, "parquet")[0]["fields"])["raw"] == "\ufffd"
    pq.write_table(pa.table({"title": pa.array(["a", "b", "a"]).dictionary_encode()}), path)
    assert [row["text"] for row in read(path, "parquet", RowOptions("title"))] == ["a", "b", "a"]


def test_a_file_that_changes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_text("a\nb\n")
    index = index_file(InputFile("rows", str(path), "text"), "text")
    [chunk] = chunks_to_do([index], [0], RowRanges())
    path.write_text("a\nb\nc\n")
    with pytest.raises(DataError, match="has changed since the job began"):
        list(read_chunk(chunk, RowOptions(), 100))


def test_chunks_that_are_done_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_text("".join(f"line {n}\n" for n in range(100)))
    index = index_file(InputFile("rows", str(path), "text"), "text", 100)
    done = RowRanges()
    done.add(row_id(0, 1), row_id(0, 90))
    chunks = chunks_to_do([index], [0], done)
    assert 0 < len(chunks) < len(index.chunks) and chunks[-1].end == 101
    done.add(row_id(0, 90), row_id(0, 101))
    assert chunks_to_do([index], [0], done) == []
