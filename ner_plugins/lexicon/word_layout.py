"""Detecting the format of a file of words from its first bytes."""

import re
from typing import Literal, NamedTuple, Optional

from ner_plugins.errors import DataError

WordFormat = Literal["words", "jieba", "word2vec_text", "word2vec_binary"]
HEAD = 1 << 16  # bytes that are examined
MAX_WIDTH = 100_000

_HEADER = re.compile(rb"([0-9]+)[ \t]+([0-9]+)[ \t]*\r?")
_JIEBA_LINE = re.compile(r".*\S[ \t]+[0-9]+([ \t]+[A-Za-z]+)?\s*")
_SAMPLE, _BYTES = 20, 4096  # lines, and bytes, that are examined
_MIN_WIDTH = 3  # of vectors in a file without a header


class Layout(NamedTuple):
    """
    How to read a file of words.

    # Parameters

    format : `WordFormat`
    width : `Optional[int]`
        The number of components of a vector; `None` if there are no vectors.
    declared : `Optional[int]`
        The number of words in the header; `None` without a header.
    """

    format: WordFormat
    width: Optional[int] = None
    declared: Optional[int] = None


def layout_of(head: bytes, path: str, format: Optional[WordFormat] = None) -> Layout:
    """
    Detect the layout of a file.

    A first line of two whole numbers is a word2vec header if matching numbers or bytes follow. Without a header, a line
    of a word and at least three numbers means word2vec text; lines of a word, a number and perhaps a part of speech are
    a jieba dictionary; anything else is a list of words.

    # Parameters

    head : `bytes`
        The first `HEAD` bytes of the file, decompressed.
    path : `str`
        For messages.
    format : `Optional[WordFormat]`, optional (default=`None`)
        The format, if it is known.

    # Raises

    `DataError` for a file that is not text, or not in the given format.
    """
    lines = _whole_lines(head)
    found = _vector_layout(head, lines, path) if format in (None, "word2vec_text", "word2vec_binary") else None
    if format == "word2vec_binary":
        header = _HEADER.fullmatch(lines[0])
        if header is None:
            raise DataError("no header", path=path, line=1, expected="NUMBER_OF_WORDS NUMBERS_IN_A_VECTOR")
        return Layout(format, _checked_width(int(header[2]), path), int(header[1]))
    if format == "word2vec_text":
        return _text_layout(lines, path, found)
    if found is not None:
        return found
    if b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        expected = "a list of words, jieba's dictionary, or word2vec's vectors"
        raise DataError("neither text nor word2vec's binary format", path=path, expected=expected)
    if format is not None:
        return Layout(format)
    sample = [line.decode("utf-8", "replace") for line in lines if line.strip()][:_SAMPLE]
    return Layout("jieba" if sample and all(map(_JIEBA_LINE.fullmatch, sample)) else "words")


def _whole_lines(head: bytes) -> list[bytes]:
    lines = head.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return lines[:-1] if len(head) >= HEAD and len(lines) > 1 else lines


def _vector_layout(head: bytes, lines: list[bytes], path: str) -> Optional[Layout]:
    """The layout if the file has vectors, else `None`."""
    header = _HEADER.fullmatch(lines[0])
    if header is None:
        first = next((line for line in lines if line.strip()), b"")
        width = _numbers(first)
        return Layout("word2vec_text", width) if width >= _MIN_WIDTH else None
    declared, width = int(header[1]), int(header[2])
    second = next((line for line in lines[1:] if line.strip()), b"")
    numbers = _numbers(second)
    if numbers > 1 or (numbers == width == 1) or not second:
        return Layout("word2vec_text", _checked_width(width, path), declared)
    if _is_binary(head.partition(b"\n")[2]):
        return Layout("word2vec_binary", _checked_width(width, path), declared)
    return None


def _text_layout(lines: list[bytes], path: str, found: Optional[Layout]) -> Layout:
    if found is not None and found.format == "word2vec_text":
        return found
    width = _numbers(next((line for line in lines if line.strip()), b""))
    if not width:
        raise DataError("no vector", path=path, line=1, expected="a word and its numbers, separated by spaces")
    return Layout("word2vec_text", width)


def _checked_width(width: int, path: str) -> int:
    if not 0 < width <= MAX_WIDTH:
        expected = f"1 to {MAX_WIDTH:,}"
        raise DataError(f"the header declares vectors of {width} numbers", path=path, line=1, expected=expected)
    return width


def _numbers(line: bytes) -> int:
    """The number of numbers at the end of a line, after its word."""
    number = 0
    for field in reversed(line.split()[1:]):
        try:
            float(field)
        except ValueError:
            break
        number += 1
    return number


def _is_binary(data: bytes) -> bool:
    """Whether the data is no text: it has control characters, or bytes that are not UTF-8."""
    sample = data[:_BYTES]
    try:
        text = sample.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < _BYTES - 3:  # not merely a character cut at the end
            return True
        text = sample[: error.start].decode("utf-8")
    return any(character < " " and character not in "\t\r\n" for character in text)
