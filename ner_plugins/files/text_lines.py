"""Text files as streams of numbered lines, and errors that name the byte."""

import re
from typing import Callable, Iterable, Iterator, Literal, Optional, get_args

from ner_plugins.errors import DataError
from ner_plugins.files.data_paths import DataPath
from ner_plugins.files.encodings import conversion, likely_encoding
from ner_plugins.files.opening import BLOCK_SIZE, open_streams, readable
from ner_plugins.files.recoding import Readable as Readable
from ner_plugins.files.recoding import TextSource

EncodingErrors = Literal["strict", "replace", "surrogateescape"]
ENCODING_ERRORS: tuple[EncodingErrors, ...] = get_args(EncodingErrors)
_UNDECODED = re.compile("[\udc80-\udcff]")  # what surrogateescape makes of a byte
CORRECT = 'Correct the file, or set encoding_errors to "replace" or "surrogateescape"'


def read_lines(
    stream: Readable,
    name: str,
    encoding_errors: str = "strict",
    on_bad: Optional[Callable[[DataError], None]] = None,
    encoding: Optional[str] = None,
) -> Iterator[tuple[int, str]]:
    """
    Lines of text: UTF-8, or UTF-16 or UTF-32 with a byte order mark, or another encoding that is named. Only LF ends a
    line; a CR before it and a byte order mark at the start are dropped. A file with CRs but no LF is an error.

    # Parameters

    stream : `Readable`
        Read in blocks of 256 KiB; a line may be longer.
    name : `str`
        The file, for messages.
    encoding_errors : `str`, optional (default=`"strict"`)
        What to do with bytes that are not UTF-8: `strict` raises, `replace` reads U+FFFD, `surrogateescape` keeps each
        byte b as U+DC00 + b.
    on_bad : `Optional[Callable[[DataError], None]]`
        With `strict`: called with the error instead of raising it, just before the line is yielded with U+FFFD.
    encoding : `Optional[str]`, optional (default=`None`)
        Python's name of another encoding, such as `gb18030`.

    # Returns

    `Iterator[tuple[int, str]]`
        The 1-based number of each line, and its text without the end of line.

    # Raises

    `DataError` that names line and byte.
    """
    return numbered_lines(read_blocks(stream, name, encoding_errors, on_bad, encoding))


def without_mark(line: str) -> str:
    """A line without a byte order mark at its start, as where files were joined."""
    return line[1:] if line.startswith("\ufeff") else line


def open_lines(
    path: str,
    encoding_errors: str = "strict",
    on_bad: Optional[Callable[[DataError], None]] = None,
    encoding: Optional[str] = None,
) -> Iterator[tuple[int, str]]:
    """The lines of one file, `PATH[!MEMBER]`: see `read_lines`, and `open_streams` for the errors."""
    for name, stream in open_streams(DataPath.parse(path)):
        yield from read_lines(stream, name, encoding_errors, on_bad, encoding)


def numbered_lines(blocks: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """The single lines of the blocks of `read_blocks`, without their LF."""
    for number, block in blocks:
        lines = block.split("\n")
        lines.pop()
        yield from enumerate(lines, number)


def read_blocks(
    stream: Readable,
    name: str,
    encoding_errors: str = "strict",
    on_bad: Optional[Callable[[DataError], None]] = None,
    encoding: Optional[str] = None,
) -> Iterator[tuple[int, str]]:
    """
    The lines of `read_lines`, many at a time: the number of the first one, and all of them, each with an LF at its end
    (the last line of the file gets one if it has none). With `on_bad`, the lines of a block with a bad one come one by
    one.
    """
    source = TextSource(stream, name, encoding, encoding_errors, block_size=BLOCK_SIZE)
    return source.read(lambda on_bad: _utf8_blocks(source.stream, name, encoding_errors, on_bad), on_bad)


def _utf8_blocks(
    stream: Readable, name: str, encoding_errors: str, on_bad: Optional[Callable[[DataError], None]]
) -> Iterator[tuple[int, str]]:
    number, position = 1, 0
    for block in _line_blocks(stream, name):
        offset = position
        position += len(block)
        if offset == 0 and b"\n" not in block and b"\r" in block[:-1]:  # this is the whole file
            remedy = "Convert it: tr '\\r' '\\n' < FILE > NEW"
            raise DataError("lines that end with CR alone", path=name, expected="LF or CR LF", remedy=remedy)
        if offset == 0 and block.startswith(b"\xef\xbb\xbf"):
            block, offset = block[3:], 3
        try:
            text = block.decode("utf-8", encoding_errors)
        except UnicodeDecodeError:
            for _, line in _bad_block(block, name, number - 1, offset, on_bad):
                yield number, f"{line}\n"
                number += 1
            continue
        if not text.endswith("\n"):
            if not text:  # nothing but a byte order mark
                continue
            text += "\n"
        if "\r" in text:
            text = text.replace("\r\n", "\n")
        yield number, text
        number += text.count("\n")


def _line_blocks(stream: Readable, name: str) -> Iterator[bytes]:
    """The stream in blocks that end with an LF (the last one may not)."""
    pending: list[bytes] = []
    while True:
        with readable(name):
            block = stream.read(BLOCK_SIZE)
        if not block:
            break
        cut = block.rfind(b"\n") + 1
        if cut:
            yield b"".join([*pending, block[:cut]])
            pending = []
        pending.append(block[cut:])
    if last := b"".join(pending):
        yield last


def _bad_block(
    block: bytes, name: str, before: int, offset: int, on_bad: Optional[Callable[[DataError], None]]
) -> Iterator[tuple[int, str]]:
    """The lines of a block with bytes that are not UTF-8; it begins after line `before`, at byte `offset`."""
    encoding = likely_encoding(block)
    remedy = conversion(encoding) if encoding else CORRECT
    # Decoded as a whole: one exception for each bad line takes far longer where many are bad.
    lines = block.decode("utf-8", "surrogateescape").split("\n")
    if not lines[-1]:
        lines.pop()
    raw = block.split(b"\n")
    for number, (text, line) in enumerate(zip(lines, raw, strict=False), before + 1):
        if found := _UNDECODED.search(text):
            start = len(text[: found.start()].encode("utf-8"))
            problem = _undecoded(line[start], offset + start, start, name, number, remedy)
            if on_bad is None:
                raise problem
            on_bad(problem)
            text = line.decode("utf-8", "replace")
        offset += len(line) + 1
        yield number, text[:-1] if text.endswith("\r") else text


def _undecoded(byte: int, of_file: int, of_line: int, name: str, number: int, remedy: str) -> DataError:
    return DataError(
        f"0x{byte:02x} is not UTF-8 (byte {of_file} of the file, byte {of_line} of the line, counted from 0)",
        path=name,
        line=number,
        expected="UTF-8 text",
        remedy=remedy,
    )
