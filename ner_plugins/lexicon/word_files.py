"""Files of words, with or without vectors: word lists, jieba dictionaries, word2vec text and binary."""

import re
from contextlib import closing, contextmanager
from typing import Any, BinaryIO, Callable, Iterator, Optional

import numpy as np
import numpy.typing as npt

from ner_plugins.errors import DataError, shown
from ner_plugins.files.data_paths import DataPath
from ner_plugins.files.encodings import conversion, marked_encoding
from ner_plugins.files.opening import BLOCK_SIZE, open_streams, readable
from ner_plugins.files.text_lines import read_lines
from ner_plugins.lexicon.word_layout import HEAD, WordFormat, layout_of
from ner_plugins.lexicon.word_tally import WordTally

FloatArray = npt.NDArray[np.float32]
# The line or, in a binary file, the number of the word, from 1; the word; its vector if it is wanted.
Entry = tuple[int, str, Optional[FloatArray]]

_JIEBA = re.compile(r"(.+?)(?:[ \t]+[0-9]+)?(?:[ \t]+[A-Za-z]+)?")
_LONGEST_WORD = 1 << 14  # bytes
_LOOKS_LIKE = conversion("").partition(":")[0]


class WordFile:
    """
    One file of words.

    # Parameters

    path : `str`
        `PATH[!MEMBER]`: a file, compressed or not, one in an archive, or a URL.
    format : `Optional[WordFormat]`, optional (default=`None`)
        Detected from the beginning of the file if `None`.

    # Attributes

    format : `str`
        The given or detected format.
    width : `Optional[int]`
        The number of components of a vector; `None` if the format has no vectors.
    tally : `WordTally`
        The words that `entries` left out; they are logged after the last word.

    # Raises

    `DataError` if there is no such file, or if it is not in the format.
    """

    def __init__(self, path: str, format: Optional[WordFormat] = None) -> None:
        self.path = str(path)
        with self._stream() as stream:
            head = b""
            with readable(self.path):
                while len(head) < HEAD and (block := stream.read(HEAD - len(head))):
                    head += block
        if encoding := marked_encoding(head):
            raise DataError(f"{encoding} text", path=self.path, expected="UTF-8", remedy=conversion(encoding))
        self.format, self.width, self._declared = layout_of(head, self.path, format)
        self.tally = WordTally(self.path, "word" if self.format == "word2vec_binary" else "line")

    def entries(self, keep: Callable[[str], bool] = lambda word: False) -> Iterator[Entry]:
        """
        The words in the order of the file, with duplicates.

        # Parameters

        keep : `Callable[[str], bool]`
            Whether a word's vector is wanted; called for each word, just before it is yielded.

        # Raises

        `DataError` if the file is truncated or not UTF-8, or if a wanted vector has infinite numbers or NaN.
        """
        self.tally.clear()
        with self._stream() as stream:
            yield from (self._binary if self.format == "word2vec_binary" else self._lines)(stream, keep)
        self.tally.log()

    @contextmanager
    def _stream(self) -> Iterator[BinaryIO]:
        with closing(open_streams(DataPath.parse(self.path))) as streams:  # type: ignore[type-var]
            yield next(streams)[1]

    # Text.

    def _lines(self, stream: BinaryIO, keep: Callable[[str], bool]) -> Iterator[Entry]:
        undecodable: list[DataError] = []
        seen = 0
        for number, line in read_lines(stream, self.path, on_bad=undecodable.append):
            if not line or line.isspace() or (number == 1 and self._declared is not None):
                continue
            seen += 1
            if undecodable:
                self._skip_undecodable(undecodable.pop(), number, line)
            elif self.format == "words":
                yield number, line.strip(), None
            elif self.format == "jieba":
                found = _JIEBA.fullmatch(line.strip())
                assert found is not None  # because the line is not blank
                yield number, found[1], None
            elif (fields := self._fields(line, number)) is not None:
                word = fields[0]
                yield number, word, self._vector(word, fields[1:], number) if keep(word) else None
        if self._declared not in (None, seen):
            self.tally.note(f"{seen:,} words, but its first line declares {self._declared:,}: it may be truncated")

    def _fields(self, line: str, number: int) -> Optional[list[str]]:
        """The word of a line, which may have spaces, and its numbers; `None` if these are too few or too many."""
        assert self.width is not None
        fields = line.replace("\t", " ").rstrip().rsplit(" ", self.width)
        if len(fields) <= self.width or (" " in fields[0] and _is_number(fields[0].rpartition(" ")[2])):
            self.tally.add(f"whose vector has other than {self.width} numbers", number, line.partition(" ")[0])
            return None
        if not fields[0]:
            self.tally.add("without a letter", number, line)
            return None
        return fields

    def _vector(self, word: str, fields: list[str], number: int) -> FloatArray:
        try:
            vector = np.array([float(field) for field in fields])
        except ValueError:
            bad = next(field for field in fields if not _is_number(field))
            problem = f"{shown(bad)} in the vector of {shown(word)}"
            raise DataError(problem, path=self.path, line=number, expected="a number") from None
        return self._finite(vector, word, f"line {number}")

    def _finite(self, vector: npt.NDArray[Any], word: str, place: str) -> FloatArray:
        # Numbers too large for float32 are errors too.
        if not np.all(np.abs(vector) <= np.finfo(np.float32).max):
            problem = f"{place}: the vector of {shown(word)} has infinite numbers or NaN"
            raise DataError(problem, path=self.path, remedy="Correct the file, or write it again")
        return vector.astype(np.float32)

    def _skip_undecodable(self, error: DataError, number: int, line: str) -> None:
        """Leave out a line of word2vec, which cuts long words inside a character; raise the error for other files."""
        looks_like = error.remedy if (error.remedy or "").startswith(_LOOKS_LIKE) else None
        if looks_like is None and self.format == "word2vec_text":
            self.tally.add("not in UTF-8", number, line.partition(" ")[0])
            return
        remedy = looks_like or "Save the file as UTF-8"
        raise DataError(error.problem, path=self.path, line=number, expected="UTF-8 text", remedy=remedy)

    # Binary: a header line, then for each word its letters, a space, and its numbers as little-endian float32.

    def _binary(self, stream: BinaryIO, keep: Callable[[str], bool]) -> Iterator[Entry]:
        assert self.width is not None and self._declared is not None
        size = 4 * self.width
        buffer, position = b"", 0
        for number in range(self._declared + 1):
            end = b"\n" if number == 0 else b" "
            while True:  # until the buffer holds the whole word and its vector
                cut = buffer.find(end, position)
                if cut >= 0 and (number == 0 or len(buffer) > cut + size):
                    break
                if cut < 0 and len(buffer) - position > _LONGEST_WORD:
                    problem = f"{_LONGEST_WORD:,} bytes without a space instead of word {number:,}"
                    raise self._broken(problem)
                with readable(self.path):
                    block = stream.read(BLOCK_SIZE)
                if not block:
                    raise self._broken(f"it ends in the middle of word {number:,} of {self._declared:,}")
                buffer, position = buffer[position:] + block, 0
            if number:
                start, position = position, cut + 1 + size
                word = self._decoded(buffer[start:cut], number)
                if word is not None:
                    vector = np.frombuffer(buffer, "<f4", self.width, cut + 1) if keep(word) else None
                    yield number, word, None if vector is None else self._finite(vector, word, f"word {number:,}")
            else:
                position = cut + 1
        with readable(self.path):
            more = (buffer[position:] + stream.read(BLOCK_SIZE)).strip()
        if more:
            self.tally.note(f"more bytes after the {self._declared:,} words that its first line declares")

    def _decoded(self, letters: bytes, number: int) -> Optional[str]:
        """The decoded word. Some programs write an LF after each vector, so it may begin with one."""
        letters = letters.lstrip(b"\n")
        try:
            word = letters.decode("utf-8")
        except UnicodeDecodeError:
            self.tally.add("not in UTF-8", number, letters.decode("utf-8", "replace"))
            return None
        if not word or word.isspace() or "\n" in word:
            self.tally.add("without a letter or with a line break", number, word)
            return None
        return word

    def _broken(self, problem: str) -> DataError:
        return DataError(problem, path=self.path, remedy="It is damaged or truncated: fetch or write it again")


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True
