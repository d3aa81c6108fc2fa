"""
Data paths, `PATH[!MEMBER][#SPLIT]`, and what they hold as a stream of lines.

PATH is a file, a folder, a compressed file, an archive (tar, compressed tar, zip) or a URL; MEMBER is a file or folder
in an archive; SPLIT is `train`, `dev` or `test`. Compression and archives are known by their first bytes, not by
their names. Archives are read member by member as streams: nothing is unpacked, so no member can be written anywhere.
"""

import difflib
import fnmatch
import os
import re
import tarfile
import tempfile
import unicodedata
import zipfile
from abc import ABC, abstractmethod
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Callable, Iterator, List, Mapping, Optional, Sequence, Tuple, cast

from ner_plugins.errors import DataError
from ner_plugins.files.missing_files import no_such_file
from ner_plugins.files.text_lines import BLOCK_SIZE, decompressed, read_lines, readable

SPLITS = ("train", "dev", "test")
COMPRESSION_SUFFIXES = ("", ".gz", ".bz2", ".xz")

# For each split, names of its files: see `choose_by_name`.
SplitFiles = Mapping[str, Sequence[str]]

# Names of a container's files, and a split, to those of that split.
ChooseFiles = Callable[[Sequence[str], str], Sequence[str]]

_URL = re.compile(r"(https?|s3|gs|hf)://", re.IGNORECASE)
_URL_MEMBER = re.compile(r"(.+?(?:\.zip|\.tar|\.tgz|\.tar\.\w+))!(.+)")
_IN_MEMORY = 64 << 20


@dataclass(frozen=True)
class DataPath:
    """
    A data path, taken apart.

    # Parameters

    path : `str`
        A file, folder or URL, as the user wrote it.
    member : `Optional[str]`
        A file or folder in it, if it is an archive.
    split : `Optional[str]`
        `train`, `dev` or `test`.
    """

    path: str
    member: Optional[str] = None
    split: Optional[str] = None

    def __str__(self) -> str:
        return self.path + (f"!{self.member}" if self.member else "") + (f"#{self.split}" if self.split else "")

    @classmethod
    def parse(cls, text: str) -> "DataPath":
        """
        Takes `text` apart. What exists under its literal name is that file, whatever `#` and `!` the name holds.

        # Raises

        `DataError` when nothing is there, with the closest name that is, or when the split is not one of the three.
        """
        if os.path.exists(text):
            return cls(text)
        rest, _, word = text.rpartition("#")
        if rest and word not in SPLITS and (_URL.match(rest) is None and os.path.exists(rest)):
            raise DataError(f"unknown split {word!r}", path=text, expected="#train, #dev or #test")
        path, split = (rest, word) if rest and word in SPLITS else (text, None)
        if _URL.match(path):
            found = _URL_MEMBER.fullmatch(path)
            return cls(found[1], found[2], split) if found else cls(path, None, split)
        left, right = _existing(path)
        if right and os.path.isdir(left):
            left, right = os.path.join(left, right), ""
        if not os.path.exists(left):
            raise no_such_file(left)
        return cls(left, right or None, split)


def _existing(path: str) -> Tuple[str, str]:
    """`path` cut at the last `!` that leaves something that exists; not at all where there is none."""
    cuts = [i for i, character in enumerate(path) if character == "!"]
    if not os.path.exists(path):
        for cut in reversed(cuts):
            if os.path.exists(path[:cut]):
                return path[:cut], path[cut + 1 :]
    return path, ""


class _Container(ABC):
    """A folder or an archive: names of files, and a stream for each."""

    @abstractmethod
    def names(self) -> List[str]: ...

    @abstractmethod
    def open(self, name: str) -> BinaryIO: ...


class _Folder(_Container):
    def __init__(self, path: str) -> None:
        self._path = path

    def names(self) -> List[str]:
        with os.scandir(self._path) as entries:
            return [entry.name for entry in entries if entry.is_file()]

    def open(self, name: str) -> BinaryIO:
        return open(os.path.join(self._path, name), "rb")


class _Zip(_Container):
    def __init__(self, path: str, stack: ExitStack) -> None:
        self._zip = stack.enter_context(zipfile.ZipFile(path))

    def names(self) -> List[str]:
        return [info.filename for info in self._zip.infolist() if not info.is_dir()]

    def open(self, name: str) -> BinaryIO:
        return cast(BinaryIO, self._zip.open(name))


class _Tar(_Container):
    def __init__(self, path: str, stack: ExitStack) -> None:
        raw = stack.enter_context(open(path, "rb"))  # noqa: SIM115 (the stack closes it)
        stream = stack.enter_context(closing(decompressed(raw)))
        if stream is not raw:
            # Members are read in the order of their names. In a compressed stream each step back would begin
            # again at the start, so large ones go through an unnamed temporary file.
            whole = stack.enter_context(tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115
            while block := stream.read(BLOCK_SIZE):
                whole.write(block)
            whole.seek(0)
            stream = cast(BinaryIO, whole)
        self._tar = stack.enter_context(tarfile.open(fileobj=stream, mode="r:"))  # noqa: SIM115
        self._members = {member.name: member for member in self._tar.getmembers() if member.isreg()}

    def names(self) -> List[str]:
        return list(self._members)

    def open(self, name: str) -> BinaryIO:
        stream = self._tar.extractfile(self._members[name])
        assert stream is not None  # only links and directories have none
        return cast(BinaryIO, stream)


def _is_zip(path: str) -> bool:
    # By its first bytes: `zipfile.is_zipfile` looks at the last, and takes a tar whose last member is a zip for one.
    with open(path, "rb") as raw:
        return raw.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def _is_tar(path: str) -> bool:
    with open(path, "rb") as raw, closing(decompressed(raw)) as stream:
        head = stream.read(512)
        # Tar files from before 1988 have no magic; an archive without members is nothing but zeros.
        return head[257:262] == b"ustar" or (head.count(0) > 100 and path.lower().endswith((".tar", ".tgz", ".tar.gz")))


@contextmanager
def _container(path: str) -> Iterator[Optional[_Container]]:
    """The folder or archive at `path`; `None` when it is a plain file (or a pipe, which is not looked into)."""
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


def choose_by_name(names: Sequence[str], split: str, split_files: SplitFiles) -> List[str]:
    """
    The files of a split, by their names.

    # Parameters

    names : `Sequence[str]`
        Paths inside a folder or archive.
    split : `str`
    split_files : `Mapping[str, Sequence[str]]`
        For each split, file names (`fnmatch` patterns) in order of preference: all files of the first pattern that
        has any are the split. Each may also be compressed, with its suffix added.

    # Returns

    `List[str]`
        Sorted; empty when there are none. Of files in several folders, those of the folder nearest to the root.

    # Raises

    `DataError` when several folders, equally near, have them.
    """
    for pattern in split_files.get(split, ()):
        for suffix in COMPRESSION_SUFFIXES:
            found = [name for name in names if fnmatch.fnmatchcase(name.rpartition("/")[2], pattern + suffix)]
            if not found:
                continue
            depth = min(name.count("/") for name in found)
            folders = sorted({name.rpartition("/")[0] for name in found if name.count("/") == depth})
            if len(folders) > 1:
                raise DataError(
                    f"several folders have {pattern}: {', '.join(folders)}", remedy="Choose one: ARCHIVE!FOLDER#SPLIT"
                )
            return sorted(name for name in found if name.rpartition("/")[0] == folders[0])
    return []


def _select(
    place: DataPath, names: Sequence[str], choose: Optional[ChooseFiles], files_have_splits: bool
) -> Sequence[str]:
    """The names that `place` asks for, of those that its folder or archive has."""
    names, is_file = _below_member(place, names)
    if is_file:
        if place.split and not files_have_splits:
            raise _no_split(place)
        return names
    if place.split and (chosen := _chosen(place, names, place.split, choose)):
        return chosen
    raise _which_split(place, names, choose)


def _below_member(place: DataPath, names: Sequence[str]) -> Tuple[List[str], bool]:
    """The files (hidden ones aside) that the member of `place` is or has, all without one; whether it is a file."""
    names = [name for name in names if not name.startswith("__MACOSX/") and not name.rpartition("/")[2].startswith(".")]
    if not place.member:
        return names, False
    normal = {unicodedata.normalize("NFC", name): name for name in names}
    member = unicodedata.normalize("NFC", place.member.rstrip("/"))
    exact = [normal[member]] if member in normal else [n for k, n in normal.items() if k.endswith("/" + member)]
    inside = [name for key, name in normal.items() if key.startswith(member + "/")]
    if len(exact) == 1:
        return exact, True
    if len(exact) > 1 or not inside:
        close = exact or difflib.get_close_matches(member, names, n=3) or sorted(names)[:5]
        problem = f"{len(exact) or 'no'} members are called {place.member!r}"
        raise DataError(problem, path=place.path, remedy=f"It has: {', '.join(close) or 'no files'}")
    return inside, False


def _chosen(place: DataPath, names: Sequence[str], split: str, choose: Optional[ChooseFiles]) -> Sequence[str]:
    try:
        return choose(names, split) if choose else ()
    except DataError as error:
        raise DataError(error.problem, path=str(place), remedy=error.remedy) from None


def _which_split(place: DataPath, names: Sequence[str], choose: Optional[ChooseFiles]) -> DataError:
    base = str(DataPath(place.path, place.member))
    splits = [split for split in SPLITS if _chosen(place, names, split, choose)]
    kind = "a folder" if os.path.isdir(place.path) else "an archive"
    problem = f"{kind} without a split {place.split!r}" if place.split else f"{kind}, not a file"
    reader = getattr(choose, "__self__", None)  # `choose` is a reader's method, where a reader asks
    if splits:
        remedy = f"Choose one of {', '.join(f'{base}#{split}' for split in splits)}"
        if reader is not None and place.split == "dev" and "train" in splits:
            name = _reader_name(reader)
            remedy += (
                f"; or let the reader {name} hold a part of the training data out, with dev_fraction: "
                f"""NER_READER='{{"type": "{name}", "dev_fraction": 0.1}}'"""
            )
        return DataError(problem, path=base, remedy=remedy)
    listed = ", ".join(sorted(names)[:8]) + (", …" if len(names) > 8 else "")
    separator = "/" if place.member or kind == "a folder" else "!"
    file = f"{base}{separator}FILE"
    if reader is None or not place.split:
        return DataError(problem, path=base, remedy=f"Name one of its files, {file}: {listed or 'it has none'}")
    return DataError(
        f"the reader {_reader_name(reader)} finds none of its splits in it",
        path=base,
        expected=", ".join(pattern for patterns in reader.split_files.values() for pattern in patterns) or None,
        remedy="Name another reader (configs take it from NER_READER), or, if the files are in this one's format, each "
        f"as {file} (NER_TRAIN, NER_DEV, NER_TEST): {listed or 'it has none'}",
    )


def _reader_name(reader: object) -> str:
    from ner_plugins.options import registered_name

    return registered_name(type(reader))


def _no_split(place: DataPath) -> DataError:
    return DataError(
        f"one file, which has no split {place.split!r}",
        path=str(DataPath(place.path, place.member)),
        remedy=f"Leave out #{place.split}, or set dev_fraction to hold a part of the file out as #dev",
    )


def _local(path: str) -> str:
    """`path`, or the cached copy of a URL."""
    if not _URL.match(path):
        return path
    from allennlp.common.file_utils import cached_path

    with readable(path):
        return str(cached_path(path))


def names_in(place: DataPath) -> Optional[List[str]]:
    """The files of the folder or archive at `place`, or of its member; `None` where `place` is one file."""
    with _container(_local(place.path)) as container:
        if container is None:
            return None
        with readable(place.path):
            names = container.names()
        names, is_file = _below_member(place, names)
        return None if is_file else names


def splits_in(path: str, choose: ChooseFiles) -> List[str]:
    """
    The splits that a folder or archive has files of, in the order of `SPLITS`; none for a single file.

    # Parameters

    path : `str`
        `PATH[!MEMBER]`.
    choose : `ChooseFiles`
        A reader's: finds the files of a split among those of the folder or archive.
    """
    place = DataPath.parse(path)
    names = names_in(place)
    return [split for split in SPLITS if names and _chosen(place, names, split, choose)]


def open_streams(
    place: DataPath, choose: Optional[ChooseFiles] = None, *, files_have_splits: bool = False
) -> Iterator[Tuple[str, BinaryIO]]:
    """
    The files that `place` means, one after the other, decompressed.

    # Parameters

    place : `DataPath`
    choose : `Optional[ChooseFiles]`
        Finds the files of a split among those of a folder or archive.
    files_have_splits : `bool`, optional (default=`False`)
        Whether a single file may be asked for by a split too, since the caller takes the split out of its records.

    # Returns

    `Iterator[Tuple[str, BinaryIO]]`
        A name for messages, and the stream, which is closed when the next one is asked for.

    # Raises

    `DataError` when there is no such file, member or split, or it is damaged.
    """
    local = _local(place.path)
    with _container(local) as container:
        if container is None:
            if place.member:
                raise DataError("not an archive", path=place.path, remedy=f"Leave out !{place.member}")
            if place.split and not files_have_splits:
                raise _no_split(place)
            with readable(place.path):
                raw: BinaryIO = open(local, "rb")  # noqa: SIM115 (opened under other errors than it is read under)
            with raw:
                yield from _decompressed_stream(place.path, raw)
            return
        separator = "/" if isinstance(container, _Folder) else "!"
        with readable(place.path):
            names = container.names()
        for name in _select(place, names, choose, files_have_splits):
            label = place.path.rstrip("/") + separator + name
            with readable(label):
                member = container.open(name)
            with member:
                yield from _decompressed_stream(label, member)


def _decompressed_stream(name: str, raw: BinaryIO) -> Iterator[Tuple[str, BinaryIO]]:
    with readable(name):
        stream = decompressed(raw)
    with stream:
        yield name, stream


def open_lines(
    path: str, encoding_errors: str = "strict", on_bad: Optional[Callable[[DataError], None]] = None
) -> Iterator[Tuple[int, str]]:
    """The lines of one file, `PATH[!MEMBER]`: see `read_lines`, and `open_streams` for the errors."""
    for name, stream in open_streams(DataPath.parse(path)):
        yield from read_lines(stream, name, encoding_errors, on_bad)


