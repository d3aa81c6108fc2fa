"""Public corpora onto the disk: fetched, checked against their checksums, and only then given their names."""

import fnmatch
import hashlib
import os
import tarfile
import tempfile
import unicodedata
import zipfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Callable, Collection, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple
from urllib.parse import unquote, urlsplit

from ner_plugins.data_tools.download.catalogue import PublicCorpus, PublishedFile, Source
from ner_plugins.data_tools.download.http import DownloadError, Fetcher, discard, local_errors
from ner_plugins.errors import ConfigError, DataError
from ner_plugins.files.opening import readable

_BLOCK = 1 << 20

# Opens a member of an archive.
_Open = Callable[[], BinaryIO]


@dataclass(frozen=True)
class Downloaded:
    """
    A corpus on the disk.

    # Parameters

    folder : `Path`
        Where its files are.
    fetched, present : `int`
        How many of them were fetched now, and how many were there already.
    """

    folder: Path
    fetched: int
    present: int


def check_permission(corpora: Sequence[PublicCorpus], accepted: Collection[str]) -> None:
    """
    Whether all of these may be fetched.

    # Parameters

    corpora : `Sequence[PublicCorpus]`
    accepted : `Collection[str]`
        Names of those whose licence the user accepts.

    # Raises

    `ConfigError` that says why not, and what to do.
    """
    for name in accepted:
        if name not in {corpus.name for corpus in corpora}:
            raise ConfigError(f"--accept-licence {name}: {name} is not among the corpora to fetch")
    for corpus in corpora:
        if corpus.licence is None:
            raise ConfigError(
                f"{corpus.name} cannot be fetched: {corpus.unavailable}. Where to ask: {corpus.ask}. "
                f"Its files are read by the dataset reader {corpus.reader}"
            )
    missing = [corpus for corpus in corpora if corpus.licence and corpus.licence.accept and corpus.name not in accepted]
    if missing:
        terms = "; ".join(f"{c.name}: {c.licence.terms}. See {c.licence.stated}" for c in missing if c.licence)
        flags = " ".join(f"--accept-licence {corpus.name}" for corpus in missing)
        raise ConfigError(f"{terms}. If you accept this, add {flags}")


def download(corpus: PublicCorpus, folder: Path, fetcher: Optional[Fetcher] = None) -> Downloaded:
    """
    A corpus in a folder, its files checked. Files that are there already are not fetched again, and none is ever
    replaced; what an interrupted run left is gone on with.

    # Parameters

    corpus : `PublicCorpus`
    folder : `Path`
        Made if it is not there.
    fetcher : `Optional[Fetcher]`

    # Raises

    `DownloadError` when a file cannot be fetched or written, is not the published one, or another file of its name is
    there.
    """
    fetcher = fetcher or Fetcher()
    fetched = 0
    with local_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for source in corpus.sources:
            there = [_is_there(folder, file) for file in source.files]
            if not all(there):
                (_fetch_members if source.archive else _fetch_file)(source, folder, fetcher)
                fetched += sum(file.count or 1 for file in source.files)
    return Downloaded(folder, fetched, corpus.files - fetched)


def _is_there(folder: Path, file: PublishedFile) -> bool:
    """Whether a file (or a whole set) is there as published; another one of its name is an error."""
    if file.count is not None:
        names = [path.name for path in folder.iterdir() if path.is_file() and fnmatch.fnmatchcase(path.name, file.name)]
        return len(names) == file.count and _measure(file, {name: folder / name for name in names}) == _expected(file)
    path = folder / file.name
    if not path.exists():
        return False
    if _measure(file, {file.name: path}) != _expected(file):
        raise _in_the_way(path)
    return True


def _in_the_way(path: Path) -> DownloadError:
    return DownloadError(f"{path} is there, but is not the published file. Move it away, or choose another folder (-o)")


def _fetch_file(source: Source, folder: Path, fetcher: Fetcher) -> None:
    (file,) = source.files
    part = folder / f"{file.name}.part"
    for again in (True, False):
        resumed = fetcher.fetch(source.address, part, source.at_most, file.size)
        found = _measure(file, {file.name: part})
        if found == _expected(file):
            os.replace(part, folder / file.name)
            discard(part)
            return
        discard(part)
        if not (resumed and again):  # pieces of two versions may have been put together: once more, in one piece
            break
    raise _mismatch(source.address, file, found)


def _fetch_members(source: Source, folder: Path, fetcher: Fetcher) -> None:
    part = folder / f"{Path(unquote(urlsplit(source.address).path)).name or 'archive'}.part"
    for again in (True, False):
        resumed = fetcher.fetch(source.address, part, source.at_most)
        try:
            with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=folder) as unpacked:
                _unpack(source, part, Path(unpacked))
                _move(Path(unpacked), folder)
        except (DataError, _NotPublished) as error:
            discard(part)
            if not (resumed and again):
                raise DownloadError(str(error)) from None
        else:
            discard(part)
            return


class _NotPublished(DownloadError):
    """What was fetched is not what the catalogue says."""


def _unpack(source: Source, part: Path, folder: Path) -> None:
    """The archive's members that the catalogue names, checked."""
    with _members(part, source.address) as members:
        chosen = {file: _choose(source, file, members) for file in source.files}
        for file, names in chosen.items():
            paths = {name.rpartition("/")[2]: folder / name.rpartition("/")[2] for name in names}
            room = file.size + 1
            for name, path in zip(names, paths.values(), strict=True):
                room -= _copy(members[name], path, room, source.address)
            if (found := _measure(file, paths)) != _expected(file):
                raise _mismatch(f"{source.address}, {file.path}", file, found)


@contextmanager
def _members(path: Path, address: str) -> Iterator[Mapping[str, _Open]]:
    """The files in a zip or tar archive, by their paths in it. (Links and devices are no files.)"""
    opened: Dict[str, Any]
    with ExitStack() as stack:
        with readable(address), open(path, "rb") as raw:
            is_zip = raw.read(4) in (b"PK\x03\x04", b"PK\x05\x06")
        with readable(address):
            if is_zip:
                archive = stack.enter_context(zipfile.ZipFile(path))
                infos = [info for info in archive.infolist() if not info.is_dir()]
                opened = {info.filename: partial(archive.open, info) for info in infos}
            else:
                tar = stack.enter_context(_tar(path))
                opened = {member.name: partial(tar.extractfile, member) for member in tar if member.isreg()}
        yield {unicodedata.normalize("NFC", name): open_ for name, open_ in opened.items()}


def _tar(path: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(path)
    except tarfile.ReadError:  # whose message has a line for every compression that it is not
        raise ValueError("neither a zip nor a tar archive, or a damaged one") from None


def _choose(source: Source, file: PublishedFile, names: Collection[str]) -> List[str]:
    """The members that a file or set of the catalogue means: of several folders, those nearest to the root."""
    folder, _, pattern = unicodedata.normalize("NFC", file.path).rpartition("/")
    found = []
    for name in names:
        parent, _, last = name.rpartition("/")
        matches = last == pattern if file.count is None else fnmatch.fnmatchcase(last, pattern)
        plain = os.path.basename(last) == last and last not in (".", "..")
        if matches and plain and f"/{parent}".endswith(f"/{folder}" if folder else ""):
            found.append(name)
    depth = min((name.count("/") for name in found), default=0)
    found = [name for name in found if name.count("/") == depth]
    if len(found) != (file.count or 1):
        expected = "one" if file.count is None else str(file.count)
        raise _NotPublished(f"{source.address}: {len(found)} members are {file.path} (expected {expected})")
    return found


def _copy(open_member: _Open, path: Path, at_most: int, address: str) -> int:
    """At most so many bytes of a member into a new file; how many they were."""
    copied = 0
    with local_errors(path), open(path, "xb") as file:
        with readable(address):
            member = open_member()
        with member:
            while copied < at_most:
                with readable(address):
                    block = member.read(min(_BLOCK, at_most - copied))
                if not block:
                    break
                copied += file.write(block)
    return copied


def _move(unpacked: Path, folder: Path) -> None:
    """All files to their place; those that are there already have to be the same."""
    paths = sorted(unpacked.iterdir())
    for path in paths:
        target = folder / path.name
        if target.exists() and (target.stat().st_size != path.stat().st_size or _sha256(target) != _sha256(path)):
            raise _in_the_way(target)
    for path in paths:
        os.replace(path, folder / path.name)


def _expected(file: PublishedFile) -> Tuple[int, str]:
    return file.size, file.sha256


def _measure(file: PublishedFile, paths: Mapping[str, Path]) -> Tuple[int, str]:
    """Bytes and checksum of a file or a set, as the catalogue counts them."""
    size = sum(path.stat().st_size for path in paths.values())
    if file.count is None:
        (path,) = paths.values()
        return size, _sha256(path)
    lines = (f"{_sha256(path)}  {name}\n" for name, path in sorted(paths.items(), key=lambda item: item[0].encode()))
    return size, hashlib.sha256("".join(lines).encode()).hexdigest()


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _mismatch(place: str, file: PublishedFile, found: Tuple[int, str]) -> _NotPublished:
    return _NotPublished(
        f"{place}: not the published file: expected {file.size} bytes with sha256 {file.sha256}, "
        f"found {found[0]} with {found[1]}. Nothing was kept"
    )
