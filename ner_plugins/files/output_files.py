"""Files that are written whole or not at all."""

import bz2
import gzip
import json
import lzma
import os
import sys
from contextlib import ExitStack, closing, contextmanager
from typing import Any, BinaryIO, Callable, Iterator, cast

from ner_plugins.errors import ConfigError
from ner_plugins.files.atomic import atomic_path, named_when_full

STDOUT = "-"

# Without the time of writing, so that the same content gives the same file.
_COMPRESSIONS: dict[str, Callable[[BinaryIO], Any]] = {
    ".gz": lambda raw: gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0),
    ".bz2": lambda raw: bz2.BZ2File(raw, "wb"),
    ".xz": lambda raw: lzma.LZMAFile(raw, "wb"),  # noqa: SIM115 (the caller closes it)
}


def without_compression(path: str) -> str:
    """A file name without the suffix that makes `open_output` compress it."""
    base, suffix = os.path.splitext(path)
    return base if suffix.lower() in _COMPRESSIONS else path


@contextmanager
def open_output(path: str, force: bool = False) -> Iterator[BinaryIO]:
    """
    A file to write bytes to. It gets its name when the block ends; if the block raises, an earlier file stays.

    # Parameters

    path : `str`
        `-` is standard output. `.gz`, `.bz2` and `.xz` compress. A device or pipe is written to directly.
    force : `bool`, optional (default=`False`)
        Whether to replace an existing file.

    # Raises

    `ConfigError` if the file exists without `force`, if it is a folder, if its folder is missing, or without a name.
    """
    if path == STDOUT:
        with named_when_full("standard output"):
            sys.stdout.flush()  # what was printed before
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        return
    if not path:
        raise ConfigError("the name of the file to write is empty")
    if os.path.isdir(path):
        raise ConfigError(f"{path} is a folder: name a file in it")
    target = os.path.realpath(path)  # write through a link
    folder, name = os.path.split(target)
    if _is_device(path):
        with named_when_full(path), open(path, "wb") as device, _compressed(name, device) as stream:
            yield stream
        return
    if not os.path.isdir(folder):
        raise ConfigError(f"{path}: there is no folder {folder}. Make it, or write elsewhere")
    if os.path.exists(target) and not force:
        raise ConfigError(f"{path} exists. --force replaces it (force=True in Python)")
    with atomic_path(target) as partial, open(partial, "wb") as file, _compressed(name, file) as stream:
        yield stream


def _is_device(path: str) -> bool:
    """Whether nothing can be renamed to `path`: a device, a pipe, or a file that is open as `/dev/stdout`."""
    return os.path.exists(path) and (not os.path.isfile(path) or path.startswith("/dev/"))


@contextmanager
def _compressed(name: str, raw: BinaryIO) -> Iterator[BinaryIO]:
    compress = _COMPRESSIONS.get(os.path.splitext(name)[1].lower())
    with ExitStack() as stack:
        yield cast(BinaryIO, stack.enter_context(closing(compress(raw)))) if compress else raw


def dump_json(value: Any) -> str:
    """JSON with characters as they are, or all escaped if a text has a lone surrogate, which UTF-8 cannot hold."""
    line = json.dumps(value, ensure_ascii=False)
    try:
        line.encode("utf-8")
    except UnicodeEncodeError:
        line = json.dumps(value)
    return line
