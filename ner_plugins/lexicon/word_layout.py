"""Which of the formats a file of words is in, by its first bytes."""

import re
from typing import Literal, NamedTuple, Optional

from ner_plugins.errors import DataError

WordFormat = Literal["words", "jieba", "word2vec_text", "word2vec_binary"]
HEAD = 1 << 16  # bytes that are looked at
MAX_WIDTH = 100_000

_HEADER = re.compile(rb"([0-9]+)[ \t]+([0-9]+)[ \t]*\r?")
_JIEBA_LINE = re.compile(r".*\S[ \t]+[0-9]+([ \t]+[A-Za-z]+)?\s*")
_SAMPLE, _BYTES = 20, 4096  # lines, and bytes, that are looked at
_FEWEST_NUMBERS = 3  # of a vector in a file without a header


class Layout(NamedTuple):
    """
    How a file of words is to be read.

    # Parameters

    format : `WordFormat`
    width : `Optional[int]`
        How many numbers a vector has; `None` where there are none.
    declared : `Optional[int]`
        How many words its header says it has; `None` without a header.
    """

    format: WordFormat
    width: Optional[int] = None
    declared: Optional[int] = None


def layout_of(head: bytes, path: str, format: Optional[WordFormat] = None) -> Layout:
    """
    The layout of a file.

    A first line of two whole numbers is word2vec's header where numbers or bytes follow it as it says. Without one,
    a line of a word and at least three numbers makes word2vec text, lines of a word, a number and perhaps a part of
    speech make a dictionary as jieba has it, and anything else is a list of words.

    # Parameters

    head : `bytes`
        The file's first `HEAD` bytes, decompressed.
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
    """The layout of a file that has vectors."""
    header = _HEADER.fullmatch(lines[0])
    if header is None:
        first = next((line for line in lines if line.strip()), b"")
        width = _numbers(first)
        return Layout("word2vec_text", width) if width >= _FEWEST_NUMBERS else None
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
        raise DataError("no vector", path=path, line=1, expected="a word and the numbers of its vector, by spaces")
    return Layout("word2vec_text", width)


def _checked_width(width: int, path: str) -> int:
    if not 0 < width <= MAX_WIDTH:
        expected = f"1 to {MAX_WIDTH:,}"
        raise DataError(f"the header says vectors of {width} numbers", path=path, line=1, expected=expected)
    return width


def _numbers(line: bytes) -> int:
    """How many numbers a line ends with, after its word."""
    number = 0
    for field in reversed(line.split()[1:]):
        try:
            float(field)
        except ValueError:
            break
        number += 1
    return number


def _is_binary(data: bytes) -> bool:
    """Whether it has what text has not: control characters, or bytes that are not UTF-8."""
    sample = data[:_BYTES]
    try:
        text = sample.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < _BYTES - 3:  # rather than a character that was cut here
            return True
        text = sample[: error.start].decode("utf-8")
    return any(character < " " and character not in "\t\r\n" for character in text)
