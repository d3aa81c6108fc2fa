"""Which reader a file, folder or archive is for, from file names and the first bytes."""

import importlib
import json
import os
import pkgutil
import re
import zlib
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Dict, List, Optional, Sequence, Tuple, Type, cast

from allennlp.common.registrable import Registrable
from allennlp.data import DatasetReader

from ner_plugins import dataset_readers
from ner_plugins.data_tools.unrecognised import unrecognised
from ner_plugins.dataset_readers.ner_reader import NerDatasetReader
from ner_plugins.errors import DataError, NerError
from ner_plugins.files.data_paths import SPLITS, DataPath, names_in, open_streams
from ner_plugins.files.text_lines import readable
from ner_plugins.tag_schemes import is_tag

HEAD_SIZE = 64 << 10

_BRACKETS = re.compile(r"<[^<>\n]+:[^\s<>:/]+>")
_NUMBERED = re.compile(r"(\ufffd\ufffd|.)\d{1,2}", re.DOTALL)
_ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
_NO_DATA = re.compile(r"\.|licen[cs]e|readme", re.IGNORECASE)
_JSON_KEY = re.compile(r'"(\w+)"\s*:')


@dataclass(frozen=True)
class Guess:
    """
    A reader that fits.

    # Parameters

    name : `str`
        As it is registered.
    reason : `str`
        Why it was chosen, for people.
    """

    name: str
    reason: str


def ner_readers() -> Dict[str, Type[NerDatasetReader]]:
    """The registered readers that derive from `NerDatasetReader`, by name, those of this package included."""
    for module in pkgutil.iter_modules(dataset_readers.__path__, dataset_readers.__name__ + "."):
        importlib.import_module(module.name)
    registered = cast(Dict[str, Tuple[type, Optional[str]]], Registrable._registry[DatasetReader])
    return {name: class_ for name, (class_, _) in sorted(registered.items()) if issubclass(class_, NerDatasetReader)}


def guess_reader(path: str) -> Guess:
    """
    The reader for a data path.

    The content says which notation it is in. Of the readers of that notation, the one with a corpus's own file names
    is taken; where several have them, the one with most splits there, then one that the path names.

    # Raises

    `NerError` that lists the readers, where nothing fits. `DataError` where the path cannot be read.
    """
    place = DataPath.parse(path)
    names = names_in(place)
    readers = ner_readers()
    if names is None:
        head = _head(place)
        found = sniff(head)
        if found is None:
            cause = unrecognised(head)
            raise _nothing_fits(path, cause.problem, readers, cause.remedy)
        candidates = {name: _splits_beside(place, class_) for name, class_ in _kin(found[0], readers).items()}
        return _choose(path, {k: v for k, v in candidates.items() if v}, found, readers)
    files = {name: _files_by_split(class_, names) for name, class_ in readers.items()}
    sniffed: Dict[str, Optional[Tuple[str, str]]] = {}
    fitting: Dict[str, Dict[str, Tuple[str, str]]] = {}  # notation to reader to what was seen
    for name, splits in files.items():
        first = next(iter(splits.values()), None)
        if first is not None:
            if first not in sniffed:
                sniffed[first] = sniff(_head(place, first))
            seen = sniffed[first]
            if seen is not None and name in _kin(seen[0], readers):
                fitting.setdefault(seen[0], {})[name] = seen
    if not fitting:
        listed = ", ".join(sorted(names)[:8]) + (", …" if len(names) > 8 else "")
        remedy = archives_among(place, names)
        raise _nothing_fits(path, f"no reader knows its files: {listed or 'it has none'}", readers, remedy)
    # Notations in the order of how many splits their readers find.
    notation = max(fitting, key=lambda key: max(len(files[name]) for name in fitting[key]))
    candidates = {name: list(files[name]) for name in fitting[notation]}
    return _choose(path, candidates, next(iter(fitting[notation].values())), readers)


def _choose(
    path: str, candidates: Dict[str, List[str]], seen: Tuple[str, str], readers: Dict[str, Type[NerDatasetReader]]
) -> Guess:
    """The best of the readers whose file names fit (with the splits they find); else the general one."""
    base, notation = seen
    if not candidates:
        return Guess(base, notation)
    most = max(map(len, candidates.values()))
    best = [name for name, splits in candidates.items() if len(splits) == most]
    words = os.path.abspath(path).lower()
    if len(best) > 1:
        best = [name for name in best if name in words] or ([base] if base in best else best)
    reason = f"{notation}; its file names for {', '.join(candidates[best[0]])}"
    if len(best) > 1:
        reason += f"; so have {', '.join(best[1:])}"
    return Guess(best[0], reason)


def _kin(base: str, readers: Dict[str, Type[NerDatasetReader]]) -> Dict[str, Type[NerDatasetReader]]:
    """The readers of a notation: the general one and those that derive from it."""
    if base not in readers:
        return {}
    return {name: class_ for name, class_ in readers.items() if issubclass(class_, readers[base])}


def _files_by_split(class_: Type[NerDatasetReader], names: Sequence[str]) -> Dict[str, str]:
    """Each split that a reader finds among file names, and its first file."""
    found: Dict[str, str] = {}
    try:
        reader = class_()
    except TypeError:  # a reader of somebody else's whose options have no defaults
        return found
    for split in SPLITS:
        try:
            chosen = reader._choose_files(names, split)
        except DataError:  # the same names in several folders: opening them says so
            continue
        if chosen:
            found[split] = chosen[0]
    return found


def _splits_beside(place: DataPath, class_: Type[NerDatasetReader]) -> List[str]:
    """The splits that a reader finds in the folder of a single file, if the file is one of them."""
    name = (place.member or place.path).rpartition("/")[2]
    if not _files_by_split(class_, [name]):
        return []
    folder = os.path.dirname(place.path) or "."
    beside = names_in(DataPath(folder)) if not place.member and os.path.isdir(folder) else None
    return list(_files_by_split(class_, beside or [name])) or list(_files_by_split(class_, [name]))


def archives_among(place: DataPath, names: Sequence[str]) -> Optional[str]:
    """What to do where the only files of a folder that may hold sentences are archives; `None` where others may."""
    archives = [name for name in sorted(names) if name.lower().endswith(_ARCHIVES)]
    others = [name for name in names if name not in archives and not _NO_DATA.match(name)]
    if not archives or others or not os.path.isdir(place.path):
        return None
    split = f"#{place.split}" if place.split else ""
    return f"Name the archive: {' or '.join(os.path.join(place.path, name) + split for name in archives)}"


def _nothing_fits(
    path: str, what: str, readers: Dict[str, Type[NerDatasetReader]], remedy: Optional[str] = None
) -> NerError:
    options = f"Name one with --reader NAME or --reader '{{\"type\": NAME, …}}': {', '.join(readers)}"
    return DataError(f"no reader fits: {what}", path=path, remedy=remedy or options)


def _head(place: DataPath, name: Optional[str] = None) -> bytes:
    """The first bytes of a single file, or of the file `name` of a folder or archive."""
    if os.path.exists(place.path) and not os.path.isfile(place.path) and not os.path.isdir(place.path):
        raise NerError(f"{place.path}: a pipe cannot be looked into. Name its reader with --reader")
    place = replace(place, split="train" if name else None)
    with closing(open_streams(place, lambda names, split: [name] if name else [])) as streams:  # type: ignore[type-var]
        for label, stream in streams:
            with readable(label):
                return stream.read(HEAD_SIZE)
    return b""


def sniff(head: bytes) -> Optional[Tuple[str, str]]:
    """
    The notation of a file by its first bytes: its general reader, and why; `None` where none is recognised.

    # Parameters

    head : `bytes`
        The first `HEAD_SIZE` bytes, or the whole file where it is shorter.
    """
    if _is_doc_bin(head):
        return "spacy_ner", "a spaCy DocBin"
    if head.count(0) > 8:
        return None
    lines = head.decode("utf-8-sig", "replace").split("\n")
    if len(head) >= HEAD_SIZE and len(lines) > 1:
        lines.pop()  # cut
    filled = [line.rstrip("\r") for line in lines if line and not line.isspace()]
    if not filled:
        return None
    if filled[0].lstrip().startswith("{"):
        return _sniff_json(filled[0])
    if sum(line.startswith("## ") for line in filled[:3]) == 3 and filled[0][3:].strip().isdigit():
        return "kmou", "blocks of `## ` lines"
    if filled[0].startswith("; ") and filled[1:] and filled[1].startswith("$"):
        return "klp", "pairs of lines with `; ` and `$`"
    if "\x01" in filled[0]:
        return "ccks_address", "lines of id, U+0001, text"
    return _sniff_columns(filled) or _sniff_brackets(filled)


def _is_doc_bin(head: bytes) -> bool:
    if head[:1] != b"\x78":
        return False
    try:
        start = zlib.decompressobj().decompress(head, 4096)
    except zlib.error:
        return False
    # A MessagePack map with these keys.
    return 0x80 <= start[:1][0] <= 0x8F and b"attrs" in start if start else False


def _sniff_json(line: str) -> Optional[Tuple[str, str]]:
    try:
        value = json.loads(line)
        keys = list(value) if isinstance(value, dict) else []
    except (ValueError, RecursionError):  # cut, or bad: the reader will say so
        keys = _JSON_KEY.findall(line)
    for key, reader in (("tokens", "datasets_ner"), ("entities", "datasets_ner"), ("text", "cluener")):
        if key in keys:
            return reader, f'JSON lines with "{key}"'
    return None


def _sniff_columns(lines: List[str]) -> Optional[Tuple[str, str]]:
    rows = [line.split() for line in lines if not line.startswith(("#", "-DOCSTART-"))]
    tagged = [row for row in rows if is_tag(row[-1])]
    full = [row for row in tagged if len(row) > 1]  # where the token is white space, the tag stands alone
    if not full or len(tagged) < 0.8 * len(rows) or 2 * len(full) < len(rows):
        return None
    if sum(bool(_NUMBERED.fullmatch(row[0])) for row in full) > 0.98 * len(full):
        return "weibo", "columns whose characters are numbered within their words"
    return "conll_ner", "columns that end in a tag"


def _sniff_brackets(lines: List[str]) -> Optional[Tuple[str, str]]:
    if 10 * sum(bool(_BRACKETS.search(line)) for line in lines) >= len(lines):
        return "brackets_ner", "lines with <surface:TYPE>"
    return None
