"""The files that a job reads: found by name, folder or pattern."""

import glob
import os
from dataclasses import dataclass
from typing import Iterator, Literal, Optional, Sequence, get_args

from ner_plugins.errors import ConfigError, DataError
from ner_plugins.files.data_paths import COMPRESSION_SUFFIXES, is_url, no_such_file

InputFormat = Literal["json", "text", "parquet"]
INPUT_FORMATS: tuple[InputFormat, ...] = get_args(InputFormat)
_SUFFIXES: dict[str, InputFormat] = {".json": "json", ".jsonl": "json", ".ndjson": "json", ".parquet": "parquet"}


@dataclass(frozen=True)
class InputFile:
    """
    A file to read.

    # Parameters

    name : `str`
        As in the results: as the user wrote it, or its folder.
    path : `str`
        Absolute, with links resolved.
    format : `InputFormat`
    """

    name: str
    path: str
    format: InputFormat


def find_inputs(
    names: Sequence[str], input_format: Optional[InputFormat] = None, output: Optional[str] = None
) -> list[InputFile]:
    """
    The files that names stand for, each once, sorted by name.

    # Parameters

    names : `Sequence[str]`
        Files, folders (all files below them but hidden ones, which begin with `.` or `_`) or patterns (`*`, `?`,
        `[…]`, and `**` for folders).
    input_format : `Optional[InputFormat]`, optional (default=`None`)
        Of all files; `None` to tell it by each name: `.json`, `.jsonl` and `.ndjson`, perhaps compressed, hold JSON
        lines, `.parquet` is Parquet, and all else is text.
    output : `Optional[str]`, optional (default=`None`)
        The folder of the results, which must not be among the files.

    # Raises

    `DataError` if a name stands for no file; `ConfigError` if the output lies in a folder that is read.
    """
    found: dict[str, str] = {}
    for name in names:
        for file in _files(name):
            path = os.path.realpath(file)
            if output is not None and path.startswith(os.path.realpath(output) + os.sep):
                raise ConfigError(f"{output}: the output lies among the input, of which {file} is a part: name another")
            found.setdefault(path, file)
    files = [InputFile(name, path, input_format or format_of(path)) for path, name in found.items()]
    return sorted(files, key=lambda file: file.name)


def format_of(path: str) -> InputFormat:
    """The format that a file's name stands for."""
    name = path.lower()
    for compression in filter(None, COMPRESSION_SUFFIXES):
        name = name.removesuffix(compression)
    return _SUFFIXES.get(os.path.splitext(name)[1], "text")


def _files(name: str) -> list[str]:
    """The files that one name stands for."""
    if is_url(name):
        raise DataError("a URL", path=name, expected="a file, folder or pattern", remedy="Mount or download it")
    if os.path.isdir(name):
        if found := sorted(_visible(name)):
            return found
        raise DataError("the folder has no file", path=name, expected="JSON lines, text or Parquet")
    if os.path.exists(name):
        if not os.path.isfile(name):
            raise DataError("a device or a pipe", path=name, expected="a file, which can be read again after a stop")
        return [name]
    if not glob.has_magic(name):
        raise no_such_file(name)
    found = sorted(file for file in glob.glob(name, recursive=True) if os.path.isfile(file))
    if not found:
        raise DataError("no file matches the pattern", path=name, remedy=f"It was looked for in {os.getcwd()}")
    return found


def _visible(folder: str) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        folders[:] = [one for one in folders if not one.startswith((".", "_"))]
        yield from (os.path.join(place, file) for file in files if not file.startswith((".", "_")))
