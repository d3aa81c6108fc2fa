"""Text in other encodings than UTF-8, read as UTF-8: UTF-16 and UTF-32 by their marks, any other by its name."""

import codecs
import io
import threading
from typing import Any, BinaryIO, Callable, Iterator, Optional, Protocol, TypeVar, cast

from ner_plugins.errors import ConfigError, DataError, shown
from ner_plugins.files.encodings import marked_encoding, with_option
from ner_plugins.files.opening import BLOCK_SIZE, Rewound, readable

T = TypeVar("T")
OnBad = Callable[[DataError], None]

_NOT_OF_FILES = ("idna", "punycode")  # of names of hosts; they take quadratic time
_NOT_UTF8 = b"\xff"  # occurs nowhere in UTF-8
_STAND_IN = "\U0010ffff"  # for what cannot be decoded; no character
_NOTING = "ner_plugins.noting"
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32-le",  # begins with the mark of UTF-16
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


class Readable(Protocol):
    """What is read here of a stream."""

    def read(self, size: int, /) -> bytes:
        """The next `size` bytes, or fewer at the end."""
        ...


def check_encoding(key: str, encoding: Optional[str]) -> None:
    """
    Check the name of an encoding.

    # Parameters

    key : `str`
        The option, for the message.
    encoding : `Optional[str]`

    # Raises

    `ConfigError` if Python has no encoding of text of this name, or one for names of hosts.
    """
    try:
        if encoding is None:
            return
        codec = codecs.lookup(encoding)
        if cast(Any, codec)._is_text_encoding and codec.name not in _NOT_OF_FILES:
            return
    except (LookupError, ValueError, TypeError):
        pass
    expected = "name one such as gb18030, cp949, big5 or utf-16"
    raise ConfigError(f"{key} is {shown(encoding)}, which is no encoding of files: {expected}")


def decode_start(data: bytes, encoding: Optional[str] = None) -> str:
    """
    The text of a file's first bytes, with U+FFFD for what cannot be decoded.

    # Parameters

    data : `bytes`
    encoding : `Optional[str]`, optional (default=`None`)
        `None` for UTF-8, or UTF-16 or UTF-32 with a mark.
    """
    name = codecs.lookup(encoding or marked_encoding(data) or "utf-8").name
    if name in ("utf-16", "utf-32") and not marked_encoding(data):
        name += "-le"  # as `TextSource` reads it
    try:
        return codecs.getincrementaldecoder(name)("replace").decode(data).removeprefix("\ufeff")
    except UnicodeError:  # of some codecs, whatever is asked for
        return "\ufffd"


class TextSource:
    """
    A stream of text as UTF-8.

    # Parameters

    raw : `Readable`
    name : `str`
        The file, for messages.
    encoding : `Optional[str]`, optional (default=`None`)
        `None` for UTF-8, or UTF-16 or UTF-32 with a mark; those are never guessed without one.
    encoding_errors : `str`, optional (default=`"strict"`)
        See `read_lines`.
    option : `Optional[str]`, optional (default=`None`)
        What names an encoding, with `{}` for its name, for the errors of `read`: `set the option encoding to "{}"`.

    block_size : `int`, optional (default=`BLOCK_SIZE`)
        Bytes to read at once.

    # Attributes

    stream : `BinaryIO`
        The stream itself if it is UTF-8 already.
    """

    def __init__(
        self,
        raw: Readable,
        name: str,
        encoding: Optional[str] = None,
        encoding_errors: str = "strict",
        option: Optional[str] = None,
        block_size: int = BLOCK_SIZE,
    ) -> None:
        self._option = option
        head = b""
        with readable(name):
            if encoding is None and hasattr(raw, "peek"):
                head = cast(Any, raw).peek(4)[:4]
            elif encoding is None:
                # Standard input gives what has arrived.
                head = raw.read(block_size)
                while 0 < len(head) < 4 and head[:1] in b"\xff\xfe\0" and (more := raw.read(block_size)):
                    head += more
                raw = Rewound(head, cast(BinaryIO, raw))
        self._encoding = encoding or marked_encoding(head)
        self._recoder: Optional[_Recoder] = None
        self.stream = cast(BinaryIO, raw)
        if self._encoding is not None and codecs.lookup(self._encoding).name not in ("utf-8", "utf-8-sig"):
            self._recoder = _Recoder(raw, name, self._encoding, encoding_errors)
            self.stream = cast(BinaryIO, io.BufferedReader(self._recoder, BLOCK_SIZE))

    def read(self, read: Callable[[Optional[OnBad]], Iterator[T]], on_bad: Optional[OnBad] = None) -> Iterator[T]:
        """
        What `read` yields, with errors that name the bytes of the file.

        # Parameters

        read : `Callable[[Optional[OnBad]], Iterator[T]]`
            Reads `stream`, and takes what is to be called with the error of a bad line.
        on_bad : `Optional[Callable[[DataError], None]]`, optional (default=`None`)
        """
        translated = self._recoder is not None or self._option is not None
        note = (lambda error: on_bad(self._original(error))) if on_bad is not None and translated else on_bad
        try:
            yield from read(note)
        except DataError as error:
            original = self._original(error)
            if original is error:
                raise
            raise original from None

    def _original(self, error: DataError) -> DataError:
        """The error about the file for an error about its lines in UTF-8."""
        if "is not UTF-8" not in error.problem:
            return error
        if self._recoder is not None:
            return self._recoder.original(error)
        remedy = with_option(error.remedy, self._option) if self._option else error.remedy
        if remedy == error.remedy:
            return error
        return DataError(error.problem, path=error.path, line=error.line, expected=error.expected, remedy=remedy)


class _Recoder(io.RawIOBase):
    """
    Recodes a stream to UTF-8. With `strict`, a byte that is not UTF-8 takes the place of what cannot be decoded, so
    that the reader of the lines finds the error in the line that has it.
    """

    def __init__(self, raw: Readable, name: str, encoding: str, errors: str) -> None:
        self._raw, self._name, self._encoding, self._errors = raw, name, encoding, errors
        self._codec = codecs.lookup(encoding).name
        self._decoder: Optional[codecs.IncrementalDecoder] = None
        self._done, self._line = 0, 1  # of what is decoded
        self._ready = b""
        self._problems: dict[int, DataError] = {}  # by line
        self._ended = False

    def original(self, error: DataError) -> DataError:
        """The error about the place of the file that became the byte of this error."""
        return error if error.line is None else self._problems.pop(error.line, error)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready and not self._ended:
            with readable(self._name):
                data = block = self._raw.read(BLOCK_SIZE)
                while block and self._decoder is None and len(data) < 4:  # a mark
                    block = self._raw.read(BLOCK_SIZE)
                    data += block
            self._ended = not block
            self._ready = self._recoded(data)
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size

    def _recoded(self, data: bytes) -> bytes:
        if self._decoder is None:
            if self._codec in ("utf-16", "utf-32"):
                mark = next((mark for mark in _MARKS if data.startswith(mark)), b"")
                self._codec, data = _MARKS.get(mark, f"{self._codec}-le"), data[len(mark) :]
                self._done += len(mark)
            errors = _NOTING if self._errors == "strict" else self._errors
            self._decoder = codecs.getincrementaldecoder(self._codec)(errors)
        noted = _noted.errors = []
        kept = self._decoder.getstate()[0]
        try:
            text = self._decoder.decode(data, self._ended)
        except UnicodeError as error:  # of some codecs, which do not ask what to do
            raise DataError(f"it is not {self._encoding}: {error}", path=self._name) from None
        self._note_problems(text, noted)
        self._done += len(kept) + len(data) - len(self._decoder.getstate()[0])
        self._line += text.count("\n")
        recoded = text.encode("utf-8", "surrogatepass" if self._errors == "strict" else self._errors)
        return recoded.replace(_STAND_IN.encode(), _NOT_UTF8) if noted else recoded

    def _note_problems(self, text: str, noted: list[tuple[int, bytes]]) -> None:
        """Note the first error of each line, given the text with its stand-ins."""
        line, before, at = self._line, 0, -1
        for start, found in noted:
            at = text.find(_STAND_IN, at + 1)
            line, before = line + text.count("\n", before, at), at
            if line in self._problems:
                continue
            bytes_ = " ".join(f"0x{byte:02x}" for byte in found[:4])
            self._problems[line] = DataError(
                f"{bytes_} is not {self._encoding} (byte {self._done + start} of the file, counted from 0)",
                path=self._name,
                line=line,
                expected=f"text in {self._encoding}",
                remedy='Name another encoding, or set encoding_errors to "replace"',
            )


def _note(error: UnicodeError) -> tuple[str, int]:
    """Notes a place that cannot be decoded, and goes on behind it."""
    assert isinstance(error, UnicodeDecodeError)
    end = max(error.end, error.start + 1)
    _noted.errors.append((error.start, error.object[error.start : end]))
    return _STAND_IN, end


_noted = threading.local()
codecs.register_error(_NOTING, _note)
