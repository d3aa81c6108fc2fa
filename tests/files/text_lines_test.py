import io
import tracemalloc

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ner_plugins.errors import DataError
from ner_plugins.files import text_lines
from ner_plugins.files.text_lines import read_lines, without_mark


def lines(data: bytes, **options):
    return list(read_lines(io.BytesIO(data), "f", **options))


def expected(data: bytes, errors: str):
    """The definition, one line at a time."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    parts = data.split(b"\n")
    if not parts[-1]:
        parts.pop()
    texts = [part.decode("utf-8", errors) for part in parts]
    return [(n, t[:-1] if t.endswith("\r") else t) for n, t in enumerate(texts, 1)]


PIECES = st.lists(
    st.sampled_from([b"a", b"\xe4\xb8\xad", b"\n", b"\r\n", b"\r", b"\xff", b"\xf0\x9f", b"\xe2\x80\xa8", b"\xc2\x85",
                     b"\xef\xbb\xbf", b"\x0b", b"\x00"]), max_size=30
).map(b"".join)  # fmt: skip


@given(PIECES, st.sampled_from(["replace", "surrogateescape"]), st.integers(1, 7))
def test_lines_are_those_of_the_definition_whatever_the_block_size(data, errors, size):
    assume(not is_of_cr_alone(data))
    whole, text_lines.BLOCK_SIZE = text_lines.BLOCK_SIZE, size
    try:
        assert lines(data, encoding_errors=errors) == expected(data, errors)
    finally:
        text_lines.BLOCK_SIZE = whole


@given(PIECES)
def test_strict_reports_each_bad_line_and_reads_the_rest(data):
    assume(not data.startswith((b"\xff\xfe", b"\xfe\xff")) and not is_of_cr_alone(data))
    bad = []
    assert lines(data, on_bad=bad.append) == expected(data, "replace")
    good = {n for n, t in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1) if is_utf8(t)}
    assert [error.line for error in bad] == [n for n, _ in expected(data, "replace") if n not in good]
    if bad:
        with pytest.raises(DataError) as caught:
            lines(data)
        assert str(caught.value) == str(bad[0])


def is_of_cr_alone(data: bytes) -> bool:
    return b"\r" in data[:-1] and b"\n" not in data


@pytest.mark.parametrize("errors", text_lines.ENCODING_ERRORS)
def test_lines_that_end_with_cr_alone(errors):
    with pytest.raises(DataError, match=r"f: lines that end with CR alone .*tr '.r' '.n' < FILE"):
        lines(b"a O\rb O\r\rc O\r", encoding_errors=errors)
    assert lines(b"a\r") == [(1, "a")] and lines(b"a\rb\n") == [(1, "a\rb")]


def is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def test_bad_byte_is_named():
    data = b"\xef\xbb\xbfab\nc\xffd\n"
    with pytest.raises(DataError, match=r"^f:2: 0xff is not UTF-8 \(byte 7 of the file, byte 1 of the line") as caught:
        lines(data)
    assert data[7] == 0xFF
    assert "encoding_errors" in str(caught.value)


@pytest.mark.parametrize(("encoding", "text"), [("GB18030", "青禾银行的林晓彤\n"), ("CP949", "한별이 왔다.\n")])
def test_the_encoding_that_it_looks_like(encoding, text):
    with pytest.raises(DataError, match=rf"It looks like {encoding}: iconv -f {encoding} -t UTF-8 FILE") as caught:
        lines(text.encode(encoding))
    assert "replace" not in str(caught.value)


def test_lines_before_the_bad_one_are_read():
    stream = read_lines(io.BytesIO(b"a\nb\n\xff\n"), "f")
    assert [next(stream), next(stream)] == [(1, "a"), (2, "b")]
    with pytest.raises(DataError, match="f:3"):
        next(stream)


def test_utf_16_is_recognised():
    assert lines("中文\r\n🐼".encode("utf-16")) == [(1, "中文"), (2, "🐼")]
    assert lines("\ufeffa\n".encode(), encoding="utf-8") == [(1, "a")]


def test_a_mark_where_files_were_joined():
    assert [without_mark(line) for line in ("\ufeffa", "a\ufeff", "\ufeff\ufeff", "")] == ["a", "a\ufeff", "\ufeff", ""]


def test_one_megabyte_on_one_line():
    data = ("中" * 350_000).encode()
    assert len(data) > 1 << 20
    assert lines(data) == [(1, "中" * 350_000)]


def test_memory_does_not_grow_with_the_file():
    class Zeros(io.RawIOBase):
        left = 32 << 20

        def read(self, size=-1):
            size = min(size, self.left)
            self.left -= size
            return (b"0" * 1023 + b"\n") * (size >> 10)

    tracemalloc.start()
    try:
        assert sum(1 for _ in read_lines(Zeros(), "f")) == 32 << 10
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
