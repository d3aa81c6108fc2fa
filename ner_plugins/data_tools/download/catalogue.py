"""
The catalogue of public corpora: descriptions, licences, addresses and checksums.

It is the JSON object in `catalogue.json` beside this module; users can add a file with the same layout:

    {"NAME": {
        "description": "…", "types": ["PER", …], "reader": "conll_ner", "notes": "…",
        "licence": {"terms": "CC BY 4.0", "stated": "https://…", "accept": false},
        "sources": [
            {"address": "https://…/train.txt", "name": "train.txt", "size": 12345, "sha256": "…"},
            {"address": "https://…/all.zip", "at_most": 1000000, "members": [
                {"path": "data/dev.txt", "size": 1234, "sha256": "…"},
                {"path": "test/*.txt", "count": 12, "size": 123456, "sha256": "…"}]}]}}

The first source is a file, the second an archive (zip, tar, compressed tar) from which only the listed members are
kept. Members have checksums rather than the archive, since hosts repack the same files over time. The `path` of a
member is the end of its path in the archive. With wildcards in its last part it matches `count` files: `size` is their
total size, and `sha256` is what `sha256sum *.txt | sha256sum` prints in their folder (with `LC_ALL=C`). With
`accept: true`, users must accept the licence by the corpus's name. A corpus that cannot be downloaded has
`"unavailable": "why", "ask": "where to get it"` instead of licence and sources.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable, Mapping, Optional

from ner_plugins.errors import ConfigError
from ner_plugins.options import check_name

_CATALOGUE = Path(__file__).with_name("catalogue.json")
_NAME = re.compile(r"[\w-][\w. -]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Licence:
    """
    The terms of a corpus.

    # Parameters

    terms : `str`
        The terms in plain words.
    stated : `str`
        Where they are published.
    accept : `bool`, optional (default=`False`)
        Whether users must accept them by the corpus's name before a download.
    """

    terms: str
    stated: str
    accept: bool = False


@dataclass(frozen=True)
class PublishedFile:
    """
    A file of a corpus, or a set of them.

    # Parameters

    path : `str`
        Its name or, in an archive, the end of its path. A set of files has wildcards in the last part.
    size : `int`
        Bytes of the file, or of all files of the set.
    sha256 : `str`
        Checksum of the file, or of the lines that `sha256sum` prints for the files of the set, sorted by name.
    count : `Optional[int]`, optional (default=`None`)
        Number of files in a set; `None` for a single file.
    """

    path: str
    size: int
    sha256: str
    count: Optional[int] = None

    @property
    def name(self) -> str:
        """The last part of the path: the name on disk, or the pattern of a set's names."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Source:
    """
    An address to fetch from.

    # Parameters

    address : `str`
    files : `tuple[PublishedFile, ...]`
        The files to keep.
    at_most : `int`
        Maximum number of bytes to fetch.
    archive : `bool`, optional (default=`False`)
        Whether the files are members of an archive; otherwise the address is that of the only file.
    """

    address: str
    files: tuple[PublishedFile, ...]
    at_most: int
    archive: bool = False


@dataclass(frozen=True)
class PublicCorpus:
    """
    A corpus of the catalogue.

    # Parameters

    name, description : `str`
    types : `tuple[str, ...]`
    reader : `str`
        The registered name of its dataset reader.
    licence : `Optional[Licence]`, optional (default=`None`)
        `None` if it cannot be downloaded.
    sources : `tuple[Source, ...]`, optional (default=`()`)
    unavailable : `str`, optional (default=`""`)
        Why it cannot be downloaded.
    ask : `str`, optional (default=`""`)
        Where to get it if it cannot be downloaded.
    notes : `str`, optional (default=`""`)
        Other remarks for users.
    """

    name: str
    description: str
    types: tuple[str, ...]
    reader: str
    licence: Optional[Licence] = None
    sources: tuple[Source, ...] = ()
    unavailable: str = ""
    ask: str = ""
    notes: str = ""

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.size for source in self.sources for file in source.files)

    @property
    def files(self) -> int:
        """Number of files on disk."""
        return sum(file.count or 1 for source in self.sources for file in source.files)


def load_catalogue(own: Optional[str] = None) -> dict[str, PublicCorpus]:
    """
    The corpora by name.

    # Parameters

    own : `Optional[str]`, optional (default=`None`)
        A user's catalogue. Its corpora are added, and replace ours of the same name.

    # Raises

    `ConfigError`, with file and key, if a catalogue is invalid.
    """
    catalogue = _parse(_CATALOGUE)
    if own is not None:
        catalogue.update(_parse(Path(own)))
    return catalogue


def choose_corpora(catalogue: Mapping[str, PublicCorpus], names: Iterable[str]) -> list[PublicCorpus]:
    """
    The corpora of these names, without duplicates.

    # Raises

    `ConfigError` if the catalogue lacks a name.
    """
    unique = list(dict.fromkeys(names))
    for name in unique:
        check_name("the public corpus", name, catalogue)
    return [catalogue[name] for name in unique]


def _parse(path: Path) -> dict[str, PublicCorpus]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: the catalogue cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: the catalogue is not valid JSON: {error}") from None
    entries = _Entry(str(path), value)
    return {name: _corpus(name, entries.under(name)) for name in entries.names()}


class _Entry:
    """A JSON object of the catalogue, and its key for messages."""

    def __init__(self, place: str, value: Any) -> None:
        self._place = place
        if not isinstance(value, dict):
            raise ConfigError(f"{place} is not a JSON object")
        self._value: dict[str, Any] = value

    def bad(self, key: str, expected: str) -> ConfigError:
        """The error for an invalid value."""
        return ConfigError(f"{self._place}.{key} is {self._value.get(key)!r}, but must be {expected}")

    def names(self) -> list[str]:
        """The keys of the object."""
        return list(self._value)

    def has(self, key: str) -> bool:
        """Whether the object has this key."""
        return key in self._value

    def under(self, key: str) -> "_Entry":
        """The object at a key."""
        return _Entry(f"{self._place}.{key}", self._value.get(key))

    def each(self, key: str) -> list["_Entry"]:
        """The objects of the list at a key."""
        values = self._value.get(key)
        if not isinstance(values, list) or not values:
            raise self.bad(key, "a list that is not empty")
        return [_Entry(f"{self._place}.{key}[{index}]", value) for index, value in enumerate(values)]

    def only(self, *keys: str) -> None:
        """Raise a `ConfigError` if the object has any other key."""
        for key in self._value:
            if key not in keys:
                raise ConfigError(f"{self._place} has the unknown key {key!r}: it must be one of {', '.join(keys)}")

    def text(self, key: str, default: Optional[str] = None, pattern: str = r"(?s).+", expected: str = "a text") -> str:
        """The text at a key, which has to match `pattern` unless it is the default."""
        value = self._value.get(key, default)
        if not isinstance(value, str) or (value != default and not re.fullmatch(pattern, value)):
            raise self.bad(key, expected)
        return value

    def number(self, key: str) -> int:
        """The positive integer at a key."""
        value = self._value.get(key)
        if type(value) is not int or value < 1:
            raise self.bad(key, "a positive integer")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """The list of texts at a key, empty if the key is absent."""
        values = self._value.get(key, [])
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise self.bad(key, "a list of texts")
        return tuple(values)

    def flag(self, key: str) -> bool:
        """The truth value at a key, false if the key is absent."""
        value = self._value.get(key, False)
        if not isinstance(value, bool):
            raise self.bad(key, "true or false")
        return value


def _corpus(name: str, entry: _Entry) -> PublicCorpus:
    if not _NAME.fullmatch(name):
        raise ConfigError(f"the catalogue has a corpus called {name!r}, which cannot be the name of a folder")
    about = (name, entry.text("description"), entry.texts("types"), entry.text("reader"))
    notes = entry.text("notes", "")
    if entry.has("unavailable"):
        entry.only("description", "types", "reader", "notes", "unavailable", "ask")
        return PublicCorpus(*about, unavailable=entry.text("unavailable"), ask=entry.text("ask"), notes=notes)
    entry.only("description", "types", "reader", "notes", "licence", "sources")
    terms = entry.under("licence")
    terms.only("terms", "stated", "accept")
    licence = Licence(terms.text("terms"), terms.text("stated"), terms.flag("accept"))
    sources = tuple(map(_source, entry.each("sources")))
    names = [file.name for source in sources for file in source.files]
    if len({known.casefold() for known in names}) < len(names):
        raise entry.bad("sources", "files with distinct names")
    return PublicCorpus(*about, licence, sources, notes=notes)


def _source(entry: _Entry) -> Source:
    address = entry.text("address", pattern=r"https?://[^/\s]+/\S*", expected="an address that begins with https://")
    if entry.has("members"):
        entry.only("address", "at_most", "members")
        return Source(address, tuple(map(_member, entry.each("members"))), entry.number("at_most"), archive=True)
    entry.only("address", "name", "size", "sha256")
    name = entry.text("name", pattern=_NAME.pattern, expected="the name of a file")
    size = entry.number("size")
    return Source(address, (PublishedFile(name, size, _checksum(entry)),), size)


def _member(entry: _Entry) -> PublishedFile:
    entry.only("path", "size", "sha256", "count")
    path = entry.text("path", pattern=r"[^/\\]+(/[^/\\]+)*", expected="a path, its parts separated by single /")
    count = entry.number("count") if entry.has("count") else None
    name = path.rpartition("/")[2]
    if not _NAME.fullmatch(name if count is None else re.sub(r"[*?]", "x", name)):
        raise entry.bad("path", "a path that ends in the name of a file" if count is None else "a path like a/b/*.txt")
    return PublishedFile(path, entry.number("size"), _checksum(entry), count)


def _checksum(entry: _Entry) -> str:
    return entry.text("sha256", pattern=_SHA256.pattern, expected="64 lower-case hexadecimal digits")
