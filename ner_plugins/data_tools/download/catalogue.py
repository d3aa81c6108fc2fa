"""
The catalogue of public corpora: what they are, under which licence, where each file is published, and its checksum.

It is a JSON object, `catalogue.json` beside this module, to which a user's own file of the same layout adds:

    {"NAME": {
        "description": "…", "types": ["PER", …], "reader": "conll_ner", "notes": "…",
        "licence": {"terms": "CC BY 4.0", "stated": "https://…", "accept": false},
        "sources": [
            {"address": "https://…/train.txt", "name": "train.txt", "size": 12345, "sha256": "…"},
            {"address": "https://…/all.zip", "at_most": 1000000, "members": [
                {"path": "data/dev.txt", "size": 1234, "sha256": "…"},
                {"path": "test/*.txt", "count": 12, "size": 123456, "sha256": "…"}]}]}}

The first source is a file; the second an archive (zip, tar, compressed tar), of which only the members named are kept.
An archive has no checksum of its own, since hosts pack the same files differently over time: its members have. The
path of a member is the end of its path in the archive; with wildcards in its last part it stands for `count` files,
`size` is that of all, and `sha256` is what `sha256sum *.txt | sha256sum` prints in their folder (with `LC_ALL=C`).
`accept: true` makes users accept the licence by name. A corpus that cannot be fetched has, instead of licence and
sources, `"unavailable": "why", "ask": "where to get it"`.
"""

import difflib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from ner_plugins.errors import ConfigError

_CATALOGUE = Path(__file__).with_name("catalogue.json")
_NAME = re.compile(r"[\w-][\w. -]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Licence:
    """
    Under which terms a corpus is published.

    # Parameters

    terms : `str`
        In plain words.
    stated : `str`
        Where they stand.
    accept : `bool`
        Whether a user has to accept them by name before the corpus is fetched.
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
        Its name; in an archive, the end of its path. With wildcards in the last part: a set of files.
    size : `int`
        Bytes; of a set, those of all files.
    sha256 : `str`
        Of its bytes; of a set, that of the lines `sha256sum` prints for its files, in the order of their names.
    count : `Optional[int]`
        How many files a set has; `None` for a single file.
    """

    path: str
    size: int
    sha256: str
    count: Optional[int] = None

    @property
    def name(self) -> str:
        """The last part of the path: the file's name on disk, or the pattern of a set's names."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Source:
    """
    One address to fetch.

    # Parameters

    address : `str`
    files : `Tuple[PublishedFile, ...]`
        What of it is kept.
    at_most : `int`
        Bytes that may be fetched.
    archive : `bool`
        Whether the files are members of an archive; else there is one, which is what the address gives.
    """

    address: str
    files: Tuple[PublishedFile, ...]
    at_most: int
    archive: bool = False


@dataclass(frozen=True)
class PublicCorpus:
    """
    A corpus of the catalogue: see the module.

    # Parameters

    name, description : `str`
    types : `Tuple[str, ...]`
    reader : `str`
        The registered name of the dataset reader for it.
    licence : `Optional[Licence]`
        `None` if it cannot be fetched.
    sources : `Tuple[Source, ...]`
    unavailable, ask : `str`
        Of a corpus that cannot be fetched: why, and where to get it.
    notes : `str`
        What else to know.
    """

    name: str
    description: str
    types: Tuple[str, ...]
    reader: str
    licence: Optional[Licence] = None
    sources: Tuple[Source, ...] = ()
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


def load_catalogue(own: Optional[str] = None) -> Dict[str, PublicCorpus]:
    """
    The corpora by name.

    # Parameters

    own : `Optional[str]`
        A user's catalogue, whose corpora come on top (and in the place of ours of the same name).

    # Raises

    `ConfigError` that names the file and the key, where a catalogue is not as it should be.
    """
    catalogue = _parse(_CATALOGUE)
    if own is not None:
        catalogue.update(_parse(Path(own)))
    return catalogue


def choose_corpora(catalogue: Mapping[str, PublicCorpus], names: Iterable[str]) -> List[PublicCorpus]:
    """
    The corpora of these names, each once.

    # Raises

    `ConfigError` where the catalogue has no such name.
    """
    chosen = []
    for name in dict.fromkeys(names):
        if name not in catalogue:
            close = difflib.get_close_matches(name, catalogue, n=1)
            remedy = f"Did you mean {close[0]}?" if close else f"There are {', '.join(catalogue)}"
            raise ConfigError(f"no public corpus is called {name!r}. {remedy}")
        chosen.append(catalogue[name])
    return chosen


def _parse(path: Path) -> Dict[str, PublicCorpus]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: the catalogue cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: the catalogue is no JSON: {error}") from None
    entries = _Entry(str(path), value)
    return {name: _corpus(name, entries.under(name)) for name in entries.names()}


class _Entry:
    """A JSON object of the catalogue, and the place that messages name."""

    def __init__(self, place: str, value: Any) -> None:
        self._place = place
        if not isinstance(value, dict):
            raise ConfigError(f"{place} is no JSON object")
        self._value: Dict[str, Any] = value

    def bad(self, key: str, expected: str) -> ConfigError:
        """What to raise where a value is not as it should be."""
        return ConfigError(f"{self._place}.{key} is {self._value.get(key)!r}, but must be {expected}")

    def names(self) -> List[str]:
        return list(self._value)

    def has(self, key: str) -> bool:
        return key in self._value

    def under(self, key: str) -> "_Entry":
        return _Entry(f"{self._place}.{key}", self._value.get(key))

    def each(self, key: str) -> List["_Entry"]:
        values = self._value.get(key)
        if not isinstance(values, list) or not values:
            raise self.bad(key, "a list with something in it")
        return [_Entry(f"{self._place}.{key}[{index}]", value) for index, value in enumerate(values)]

    def only(self, *keys: str) -> None:
        for key in self._value:
            if key not in keys:
                raise ConfigError(f"{self._place} has the key {key!r}, but there are only {', '.join(keys)}")

    def text(self, key: str, default: Optional[str] = None, pattern: str = r"(?s).+", expected: str = "a text") -> str:
        value = self._value.get(key, default)
        if not isinstance(value, str) or (value != default and not re.fullmatch(pattern, value)):
            raise self.bad(key, expected)
        return value

    def number(self, key: str) -> int:
        value = self._value.get(key)
        if type(value) is not int or value < 1:
            raise self.bad(key, "a whole number above 0")
        return value

    def texts(self, key: str) -> Tuple[str, ...]:
        values = self._value.get(key, [])
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise self.bad(key, "a list of texts")
        return tuple(values)

    def flag(self, key: str) -> bool:
        value = self._value.get(key, False)
        if not isinstance(value, bool):
            raise self.bad(key, "true or false")
        return value


def _corpus(name: str, entry: _Entry) -> PublicCorpus:
    if not _NAME.fullmatch(name):
        raise ConfigError(f"the catalogue has a corpus called {name!r}, but its name becomes that of a folder")
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
        raise entry.bad("sources", "files of different names")
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
