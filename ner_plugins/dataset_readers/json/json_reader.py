"""The base of the readers of JSON: lines of objects, or an array of them."""

from typing import Any, BinaryIO, Callable, Iterator, Optional, Sequence, Union

from ner_plugins.dataset_readers.json.spans import Offsets
from ner_plugins.dataset_readers.json.values import ValueCutter, is_values, text_blocks
from ner_plugins.dataset_readers.ner_reader import NerDatasetReader
from ner_plugins.dataset_readers.parsing import guarded
from ner_plugins.dataset_readers.remarks import unread_keys
from ner_plugins.entities import Sentence
from ner_plugins.errors import DataError
from ner_plugins.files.opening import examined, readable
from ner_plugins.files.text_lines import read_lines, without_mark

_HEAD = 1 << 10  # bytes that show whether a file is an array

Parse = Callable[[Iterator[tuple[int, str]], str], Iterator[Union[Sentence, DataError]]]


class JsonReader(NerDatasetReader):
    """
    Base of the readers of JSON. A subclass has `_parse` as any reader; each of its "lines" is the text of a record, and
    none is blank. Records are the lines of the file or, if it begins with `[`, the elements of its array, which may be
    pretty-printed. Files are read as streams either way. An object may have a `weight`, a number above 0: how much its
    sentence counts in training (`Sentence`); 1 if it is missing or null. Label Studio's have none. In messages a record
    is `FILE:LINE`, or `FILE, record:NUMBER` where several begin on one line.

    # Parameters

    offsets : `Optional[str]`, optional (default=`None`)
        What the offsets count: `characters` (code points) or `utf16` (units of UTF-16, as JavaScript counts, where most
        emoji are two). `None` for characters; where the other unit fits, the message says so.
    kwargs : `Any`
        See `NerDatasetReader`.
    """

    def __init__(self, offsets: Optional[Offsets] = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.offsets = offsets

    def _parse_file(
        self, stream: BinaryIO, path: str, on_bad: Optional[Callable[[DataError], None]]
    ) -> Iterator[Union[Sentence, DataError]]:
        return self._parse_json(stream, path, on_bad, self._parse)

    def _parse_json(
        self,
        stream: BinaryIO,
        path: str,
        on_bad: Optional[Callable[[DataError], None]],
        parse: Parse,
    ) -> Iterator[Union[Sentence, DataError]]:
        """The records of one file, parsed by `parse`, which is called like `_parse`."""
        with readable(path):
            head, whole = examined(stream, _HEAD)
        if not is_values(head.decode("utf-8", "replace")):
            lines = read_lines(whole, path, self.encoding_errors, on_bad)
            yield from guarded(parse, json_lines(lines), path)
            return
        cutter = ValueCutter(path)
        values = cutter.values(text_blocks(whole, path, self.encoding_errors, on_bad))
        yield from _numbered(parse, values, path)
        if unclosed := cutter.unclosed():
            yield unclosed

    def _sentences(
        self,
        lines: Iterator[tuple[int, str]],
        path: str,
        parse: Callable[[str, int], Sentence],
        known: Sequence[str],
        labels: Sequence[str],
    ) -> Iterator[Union[Sentence, DataError]]:
        """
        What `parse` makes of each record and its number, with a remark about the first unlabelled one if its labels may
        have another name (`unread_keys`): the others will be alike.
        """
        remarked = False
        for number, line in lines:
            try:
                record: Union[Sentence, DataError] = parse(line, number)
            except DataError as error:
                record = error
            if not remarked and isinstance(record, Sentence) and record.entities is None:
                remarked = True
                self._remark(unread_keys(line, known, labels, path, number))
            yield record


def _numbered(parse: Parse, values: Iterator[tuple[int, str]], path: str) -> Iterator[Union[Sentence, DataError]]:
    """The records of an array; one on the line of the record before has its number in place of the line."""
    index, line, shares = 0, 0, False

    def counted() -> Iterator[tuple[int, str]]:
        nonlocal index, line, shares
        for number, text in values:
            index, line, shares = index + 1, number, number == line
            yield number, text

    for record in guarded(parse, counted(), path):
        if shares and isinstance(record, Sentence):
            record.source = f"{path}, record:{index}"
        elif shares and isinstance(record, DataError):
            record = DataError(
                record.problem, path=f"{path}, record", line=index, expected=record.expected, remedy=record.remedy
            )
        yield record


def json_lines(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, without the byte order marks of files that were joined."""
    for number, line in lines:
        line = without_mark(line)
        if line and not line.isspace():
            yield number, line
