import io
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.dataset_readers import CluenerReader, DatasetsRowsReader
from ner_plugins.dataset_readers.json import values as module
from ner_plugins.dataset_readers.json.values import ValueCutter, first_keys, is_values, text_blocks, values_in
from ner_plugins.errors import DataError

TEXTS = st.text(st.sampled_from([*'中🐼a"\\{}[],: \n', "\u2028"]), max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def cut(data: bytes, size: int = 1 << 18, **options: Any) -> tuple[list[tuple[int, str]], DataError | None]:
    whole, module.BLOCK_SIZE = module.BLOCK_SIZE, size
    try:
        cutter = ValueCutter("f")
        return list(cutter.values(text_blocks(io.BytesIO(data), "f", **options))), cutter.unclosed()
    finally:
        module.BLOCK_SIZE = whole


@settings(max_examples=300, deadline=None)
@given(st.lists(VALUES, max_size=5), st.booleans(), st.sampled_from([None, 0, 2]), st.integers(1, 9), st.data())
def test_the_elements_of_an_array(made: list[Any], ascii_: bool, indent: int | None, size: int, data: Any) -> None:
    """Wherever the blocks end: the values that the json module reads, each with the line on which it begins."""
    before, after = data.draw(st.sampled_from(["", "\ufeff", "\n \r\n"])), data.draw(st.sampled_from(["", "\n", " "]))
    text = before + json.dumps(made, ensure_ascii=ascii_, indent=indent) + after
    found, unclosed = cut(text.encode(), size)
    assert unclosed is None and [json.loads(value) for _, value in found] == made
    at = 0
    for line, value in found:
        at = text.index(value, at)
        assert line == 1 + text.count("\n", 0, at)
        at += len(value)


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from([*'[]{},"\\ \na1', "\ufeff"]), max_size=30), st.integers(1, 7))
def test_any_text_is_cut_the_same_wherever_blocks_end(text: str, size: int) -> None:
    found, unclosed = cut(text.encode(), size)
    assert (found, str(unclosed)) == (lambda pair: (pair[0], str(pair[1])))(cut(text.encode()))


def test_a_malformed_element_costs_no_other() -> None:
    text = '[{"text": "一"},\n {"text": },\n {"text": "二"} {"text": "三"},\n 7, "x", {"text": "四"]'
    found, unclosed = cut(text.encode())
    assert found == [
        (1, '{"text": "一"}'), (2, '{"text": }'), (3, '{"text": "二"}'), (3, '{"text": "三"}'), (4, "7"), (4, '"x"'),
        (4, '{"text": "四"]'),
    ]  # fmt: skip
    assert unclosed is not None and "f:4: the JSON array has no end (expected ])" in str(unclosed)


def test_files_that_were_joined() -> None:
    assert [v for _, v in cut('[{"a": 1}]\n\ufeff[{"b": 2}, {}]{"c":\n 3}'.encode())[0]] == [
        '{"a": 1}', '{"b": 2}', "{}", '{"c":\n 3}',
    ]  # fmt: skip


@pytest.mark.parametrize("size", [1, 3, 1 << 18])
def test_bytes_that_are_not_utf8_belong_to_their_element(size: int) -> None:
    data = '[{"text": "一"},\n{"text": "'.encode() + b"\xff" + '二"},\n{"text": "三"}]'.encode()
    with pytest.raises(DataError, match=r"^f:2: 0xff is not UTF-8 \(byte 28 of the file"):
        cut(data, size)
    assert data[28] == 0xFF
    seen: list[Any] = []
    whole, module.BLOCK_SIZE = module.BLOCK_SIZE, size
    try:
        for _, value in ValueCutter("f").values(text_blocks(io.BytesIO(data), "f", on_bad=seen.append)):
            seen.append(value)
    finally:
        module.BLOCK_SIZE = whole
    assert [str(one)[:20] for one in seen] == [
        '{"text": "一"}', "f:2: 0xff is not UTF", '{"text": "\ufffd二"}', '{"text": "三"}',
    ]  # fmt: skip
    assert cut(data, size, encoding_errors="replace")[0][1][1] == '{"text": "\ufffd二"}'
    assert cut(data, size, encoding_errors="surrogateescape")[0][1][1] == '{"text": "\udcff二"}'


def test_memory_does_not_grow_with_the_file() -> None:
    value = b'{"text": "' + 200 * b"abc" + b'"},\n'

    class Array(io.RawIOBase):
        left = 32 << 20

        def read(self, size: int = -1) -> bytes:
            if self.left == 32 << 20:
                self.left -= 1
                return b"["
            size = min(size, self.left)
            self.left -= size
            return value * (size // len(value))

    tracemalloc.start()
    try:
        assert sum(1 for _ in ValueCutter("f").values(text_blocks(Array(), "f"))) > 50_000
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_a_value_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST", 1000)
    with pytest.raises(DataError, match=r"f:2: a JSON value of more than 1,000 characters.*quotation mark"):
        cut(b'[1,\n{"a": "' + b"x" * 2000, 100)


def test_what_is_an_array() -> None:
    assert is_values("[1") and is_values("\ufeff\n [") and is_values('{\n"a": 1}') and is_values(' {\r\n')
    assert not is_values('{"a": 1}\n') and not is_values("{") and not is_values("") and not is_values("a [")
    assert values_in('{"a": 1}\n\n{"b') == ['{"a": 1}', '{"b'] and values_in('[{"a": 1}, {"b') == ['{"a": 1}']


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ('[{"a": {"x": [1]}, "b\\"c": "d", "e', ["a", 'b\\"c']),
        ('{"a": "b: ", "c"  : [{"d": 1}]} {"z": 1}', ["a", "c"]),
        ('{"' + '\\"' * 50_000, []),
    ],
)
def test_first_keys(text: str, keys: list[str]) -> None:
    assert first_keys(text) == keys


@pytest.mark.parametrize("reader", [CluenerReader, DatasetsRowsReader])
@pytest.mark.parametrize("indent", [None, 2])
def test_readers_of_lines_read_arrays(reader: Any, indent: int | None, tmp_path: Any) -> None:
    entities = [{"start": 0, "end": 2, "type": "LOC"}]
    rows = [{"text": "青禾的雨", "label": {"LOC": {"青禾": [[0, 1]]}}, "entities": entities}]
    rows += [{"text": "晴", "label": {}, "entities": []}]
    path = tmp_path / "train.json"
    path.write_text(json.dumps(rows, ensure_ascii=False, indent=indent), encoding="utf-8")
    array = list(reader().sentences(str(path)))
    lines = tmp_path / "lines.json"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [(s.text, s.entities) for s in array] == [(s.text, s.entities) for s in reader().sentences(str(lines))]
    first = json.dumps(rows[0], indent=indent).count("\n")
    assert array[1].source == (f"{path}:{first + 3}" if indent else f"{path}, record:2")


def test_an_element_that_cannot_be_read_names_its_line(tmp_path: Any) -> None:
    path = tmp_path / "train.json"
    path.write_text('[\n {"text": "a", "label": {}},\n {"text": 7},\n {"text":\n  ],\n {"text": "b", "label": {}}')
    with pytest.raises(DataError, match=r'train\.json:3: "text" is a JSON number'):
        list(CluenerReader().sentences(str(path)))
    reader, heard = CluenerReader(on_error="skip"), []
    reader.listener = heard.append
    assert [s.text for s in reader.sentences(str(path))] == ["a", "b"]
    assert [error.line for error in heard] == [3, 4, 6]
    assert "no valid JSON at line 2 of the record" in str(heard[1]) and "has no end" in str(heard[2])


def test_records_on_one_line_are_numbered(tmp_path: Any) -> None:
    path = tmp_path / "train.json"
    path.write_text('[{"text": "a", "label": {}}, {"text": "b", "label": {}}, {"text": 7}]')
    with pytest.raises(DataError, match=r'train\.json, record:3: "text" is a JSON number'):
        list(CluenerReader().sentences(str(path)))
    reader = CluenerReader(on_error="skip")
    assert [s.source for s in reader.sentences(str(path))] == [f"{path}:1", f"{path}, record:2"]


PIECES = st.sampled_from([b"a", b"\xff", b"\xe9\x9b", "雾".encode(), b",", b"\n"])


@given(st.lists(PIECES), st.sampled_from([1, 2, 3, 64]))
def test_every_bad_byte_becomes_one_character(pieces: list[bytes], size: int) -> None:
    data, expected = b"".join(pieces), ""
    at = 0
    while at < len(data):  # byte by byte
        end = next((e for e in range(at + 1, min(at + 4, len(data)) + 1) if _decodes(data[at:e])), None)
        expected += data[at:end].decode() if end else "\ufffd"
        at = end or at + 1
    reported: list[DataError] = []
    blocks = list(text_blocks(_SmallBlocks(data, size), "file", on_bad=reported.append))
    assert "".join(blocks) == expected
    assert bool(reported) == ("\ufffd" in expected) and len(reported) <= expected.count("\ufffd")
    if reported:
        assert f"byte {len(expected.partition(chr(0xFFFD))[0].encode())} of the file" in str(reported[0])


def _decodes(data: bytes) -> bool:
    try:
        return bool(data.decode())
    except UnicodeDecodeError:
        return False


class _SmallBlocks(io.BytesIO):
    def __init__(self, data: bytes, size: int) -> None:
        super().__init__(data)
        self.size = size

    def read(self, _: Any = -1) -> bytes:
        return super().read(self.size)


def test_the_encoding_is_guessed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[bytes] = []
    monkeypatch.setattr(module, "likely_encoding", lambda data: calls.append(data))
    list(text_blocks(io.BytesIO(b'["\xff", "\xff"]' * 50), "file", on_bad=lambda _: None))
    assert len(calls) == 1
