import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.errors import ConfigError, DataError
from ner_plugins.files import recoding, text_lines
from ner_plugins.files.recoding import check_encoding, decode_start
from ner_plugins.files.text_lines import read_lines

TEXT = st.lists(st.sampled_from([*"青禾a🐼한", "\n", "\r\n", "\u3000", "\u0a0a"]), max_size=20).map("".join)
# How text is written, and the encoding that has to be named.
WRITTEN = [("utf-16", None), ("utf-32", None), ("gb18030", "gb18030"), ("utf-16-be", "utf-16-be"), ("utf-16", "utf-16")]


def lines(data: bytes, size: int = 1 << 18, buffered: bool = False, **options: Any) -> list[tuple[int, str]]:
    before = recoding.BLOCK_SIZE, text_lines.BLOCK_SIZE
    recoding.BLOCK_SIZE = text_lines.BLOCK_SIZE = size
    try:
        stream: Any = io.BytesIO(data)
        return list(read_lines(io.BufferedReader(stream) if buffered else stream, "f", **options))
    finally:
        recoding.BLOCK_SIZE, text_lines.BLOCK_SIZE = before


@settings(max_examples=200, deadline=None)
@given(TEXT, st.sampled_from(WRITTEN), st.integers(1, 9), st.booleans())
def test_lines_are_those_of_the_text_in_utf8(text: str, written: Any, size: int, buffered: bool) -> None:
    if "\r" in text[:-1] and "\n" not in text:
        return
    encoding, named = written
    assert lines(text.encode(encoding), size, buffered, encoding=named) == lines(text.encode())


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([b"a", b"\n", "青".encode("gb18030"), b"\xff"]), max_size=12), st.integers(1, 5))
def test_bad_bytes_are_reported_with_their_line(pieces: list[bytes], size: int) -> None:
    """Compared with each line decoded by itself: no byte of a character of GB18030 is a line feed."""
    data = b"".join(pieces)
    parts = data.split(b"\n")[: None if data[-1:] not in (b"\n", b"") else -1]
    bad: list[DataError] = []
    found = lines(data, size, encoding="gb18030", on_bad=bad.append)
    assert [number for number, _ in found] == list(range(1, len(parts) + 1))
    wrong = [number for number, part in enumerate(parts, 1) if not decodes(part)]
    assert [error.line for error in bad] == wrong
    for number, text in found:
        if number not in wrong:
            assert text == parts[number - 1].decode("gb18030")
    assert all("is not gb18030 (byte" in str(error) for error in bad)
    if wrong:
        with pytest.raises(DataError, match=f"f:{wrong[0]}: .* is not gb18030"):
            lines(data, size, encoding="gb18030")


def decodes(part: bytes) -> bool:
    try:
        part.decode("gb18030")
    except UnicodeDecodeError:
        return False
    return True


def test_the_byte_of_the_file_is_named() -> None:
    data = "青禾\n".encode("gb18030") + b"a\xffb\n"
    with pytest.raises(DataError, match=r"^f:2: 0xff is not gb18030 \(byte 6 of the file.*Name another encoding"):
        lines(data, encoding="gb18030")
    assert data[6] == 0xFF
    half = "a\n林".encode("utf-16") + b"\x00\xd8" + "b\n".encode("utf-16-le")
    with pytest.raises(DataError, match=r"^f:2: 0x00 0xd8 is not UTF-16 \(byte 8 of the file"):
        lines(half)
    assert lines(data, encoding="gb18030", encoding_errors="surrogateescape")[1] == (2, "a\udcffb")


def test_gb18030_is_never_guessed() -> None:
    with pytest.raises(DataError, match="It looks like GB18030"):
        lines("青禾银行的林晓彤\n".encode("gb18030"))


def test_names_of_encodings() -> None:
    for name in (None, "gb18030", "GBK", "utf8", "utf-16-le"):
        check_encoding("key", name)
    for name in ("gb2", "base64", "rot13", "", "\0", "punycode", "IDNA", "x" * 200):
        with pytest.raises(ConfigError, match=r"^key is .{2,80}, which is no encoding of files: name one such as"):
            check_encoding("key", name)


def test_the_start_of_a_file() -> None:
    assert decode_start("青禾".encode("utf-16")) == "青禾" == decode_start("青禾".encode("gb18030"), "gb18030")
    assert decode_start("\ufeff青禾".encode()[:-1]) == "青" and decode_start(b"a\xffb") == "a\ufffdb"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "idna", "punycode", "utf-7"])
def test_the_start_of_a_file_is_decoded_somehow(encoding: str) -> None:
    assert isinstance(decode_start(b"ab\xff.\x80" * 3, encoding), str)
    assert decode_start("雾港".encode("utf-16-le"), "utf-16") == "雾港"


def test_only_the_first_error_of_a_line_is_kept() -> None:
    problems: list[DataError] = []
    data = "雾".encode("gb18030") + b"\xff\xff\xff\n" + b"ok\n" + b"a\xff"
    lines = list(read_lines(io.BytesIO(data), "file", on_bad=problems.append, encoding="gb18030"))
    assert [number for number, _ in lines] == [1, 2, 3] and lines[1][1] == "ok"
    assert [(p.line, p.problem.partition(" (")[2]) for p in problems] == [
        (1, "byte 2 of the file, counted from 0)"),
        (3, "byte 10 of the file, counted from 0)"),
    ]
