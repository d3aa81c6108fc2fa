"""
JSON values one after the other: the elements of an array, compact or pretty-printed, or objects over several lines.

An array is cut into the texts of its elements, which are then parsed like the lines of a file of JSON lines. A parser
of streams such as ijson would give neither the line of an element nor the elements after a malformed one, and would be
a compiled dependency; the cutting is one search for brackets and strings.
"""

import codecs
import re
from typing import Callable, Iterable, Iterator, Optional

from ner_plugins.errors import DataError
from ner_plugins.files.encodings import conversion, likely_encoding
from ner_plugins.files.opening import BLOCK_SIZE, readable
from ner_plugins.files.recoding import Readable
from ner_plugins.files.text_lines import CORRECT

LARGEST = 64 << 20  # characters of one value; more are a missing quote or bracket, or no data for this package

_MARK = "\ufeff"
_OUTSIDE = re.compile(f"[^\\s,{_MARK}]")
_INSIDE = re.compile(r'"[^"\\]*"|["\[\]{}]')
_STRING = re.compile(r'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
_SCALAR = re.compile(r"[^\s,\[\]{}]*")
_AFTER_AN_ERROR = 256  # bytes that are decoded at once
_BETWEEN = re.compile(r"[\s,\[\]{}]")  # something of it is between two values
_LONG = 1000  # characters of a value without brackets
_KEY = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)(?:"(\s*:)?)?|[\[\]{}]', re.DOTALL)

Record = tuple[int, str]  # line of the first character, text


def is_values(start: str) -> bool:
    """Whether a file of JSON begins with an array, or with an object that goes on in the next line."""
    start = start.removeprefix(_MARK).lstrip()
    return start.startswith("[") or (start.partition("\n")[0].strip() == "{" and "\n" in start)


def text_blocks(
    stream: Readable,
    name: str,
    encoding_errors: str = "strict",
    on_bad: Optional[Callable[[DataError], None]] = None,
) -> Iterator[str]:
    """
    The text of a UTF-8 file in blocks that need not end with a line. For the parameters see `read_lines`.

    With `on_bad`, the block before a byte that is not UTF-8 is yielded before the call, and U+FFFD after it. It is not
    called again for another such byte of the same value.
    """
    decode = codecs.getincrementaldecoder("utf-8")(encoding_errors).decode
    done, lines = 0, 1
    encoding: Optional[str] = None  # that the file is likely in; examined once
    examined = final = False
    while not final:
        with readable(name):
            data = stream.read(BLOCK_SIZE)
        final = not data
        at, size = 0, len(data)  # after an error a little is decoded at once: each error costs a copy of it
        while at < len(data) or final:
            piece = data[at : at + size]
            try:
                text = decode(piece, final)
            except UnicodeDecodeError as error:
                # The decoder prepends what it kept of the piece before.
                whole, start = error.object, error.start
            else:
                at, size = at + len(piece), 2 * size
                lines += text.count("\n")
                done += len(text.encode("utf-8", "surrogateescape"))
                yield text
                if final:
                    break
                continue
            text = whole[:start].decode("utf-8", "replace")
            if not examined:
                examined, encoding = True, likely_encoding(data)
            yield text
            if size != _AFTER_AN_ERROR or _BETWEEN.search(text):
                problem = DataError(
                    f"0x{whole[start]:02x} is not UTF-8 (byte {done + start} of the file, counted from 0)",
                    path=name,
                    line=lines + text.count("\n"),
                    expected="UTF-8 text",
                    remedy=conversion(encoding) if encoding else CORRECT,
                )
                if on_bad is None:
                    raise problem
                on_bad(problem)
            yield "\ufffd"
            lines += text.count("\n")
            done += start + 1
            kept = len(whole) - len(piece)
            at, size = at + start + 1 - kept, _AFTER_AN_ERROR
            if at < 0:  # the error is in what was kept of the block before
                data, at = whole[start + 1 : kept] + data, 0
            decode = codecs.getincrementaldecoder("utf-8")(encoding_errors).decode


class ValueCutter:
    """
    Cuts the text of a file into JSON values: the elements of the arrays in it, and the values outside of arrays.

    Only brackets and strings are looked at, so a malformed value is cut out like any other.

    # Parameters

    path : `str`
        For messages.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._text = ""
        self._at = 0  # where the search goes on
        self._start = -1  # of the value that is open
        self._line, self._counted = 1, 0  # the line of a place in `_text`
        self._depth = 0
        self._in_array = self._in_string = False

    def values(self, blocks: Iterable[str]) -> Iterator[Record]:
        """
        The values, each with the line on which it begins. A last value that is cut off is one of them.

        # Raises

        `DataError` for a value of more than `LARGEST` characters.
        """
        for block in blocks:
            yield from self.feed(block)
        yield from self.feed(" ")  # the end of a number
        if rest := self._text.strip():
            yield self._line, rest

    def unclosed(self) -> Optional[DataError]:
        """After the last value: the error of an array without an end."""
        if not self._in_array:
            return None
        remedy = "The file may be truncated: fetch it again, or add the bracket"
        return DataError("the JSON array has no end", path=self._path, line=self._line, expected="]", remedy=remedy)

    def feed(self, block: str) -> Iterator[Record]:
        """The values that end in the next block of the text."""
        self._text += block
        while (self._depth or self._begin()) and (not self._depth or self._end()):
            start, self._start = self._start, -1
            self._count_lines(start)
            yield self._line, self._text[start : self._at]
        kept = self._start if self._start >= 0 else self._at
        self._count_lines(kept)
        self._text, self._counted = self._text[kept:], 0
        self._start, self._at = min(self._start, 0), self._at - kept
        if len(self._text) > LARGEST:
            raise DataError(
                f"a JSON value of more than {LARGEST:,} characters",
                path=self._path,
                line=self._line,
                remedy="A quotation mark or a bracket may be missing: check the file, or split the text",
            )

    def _count_lines(self, place: int) -> None:
        self._line += self._text.count("\n", self._counted, place)
        self._counted = place

    def _begin(self) -> bool:
        """Go on to the beginning of the next value, or to the end if it has no brackets; whether there is one."""
        while found := _OUTSIDE.search(self._text, self._at):
            self._at, character = found.start(), found[0]
            if character in "[]" and self._in_array == (character == "]"):
                self._in_array = not self._in_array
                self._at += 1
                continue
            end = self._at + 1
            if character in "[{":
                self._depth = 1
            else:
                match = _STRING.match(self._text, end) if character == '"' else _SCALAR.match(self._text, self._at)
                assert match is not None  # both may be empty
                end = max(end, match.end() + (character == '"'))
                if end >= len(self._text) and end - self._at < _LONG:
                    return False  # it may go on in the next block
            self._start, self._at = self._at, end
            return True
        self._at = len(self._text)
        return False

    def _end(self) -> bool:
        """Go on to the end of the open value; whether it is reached."""
        text, at, depth = self._text, self._at, self._depth
        while True:
            if self._in_string:
                match = _STRING.match(text, at)
                assert match is not None  # it may be empty
                at = match.end()
                if at == len(text) or text[at] == "\\":  # a backslash at the end: its character is in the next block
                    break
                self._in_string, at = False, at + 1
            found = _INSIDE.search(text, at)
            if found is None:
                at = len(text)
                break
            at = found.end()
            token = found[0]
            if token == '"':
                self._in_string = True
            elif token in "[{":
                depth += 1
            elif token in "]}":
                depth -= 1
                if not depth:
                    break
        self._at, self._depth = at, depth
        return not depth


def values_in(head: str) -> list[str]:
    """The complete JSON values at the beginning of a file: its lines, or the elements of its array."""
    if not is_values(head):
        return [line for line in head.split("\n") if line and not line.isspace()]
    try:
        return [text for _, text in ValueCutter("").feed(head)]
    except DataError:
        return []


def first_keys(text: str) -> list[str]:
    """The keys of the first JSON object in `text`, which may be cut off or malformed."""
    keys: list[str] = []
    depth = 0
    for token in _KEY.finditer(text, text.index("{")):
        if token[0] in "{[":
            depth += 1
        elif token[0] in "}]":
            depth -= 1
            if not depth:
                break
        elif depth == 1 and token[2]:
            keys.append(token[1])
    return keys
