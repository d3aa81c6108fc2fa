"""
Opening what data paths stand for: folders, archives, compressed files and URLs as streams of bytes.

Compression and archives are recognised by their first bytes, not by their names. Archives are read member by member as
streams; nothing is extracted to disk, so a hostile member cannot be written anywhere.
"""

import bz2
import gzip
import io
import lzma
import os
import re
import struct
import tarfile
import tempfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from contextlib import ExitStack, closing, contextmanager
from typing import Any, BinaryIO, Iterator, Optional, cast

from ner_plugins.errors import DataError
from ner_plugins.files.data_paths import (
    SPLITS,
    ChooseFiles,
    DataPath,
    chosen_files,
    is_url,
    members,
    no_split,
    selected_files,
)

BLOCK_SIZE = 1 << 18

_IN_MEMORY = 64 << 20

# What the standard library raises on damaged, encrypted or unreadable files.
_UNREADABLE = (
    OSError, EOFError, ValueError, LookupError, ArithmeticError, RuntimeError,
    struct.error, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile,
)  # fmt: skip


@contextmanager
def readable(name: str) -> Iterator[None]:
    """
    Turn the errors of damaged or unreadable files into `DataError`.

    # Parameters

    name : `str`
        The file, for the message.
    """
    try:
        yield
    except _UNREADABLE as error:
        what = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
        remedy = "Check that it is complete and that you may read it"
        raise DataError(f"cannot be read: {what}", path=name, remedy=remedy) from error


def decompressed(raw: BinaryIO) -> BinaryIO:
    """`raw` itself, or the decompressed stream if its first bytes are those of gzip, bzip2 or xz; `raw` has `peek`."""
    head: bytes = cast(Any, raw).peek(10)[:10]
    opened: Any
    if head.startswith(b"\x1f\x8b"):
        opened = gzip.GzipFile(fileobj=raw)
    elif re.match(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)", head):
        opened = bz2.BZ2File(raw)
    elif head.startswith(b"\xfd7zXZ\x00"):
        opened = lzma.LZMAFile(raw)  # noqa: SIM115
    else:
        return raw
    return cast(BinaryIO, io.BufferedReader(opened, BLOCK_SIZE))


class Rewound(io.RawIOBase):
    """
    A stream whose first bytes were already read, from its start again. For readers that examine the head of a file.

    # Parameters

    head : `bytes`
        The bytes that were read.
    rest : `BinaryIO`
        The stream after them.
    """

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head, self._rest = head, rest

    def read(self, size: int = -1, /) -> bytes:
        """The whole head first, whatever `size`; then `size` bytes of the stream."""
        head, self._head = self._head, b""
        return head or self._rest.read(size)


def examined(stream: BinaryIO, size: int) -> tuple[bytes, BinaryIO]:
    """
    The first bytes of a stream, and the stream from its start.

    # Parameters

    stream : `BinaryIO`
        Where it can be peeked into, nothing is read: of a truncated file, what a read found before the error is lost.
    size : `int`
        How many bytes at least, if there are so many; fewer if less is buffered.
    """
    if hasattr(stream, "peek"):
        return cast(Any, stream).peek(size), stream
    head = stream.read(size)
    return head, cast(BinaryIO, Rewound(head, stream))


class _Container(ABC):
    """A folder or an archive: the names of its files, and a stream for each."""

    @abstractmethod
    def names(self) -> list[str]:
        """The names of its files: relative to a folder, as stored in an archive."""

    @abstractmethod
    def open(self, name: str) -> BinaryIO:
        """The bytes of one of these files."""


class _Folder(_Container):
    def __init__(self, path: str) -> None:
        self._path = path

    def names(self) -> list[str]:
        with os.scandir(self._path) as entries:
            return [entry.name for entry in entries if entry.is_file()]

    def open(self, name: str) -> BinaryIO:
        return open(os.path.join(self._path, name), "rb")


class _Zip(_Container):
    def __init__(self, path: str, stack: ExitStack) -> None:
        self._zip = stack.enter_context(zipfile.ZipFile(path))

    def names(self) -> list[str]:
        return [info.filename for info in self._zip.infolist() if not info.is_dir()]

    def open(self, name: str) -> BinaryIO:
        return cast(BinaryIO, self._zip.open(name))


class _Tar(_Container):
    def __init__(self, path: str, stack: ExitStack) -> None:
        raw = stack.enter_context(open(path, "rb"))  # noqa: SIM115 (the stack closes it)
        stream = stack.enter_context(closing(decompressed(raw)))
        if stream is not raw:
            # Members are read in the order of their names. Each seek backwards in a compressed stream would restart
            # at its beginning, so decompress it first; a large one into an unnamed temporary file.
            whole = stack.enter_context(tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115
            while block := stream.read(BLOCK_SIZE):
                whole.write(block)
            whole.seek(0)
            stream = cast(BinaryIO, whole)
        self._tar = stack.enter_context(tarfile.open(fileobj=stream, mode="r:"))  # noqa: SIM115
        self._members = {member.name: member for member in self._tar.getmembers() if member.isreg()}

    def names(self) -> list[str]:
        return list(self._members)

    def open(self, name: str) -> BinaryIO:
        stream = self._tar.extractfile(self._members[name])
        assert stream is not None  # only links and directories have none
        return cast(BinaryIO, stream)


def _is_zip(path: str) -> bool:
    # `zipfile.is_zipfile` looks at the last bytes, and mistakes a tar whose last member is a zip for one.
    with open(path, "rb") as raw:
        return raw.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def _is_tar(path: str) -> bool:
    with open(path, "rb") as raw, closing(decompressed(raw)) as stream:
        head = stream.read(512)
        # Tar files from before 1988 have no magic number; an archive without members consists of zeros.
        return head[257:262] == b"ustar" or (head.count(0) > 100 and path.lower().endswith((".tar", ".tgz", ".tar.gz")))


@contextmanager
def _container(path: str) -> Iterator[Optional[_Container]]:
    """The folder or archive at `path`; `None` for a plain file, or for a pipe, which is not examined."""
    with ExitStack() as stack:
        container: Optional[_Container] = None
        with readable(path):
            if os.path.isdir(path):
                container = _Folder(path)
            elif os.path.isfile(path) and _is_zip(path):
                container = _Zip(path, stack)
            elif os.path.isfile(path) and _is_tar(path):
                container = _Tar(path, stack)
        yield container


def local_path(path: str) -> str:
    """`path`, or the cached copy of a URL."""
    if not is_url(path):
        return path
    from allennlp.common.file_utils import cached_path

    with readable(path):
        return str(cached_path(path))


def names_in(place: DataPath) -> Optional[list[str]]:
    """The files of the folder or archive at `place`, or below its member; `None` if `place` is one file."""
    with _container(local_path(place.path)) as container:
        if container is None:
            return None
        with readable(place.path):
            names = container.names()
        names, is_file = members(place, names)
        return None if is_file else names


def splits_in(path: str, choose: ChooseFiles) -> list[str]:
    """
    The splits for which a folder or archive has files, in the order of `SPLITS`; none for a single file.

    # Parameters

    path : `str`
        `PATH[!MEMBER]`.
    choose : `ChooseFiles`
        Finds the files of a split among those of the folder or archive.
    """
    place = DataPath.parse(path)
    names = names_in(place)
    return [split for split in SPLITS if names and chosen_files(place, names, split, choose)]


def open_streams(
    place: DataPath, choose: Optional[ChooseFiles] = None, *, files_have_splits: bool = False
) -> Iterator[tuple[str, BinaryIO]]:
    """
    The files that a data path stands for, one after the other, decompressed.

    # Parameters

    place : `DataPath`
    choose : `Optional[ChooseFiles]`
        Finds the files of a split among those of a folder or archive.
    files_have_splits : `bool`, optional (default=`False`)
        Whether a single file can be asked for by a split too, because the caller selects the split's records.

    # Returns

    `Iterator[tuple[str, BinaryIO]]`
        A name for messages, and the stream, which is closed when the next one is requested.

    # Raises

    `DataError` if there is no such file, member or split, or if it is damaged.
    """
    local = local_path(place.path)
    with _container(local) as container:
        if container is None:
            if place.member:
                raise DataError("not an archive", path=place.path, remedy=f"Leave out !{place.member}")
            if place.split and not files_have_splits:
                raise no_split(place)
            with readable(place.path):
                raw: BinaryIO = open(local, "rb")  # noqa: SIM115 (opened under `readable`, closed outside it)
            with raw:
                yield from _decompressed_stream(place.path, raw)
            return
        separator = "/" if isinstance(container, _Folder) else "!"
        with readable(place.path):
            names = container.names()
        for name in selected_files(place, names, choose, files_have_splits):
            label = place.path.rstrip("/") + separator + name
            with readable(label):
                member = container.open(name)
            with member:
                yield from _decompressed_stream(label, member)


def _decompressed_stream(name: str, raw: BinaryIO) -> Iterator[tuple[str, BinaryIO]]:
    with readable(name):
        stream = decompressed(raw)
    with stream:
        yield name, stream
