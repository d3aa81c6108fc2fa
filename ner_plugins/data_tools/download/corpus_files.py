"""The files of a public corpus: fetched, verified by their checksums, and only then put into its folder."""

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
from typing import Any, BinaryIO, Callable, Collection, Iterator, Mapping, Optional, Sequence
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
    A corpus on disk.

    # Parameters

    folder : `Path`
        The folder with its files.
    fetched : `int`
        Files that were fetched now.
    present : `int`
        Files that were in the folder before.
    """

    folder: Path
    fetched: int
    present: int


def check_permission(corpora: Sequence[PublicCorpus], accepted: Collection[str]) -> None:
    """
    Check that all corpora may be fetched.

    # Parameters

    corpora : `Sequence[PublicCorpus]`
    accepted : `Collection[str]`
        Names of corpora whose licences the user accepts.

    # Raises

    `ConfigError`, with the reason and a remedy, if a corpus may not be fetched.
    """
    for name in accepted:
        if name not in {corpus.name for corpus in corpora}:
            raise ConfigError(f"--accept-licence {name}: {name} is not among the corpora to fetch")
    for corpus in corpora:
        if corpus.licence is None:
            raise ConfigError(
                f"{corpus.name} cannot be fetched: {corpus.unavailable}. Where to ask: {corpus.ask}. "
                f"The dataset reader {corpus.reader} reads its files"
            )
    missing = [corpus for corpus in corpora if corpus.licence and corpus.licence.accept and corpus.name not in accepted]
    if missing:
        terms = "; ".join(f"{c.name}: {c.licence.terms}. See {c.licence.stated}" for c in missing if c.licence)
        flags = " ".join(f"--accept-licence {corpus.name}" for corpus in missing)
        raise ConfigError(f"{terms}. If you accept this, add {flags}")


def download(corpus: PublicCorpus, folder: Path, fetcher: Optional[Fetcher] = None) -> Downloaded:
    """
    Fetch the files of a corpus into a folder and verify them.

    Files in the folder are verified, but neither fetched again nor replaced. An interrupted download is resumed.

    # Parameters

    corpus : `PublicCorpus`
    folder : `Path`
        Created if it does not exist.
    fetcher : `Optional[Fetcher]`, optional (default=`None`)

    # Raises

    `DownloadError` if a file cannot be fetched or written, or differs from the published one.
    """
    fetcher = fetcher or Fetcher()
    fetched = 0
    with local_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for source in corpus.sources:
            present = [_is_present(folder, file) for file in source.files]
            if not all(present):
                (_fetch_members if source.archive else _fetch_file)(source, folder, fetcher)
                fetched += sum(file.count or 1 for file in source.files)
    return Downloaded(folder, fetched, corpus.files - fetched)


def _is_present(folder: Path, file: PublishedFile) -> bool:
    """Whether the folder has a file or a whole set as published; `DownloadError` if it has another file of the name."""
    if file.count is not None:
        names = [path.name for path in folder.iterdir() if path.is_file() and fnmatch.fnmatchcase(path.name, file.name)]
        return len(names) == file.count and _measure(file, {name: folder / name for name in names}) == _expected(file)
    path = folder / file.name
    if not path.exists():
        return False
    if not path.is_file():  # a device may have no end
        raise _in_the_way(path)
    if _measure(file, {file.name: path}) != _expected(file):
        raise _in_the_way(path)
    return True


def _in_the_way(path: Path) -> DownloadError:
    return DownloadError(f"{path} exists, but is not the published file. Move it away, or choose another folder (-o)")


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
        if not (resumed and again):  # it may mix two versions: fetch it once more as a whole
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
    """A fetched file differs from the catalogue."""


def _unpack(source: Source, part: Path, folder: Path) -> None:
    """Unpack the members that the catalogue lists, and verify them."""
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
    """The regular files of a zip or tar archive by path, without links and devices."""
    opened: dict[str, Any]
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
    except tarfile.ReadError:  # its message has a line for every compression that was tried
        raise ValueError("neither a zip nor a tar archive, or a damaged one") from None


def _choose(source: Source, file: PublishedFile, names: Collection[str]) -> list[str]:
    """The members that match a file or set of the catalogue; if several folders match, those nearest to the root."""
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
        raise _NotPublished(f"{source.address}: {len(found)} members match {file.path} (expected {expected})")
    return found


def _copy(open_member: _Open, path: Path, at_most: int, address: str) -> int:
    """Copy at most `at_most` bytes of a member to a new file, and return their number."""
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
    """Move all files into the folder; existing files must be identical."""
    paths = sorted(unpacked.iterdir())
    for path in paths:
        target = folder / path.name
        if target.exists() and (target.stat().st_size != path.stat().st_size or _sha256(target) != _sha256(path)):
            raise _in_the_way(target)
    for path in paths:
        os.replace(path, folder / path.name)


def _expected(file: PublishedFile) -> tuple[int, str]:
    return file.size, file.sha256


def _measure(file: PublishedFile, paths: Mapping[str, Path]) -> tuple[int, str]:
    """The size and checksum of a file or a set, as in the catalogue."""
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


def _mismatch(place: str, file: PublishedFile, found: tuple[int, str]) -> _NotPublished:
    return _NotPublished(
        f"{place}: not the published file: expected {file.size} bytes with sha256 {file.sha256}, "
        f"found {found[0]} with {found[1]}. Nothing was kept"
    )
