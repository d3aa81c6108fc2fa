"""Files that are written whole or not at all."""

import bz2
import gzip
import itertools
import lzma
import os
import sys
from contextlib import ExitStack, closing, contextmanager
from typing import Any, BinaryIO, Callable, Dict, Iterator, cast

from ner_plugins.errors import ConfigError

STDOUT = "-"

# No time of writing in it: the same content gives the same file.
_COMPRESSIONS: Dict[str, Callable[[BinaryIO], Any]] = {
    ".gz": lambda raw: gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0),
    ".bz2": lambda raw: bz2.BZ2File(raw, "wb"),
    ".xz": lambda raw: lzma.LZMAFile(raw, "wb"),  # noqa: SIM115 (whoever calls it closes it)
}
_numbers = itertools.count()


def without_compression(path: str) -> str:
    """A file name without the suffix that makes `open_output` compress it."""
    base, suffix = os.path.splitext(path)
    return base if suffix.lower() in _COMPRESSIONS else path


@contextmanager
def open_output(path: str, force: bool = False) -> Iterator[BinaryIO]:
    """
    A file to write bytes to. It takes its name when the block ends; when that raises, what was there before stays.

    # Parameters

    path : `str`
        `-` is standard output. `.gz`, `.bz2` and `.xz` compress. A device or pipe is written to as it is.
    force : `bool`, optional (default=`False`)
        Whether it may replace a file.

    # Raises

    `ConfigError` when there is such a file and not `force`, or its folder is missing.
    """
    if path == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = os.path.realpath(path)  # a link goes on pointing where it did
    folder, name = os.path.split(target)
    if os.path.isdir(target):
        raise ConfigError(f"{path} is a folder: name a file in it")
    if not os.path.isdir(folder):
        raise ConfigError(f"{path}: there is no folder {folder}. Make it, or write elsewhere")
    if os.path.exists(target) and not os.path.isfile(target):
        with open(target, "wb") as device, _compressed(name, device) as stream:
            yield stream
        return
    if os.path.exists(target) and not force:
        raise ConfigError(f"{path} exists. --force replaces it (force=True in Python)")
    # Hidden, so that no reader takes it for a file of the corpus.
    partial = os.path.join(folder, f".partial-{os.getpid()}-{next(_numbers)}")
    try:
        with open(partial, "wb") as file, _compressed(name, file) as stream:
            yield stream
        os.replace(partial, target)
    finally:
        if os.path.exists(partial):
            os.unlink(partial)


@contextmanager
def _compressed(name: str, raw: BinaryIO) -> Iterator[BinaryIO]:
    compress = _COMPRESSIONS.get(os.path.splitext(name)[1].lower())
    with ExitStack() as stack:
        yield cast(BinaryIO, stack.enter_context(closing(compress(raw)))) if compress else raw
