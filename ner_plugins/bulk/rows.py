"""From a chunk of a file to rows: a text or an error for each line, in Arrow tables."""

import json
import os
from dataclasses import dataclass, replace
from typing import Any, Iterator, NamedTuple, Optional, Sequence

from ner_plugins.bulk.indexing import FileIndex
from ner_plugins.bulk.row_ids import RowRanges, row_id
from ner_plugins.errors import DataError, shown
from ner_plugins.files.opening import decompressed, readable
from ner_plugins.files.output_files import dump_json

_BOM = b"\xef\xbb\xbf"
MAX_BLOCK_ROWS = 8_192


class Row(NamedTuple):
    """
    What one line holds.

    # Parameters

    text : `Optional[str]`
        `None` if the line is bad.
    fields : `Optional[str]`
        The other fields that are kept, as a JSON object.
    error : `Optional[str]`
        What is wrong with the line.
    """

    text: Optional[str]
    fields: Optional[str] = None
    error: Optional[str] = None


@dataclass(frozen=True)
class RowOptions:
    """
    How lines are read.

    # Parameters

    text_column : `str`, optional (default=`"text"`)
        The field or column of the text. In JSON, `sentence` stands for `text`, as in `allennlp predict`.
    keep : `Optional[tuple[str, ...]]`, optional (default=`None`)
        The other fields or columns to keep; `None` for all.
    """

    text_column: str = "text"
    keep: Optional[tuple[str, ...]] = None

    def kept(self, record: Any, text_key: str) -> Optional[str]:
        """The fields of a record to keep, as a JSON object; `None` if there are none."""
        keys = [key for key in record if key != text_key and (self.keep is None or key in self.keep)]
        return dump_json({key: record[key] for key in keys}) if keys else None


@dataclass(frozen=True)
class Chunk:
    """
    A part of a file that one task reads.

    # Parameters

    file : `FileIndex`
    number : `int`
        Of the file in the job.
    line : `int`
        The first line.
    place : `int`
        Its byte, or the row group.
    end : `int`
        The line after the last.
    done : `tuple[tuple[int, int], ...]`
        The ranges of row numbers that are left out.
    """

    file: FileIndex
    number: int
    line: int
    place: int
    end: int
    done: tuple[tuple[int, int], ...]


def chunks_to_do(files: Sequence[FileIndex], numbers: Sequence[int], done: RowRanges) -> list[Chunk]:
    """The chunks of files with rows that are not done; `numbers` are those of the files in the job."""
    found = []
    for file, number in zip(files, numbers, strict=True):
        ends = [*(line for line, _ in file.chunks[1:]), *([file.lines + 1] if file.chunks else [])]
        without = replace(file, chunks=())  # a task needs none of them
        for (line, place), end in zip(file.chunks, ends, strict=True):
            left_out = tuple(done.between(row_id(number, line), row_id(number, end)))
            if sum(right - left for left, right in left_out) < end - line:
                found.append(Chunk(without, number, line, place, end, left_out))
    return found


def read_chunk(chunk: Chunk, options: RowOptions, block_bytes: int) -> Iterator[Any]:
    """
    The rows of a chunk that are not done, in tables of about `block_bytes` bytes of text: see `input_schema`.

    # Raises

    `DataError` if the file is not the one that was indexed, or cannot be read.
    """
    file = chunk.file
    with readable(file.name):
        status = os.stat(file.path)
    if (status.st_size, status.st_mtime_ns) != (file.size, file.modified):
        raise DataError("the file has changed since the job began", path=file.name, remedy="Start a new job")
    to_do = _ToDo(chunk)
    read = _parquet_chunk(chunk, options) if file.format == "parquet" else _line_chunk(chunk, options)
    lines, rows, size, seen = [], [], 0, 0
    for line, row in read:
        seen += 1
        if line not in to_do:
            continue
        lines.append(line)
        rows.append(row() if callable(row) else row)
        size += len(rows[-1].text or "") * 3 + len(rows[-1].fields or "")
        if size >= block_bytes or len(rows) >= MAX_BLOCK_ROWS:
            yield _table(chunk, lines, rows)
            lines, rows, size = [], [], 0
    if rows:
        yield _table(chunk, lines, rows)
    if seen != chunk.end - chunk.line:
        problem = f"{seen} lines from line {chunk.line}, but {chunk.end - chunk.line} were counted before"
        raise DataError(problem, path=file.name, remedy="Start a new job")


def input_schema() -> Any:
    """The columns of the tables that are read: `row`, `file`, `line`, `text`, `fields` and `error`."""
    import pyarrow as pa

    strings = ("text", "fields", "error")
    first = [("row", pa.int64()), ("file", pa.string()), ("line", pa.int64())]
    return pa.schema([*first, *((name, pa.string()) for name in strings)])


def _table(chunk: Chunk, lines: Sequence[int], rows: Sequence[Row]) -> Any:
    import pyarrow as pa

    ids = [row_id(chunk.number, line) for line in lines]
    columns = [ids, [chunk.file.name] * len(lines), list(lines), *zip(*rows, strict=True)]
    schema = input_schema()
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema)


class _ToDo:
    """The lines of a chunk that are not done."""

    def __init__(self, chunk: Chunk) -> None:
        self._done = [(left - row_id(chunk.number, 0), right - row_id(chunk.number, 0)) for left, right in chunk.done]
        self._place = 0

    def __contains__(self, line: int) -> bool:
        """Whether to read a line; they are asked for in order."""
        while self._place < len(self._done) and self._done[self._place][1] <= line:
            self._place += 1
        return self._place == len(self._done) or line < self._done[self._place][0]


def _line_chunk(chunk: Chunk, options: RowOptions) -> Iterator[tuple[int, Any]]:
    """The number of each line, and a function that parses it."""
    parse = parse_json if chunk.file.format == "json" else parse_text
    with readable(chunk.file.name), decompressed(open(chunk.file.path, "rb")) as stream:
        if chunk.place:
            stream.seek(chunk.place)
        for line, data in zip(range(chunk.line, chunk.end), stream):  # noqa: B905 (a chunk ends before its file)
            yield line, _Parsed(parse, _content(data, line), options)


class _Parsed(NamedTuple):
    parse: Any
    data: bytes
    options: RowOptions

    def __call__(self) -> Row:
        try:
            return self.parse(self.data.decode("utf-8"), self.options)  # type: ignore[no-any-return]
        except UnicodeDecodeError as error:
            byte = self.data[error.start]
            return Row(None, error=f"0x{byte:02x} is not UTF-8 (byte {error.start} of the line, counted from 0)")


def _content(data: bytes, line: int) -> bytes:
    """A line without its end, and without the mark of UTF-8 in front of the first."""
    data = data[:-1] if data.endswith(b"\n") else data
    data = data[:-1] if data.endswith(b"\r") else data
    return data.removeprefix(_BOM) if line == 1 else data


def parse_text(line: str, options: RowOptions) -> Row:
    """The row of a line of text."""
    return Row(line)


def parse_json(line: str, options: RowOptions) -> Row:
    """The row of a line of JSON; a blank one is an empty text, as in `allennlp predict`."""
    if not line.strip():
        return Row("")
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:  # ValueError: not JSON, or a number with thousands of digits
        return Row(None, error=f"not valid JSON ({error})")
    if not isinstance(record, dict):
        return Row(None, error=f"a JSON {type(record).__name__} instead of an object")
    key = options.text_column
    if key == "text" and key not in record and "sentence" in record:
        key = "sentence"
    return _checked(record.get(key), key, options.kept(record, key), sorted(record))


def _checked(text: Any, key: str, fields: Optional[str], keys: Sequence[str]) -> Row:
    if text is None:
        return Row(None, fields, f"no `{key}` in an object with {shown(list(keys))}")
    if not isinstance(text, str):
        return Row(None, fields, f"`{key}` is a {type(text).__name__} instead of a string")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        return Row(None, fields, f"character {error.start} of `{key}` is half of a surrogate pair, which is no text")
    return Row(text, fields)


def _parquet_chunk(chunk: Chunk, options: RowOptions) -> Iterator[tuple[int, Row]]:
    import pyarrow
    import pyarrow.parquet as parquet

    with readable(chunk.file.name):
        try:
            with parquet.ParquetFile(chunk.file.path) as opened:
                names = opened.schema_arrow.names
                columns = [n for n in names if n == options.text_column or options.keep is None or n in options.keep]
                line = chunk.line
                for batch in opened.iter_batches(1024, row_groups=[chunk.place], columns=columns):
                    for row in _parquet_rows(batch, options):
                        yield line, row
                        line += 1
        except pyarrow.ArrowException as error:
            raise DataError(f"cannot be read: {error}", path=chunk.file.name) from None


def _parquet_rows(batch: Any, options: RowOptions) -> Iterator[Row]:
    values = {name: _values(column) for name, column in zip(batch.schema.names, batch.columns, strict=True)}
    texts = values[options.text_column]
    for place, text in enumerate(texts):
        record = {name: of_column[place] for name, of_column in values.items()}
        fields = options.kept(_plain(record), options.text_column)
        if isinstance(text, bytes):
            yield Row(None, fields, f"`{options.text_column}` is not UTF-8")
        else:
            yield _checked(text, options.text_column, fields, sorted(record))


def _values(column: Any) -> list[Any]:
    """The values of a column; a string that is not UTF-8 stays bytes."""
    import pyarrow as pa

    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        kind = column.type
        column = column.dictionary_decode() if pa.types.is_dictionary(kind) else column
        return [_decoded(value) for value in column.cast(pa.large_binary()).to_pylist()]


def _decoded(data: Optional[bytes]) -> Any:
    try:
        return None if data is None else data.decode("utf-8")
    except UnicodeDecodeError:
        return data


def _plain(value: Any) -> Any:
    """A value of Parquet as JSON can hold it: dates, decimals and bytes become strings."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if value is None or isinstance(value, (str, bool, int, float)) else str(value)
