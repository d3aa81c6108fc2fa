"""An index of an input file: its digest, its number of lines, and places at which reading can begin."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Iterator, Mapping, Optional, Sequence

from ner_plugins.bulk.inputs import InputFile, InputFormat
from ner_plugins.bulk.row_ids import MAX_LINES
from ner_plugins.errors import DataError
from ner_plugins.files.encodings import conversion, marked_encoding
from ner_plugins.files.opening import decompressed, readable

_BLOCK = 1 << 20
CHUNK_BYTES = 16 << 20
"""The least number of bytes from one place to begin at to the next."""
MAX_CHUNKS = 20_000
"""About the highest number of such places in a job: each is a task that Ray holds in memory."""


@dataclass(frozen=True)
class FileIndex:
    """
    What is known of a file.

    # Parameters

    name, path : `str`
        See `InputFile`.
    format : `InputFormat`
    size : `int`
        In bytes.
    modified : `int`
        The time of its last change, in ns.
    sha256 : `str`
        Of its bytes.
    lines : `int`
        Or rows, of a Parquet file.
    chunks : `tuple[tuple[int, int], ...]`
        Places at which reading can begin: the line, from 1, and the byte, or in a Parquet file the row group. A
        compressed file has one.
    """

    name: str
    path: str
    format: InputFormat
    size: int
    modified: int
    sha256: str
    lines: int
    chunks: tuple[tuple[int, int], ...]

    def to_json(self) -> dict[str, Any]:
        """The fields, for `from_json`."""
        return {**self.__dict__, "chunks": [list(chunk) for chunk in self.chunks]}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "FileIndex":
        """What `to_json` has written."""
        return cls(**{**fields, "chunks": tuple((line, place) for line, place in fields["chunks"])})

    def is_current(self, file: InputFile) -> bool:
        """Whether a file seems to be the one indexed: by its path, format, size and time of change."""
        status = os.stat(file.path)
        found = (file.path, file.format, status.st_size, status.st_mtime_ns)
        return found == (self.path, self.format, self.size, self.modified)


def index_files(
    files: Sequence[InputFile], text_column: str, known: Sequence[FileIndex] = (), threads: Optional[int] = None
) -> list[FileIndex]:
    """
    Index files. Every byte is read once, but for the files that are `known` and have not changed.

    # Parameters

    files : `Sequence[InputFile]`
    text_column : `str`
        The column of the text, which a Parquet file has to have.
    known : `Sequence[FileIndex]`, optional (default=`()`)
        Earlier indices.
    threads : `Optional[int]`, optional (default=`None`)
        How many files are read at once; `None` for the number of cores, at most 16.

    # Raises

    `DataError` if a file cannot be read, or is no Parquet file with such a column.
    """
    earlier = {index.path: index for index in known}
    chunk = max(CHUNK_BYTES, sum(os.path.getsize(file.path) for file in files) // MAX_CHUNKS)

    def index(file: InputFile) -> FileIndex:
        with readable(file.name):
            before = earlier.get(file.path)
            if before is not None and before.is_current(file):
                return before
            return index_file(file, text_column, chunk)

    with ThreadPoolExecutor(threads or min(16, os.cpu_count() or 1)) as pool:
        return list(pool.map(index, files))


def index_file(file: InputFile, text_column: str, chunk_bytes: int = CHUNK_BYTES) -> FileIndex:
    """`index_files` of one file, with places to begin at every `chunk_bytes`."""
    status = os.stat(file.path)
    digest = hashlib.sha256()
    if file.format == "parquet":
        lines, chunks = _parquet_rows(file, text_column)
        for block in _blocks(open(file.path, "rb")):  # noqa: SIM115 (`_blocks` closes it)
            digest.update(block)
    elif _is_compressed(file.path):
        for block in _blocks(open(file.path, "rb")):  # noqa: SIM115
            digest.update(block)
        lines, chunks = _count(_blocks(decompressed(open(file.path, "rb"))), None)  # noqa: SIM115
    else:
        lines, chunks = _count(_blocks(open(file.path, "rb")), chunk_bytes, digest)  # noqa: SIM115
    if file.format != "parquet" and (encoding := _mark(file.path)):
        raise DataError(f"{encoding} text", path=file.name, expected="UTF-8", remedy=conversion(encoding))
    if lines >= MAX_LINES:
        raise DataError(f"{lines} lines", path=file.name, expected=f"fewer than {MAX_LINES}", remedy="Split the file")
    return FileIndex(
        file.name, file.path, file.format, status.st_size, status.st_mtime_ns, digest.hexdigest(), lines, chunks
    )


def _blocks(stream: Any) -> Iterator[bytes]:
    with stream:
        while block := stream.read(_BLOCK):
            yield block


def _is_compressed(path: str) -> bool:
    with open(path, "rb") as raw:
        return decompressed(raw) is not raw


def _mark(path: str) -> Optional[str]:
    with decompressed(open(path, "rb")) as stream:
        return marked_encoding(stream.read(4))


def _count(
    blocks: Iterator[bytes], chunk_bytes: Optional[int], digest: Optional[Any] = None
) -> tuple[int, tuple[tuple[int, int], ...]]:
    """The number of lines, and the line and byte at which each chunk begins; the last line may lack its LF."""
    lines = position = 0
    chunks = [(1, 0)]
    last = b"\n"
    for block in blocks:
        if digest is not None:
            digest.update(block)
        inside = 0  # bytes of the block whose lines are counted
        while chunk_bytes is not None:
            due = max(inside, chunks[-1][1] + chunk_bytes - 1 - position)
            end = block.find(b"\n", due) + 1 if due < len(block) else 0
            if not end:
                break
            lines += block.count(b"\n", inside, end)
            inside = end
            chunks.append((lines + 1, position + end))
        lines += block.count(b"\n", inside)
        position += len(block)
        last = block[-1:]
    lines += last != b"\n"
    return lines, tuple(chunk for chunk in chunks if chunk[0] <= lines)


def _parquet_rows(file: InputFile, text_column: str) -> tuple[int, tuple[tuple[int, int], ...]]:
    """The number of rows, and the first row of each row group."""
    import pyarrow
    import pyarrow.parquet as parquet

    try:
        with parquet.ParquetFile(file.path) as opened:
            metadata, schema = opened.metadata, opened.schema_arrow
    except pyarrow.ArrowException as error:
        raise DataError(f"not a complete Parquet file ({error})", path=file.name) from None
    if text_column not in schema.names:
        remedy = f"Name the column with the text: --text-column. There are {', '.join(schema.names)}"
        raise DataError(f"no column {text_column!r}", path=file.name, remedy=remedy)
    kind = schema.field(text_column).type
    kind = kind.value_type if pyarrow.types.is_dictionary(kind) else kind
    if not (pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind)):
        raise DataError(f"the column {text_column!r} is of type {kind}", path=file.name, expected="strings")
    chunks, row = [], 1
    for group in range(metadata.num_row_groups):
        if metadata.row_group(group).num_rows:
            chunks.append((row, group))
        row += metadata.row_group(group).num_rows
    return metadata.num_rows, tuple(chunks)
