"""Which reader a file, folder or archive is for: each registered reader is asked."""

import logging
import os
import re
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Mapping, Optional, Sequence, cast

from allennlp.common.registrable import Registrable
from allennlp.data import DatasetReader

import ner_plugins.dataset_readers  # noqa: F401 (registers the readers)
from ner_plugins.data_tools.unrecognised import unrecognised
from ner_plugins.dataset_readers.ner_reader import NerDatasetReader
from ner_plugins.dataset_readers.parsing import MALFORMED
from ner_plugins.dataset_readers.recognition import START_SIZE, FileStart, Recognition
from ner_plugins.errors import DataError, NerError
from ner_plugins.files.data_paths import SPLITS, DataPath
from ner_plugins.files.opening import names_in, open_streams, readable

logger = logging.getLogger(__name__)

Readers = Mapping[str, type[NerDatasetReader]]

_ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
_NO_DATA = re.compile(r"\.|licen[cs]e|readme", re.IGNORECASE)


@dataclass(frozen=True)
class Guess:
    """
    A reader that fits.

    # Parameters

    name : `str`
        Its registered name.
    reason : `str`
        Why it was chosen, for people.
    """

    name: str
    reason: str


def ner_readers() -> dict[str, type[NerDatasetReader]]:
    """The registered readers that derive from `NerDatasetReader`, by name; a user's own are among them."""
    registered = cast(dict[str, tuple[type, Optional[str]]], Registrable._registry[DatasetReader])
    return {name: class_ for name, (class_, _) in sorted(registered.items()) if issubclass(class_, NerDatasetReader)}


def recognisers(file_start: FileStart, readers: Readers) -> dict[str, Recognition]:
    """
    The readers that recognise a file, by name, with their answers: those of the highest certainty alone.

    # Parameters

    file_start : `FileStart`
    readers : `Mapping[str, Type[NerDatasetReader]]`
        The readers to ask, by name.
    """
    answers = {name: answer for name, class_ in readers.items() if (answer := _answer(name, class_, file_start))}
    highest = max((answer.certainty for answer in answers.values()), default=0.0)
    return {name: answer for name, answer in answers.items() if answer.certainty == highest}


def _answer(name: str, class_: type[NerDatasetReader], file_start: FileStart) -> Optional[Recognition]:
    try:
        return class_.sniff(file_start)
    except MALFORMED as error:  # a user's reader
        logger.warning("the reader %s fails to examine %s (%s: %s)", name, file_start.name, type(error).__name__, error)
        return None


def guess_reader(path: str, encoding: Optional[str] = None) -> Guess:
    """
    The reader for a data path, whose text files have an encoding (see `NerDatasetReader`).

    Every reader is asked whether it recognises the content (`NerDatasetReader.sniff`), and the highest certainty wins.
    Of several readers with the same answer, the one is taken whose own file names (`split_files`) fit, then the one
    that finds most splits, then the one whose name occurs in the path, then the general one, from which the others
    derive. In a folder or archive each reader is asked about the first file that has one of its names.

    # Raises

    `NerError` that lists the readers if none fits. `DataError` if the path cannot be read.
    """
    place = DataPath.parse(path)
    names = names_in(place)
    readers = ner_readers()
    if names is None:
        file_start = _file_start(place, encoding=encoding)
        answers = recognisers(file_start, readers)
        if not answers:
            cause = unrecognised(file_start.data, encoding)
            raise _nothing_fits(path, cause.problem, readers, cause.remedy)
        beside = {name: _splits_beside(place, readers[name]) for name in answers}
        return _choose(path, {name: splits for name, splits in beside.items() if splits}, answers, readers)
    files = {name: _files_by_split(class_, names) for name, class_ in readers.items()}
    answers_to: dict[str, dict[str, Recognition]] = {}  # by file
    fitting: dict[str, dict[str, list[str]]] = {}  # by notation and reader: the splits that it finds
    seen: dict[str, dict[str, Recognition]] = {}  # by notation and reader: its answer
    for name, splits in files.items():
        first = next(iter(splits.values()), None)
        if first is None:
            continue
        if first not in answers_to:
            answers_to[first] = recognisers(_file_start(place, first, encoding), readers)
        if name in answers_to[first]:
            notation = answers_to[first][name].notation
            fitting.setdefault(notation, {})[name] = list(splits)
            seen.setdefault(notation, {}).update(answers_to[first])
    if not fitting:
        listed = ", ".join(sorted(names)[:8]) + (", …" if len(names) > 8 else "")
        remedy = archives_among(place, names)
        raise _nothing_fits(path, f"no reader recognises its files: {listed or 'it has none'}", readers, remedy)
    notation = max(fitting, key=lambda key: max(map(len, fitting[key].values())))  # whose readers find most splits
    return _choose(path, fitting[notation], seen[notation], readers)


def _choose(
    path: str, candidates: Mapping[str, list[str]], answers: Mapping[str, Recognition], readers: Readers
) -> Guess:
    """The best of the readers whose file names fit, which have the splits that they find; else the general one."""
    general = min(answers, key=lambda name: (len(readers[name].mro()), name))
    if not candidates:
        return Guess(general, answers[general].notation)
    most = max(map(len, candidates.values()))
    best = [name for name, splits in candidates.items() if len(splits) == most]
    words = os.path.abspath(path).lower()
    if len(best) > 1:
        best = [name for name in best if name in words] or ([general] if general in best else best)
    reason = f"{answers[best[0]].notation}; its file names for {', '.join(candidates[best[0]])}"
    if len(best) > 1:
        reason += f"; so have {', '.join(best[1:])}"
    return Guess(best[0], reason)


def _files_by_split(class_: type[NerDatasetReader], names: Sequence[str]) -> dict[str, str]:
    """The splits that a reader finds among file names, each with its first file."""
    found: dict[str, str] = {}
    try:
        reader = class_()
    except TypeError:  # a user's reader with required options
        return found
    for split in SPLITS:
        try:
            chosen = reader.choose_files(names, split)
        except DataError:  # the same names in several folders, which is reported when they are opened
            continue
        if chosen:
            found[split] = chosen[0]
    return found


def _splits_beside(place: DataPath, class_: type[NerDatasetReader]) -> list[str]:
    """The splits that a reader finds in the folder of a single file, if the file is one of them."""
    name = (place.member or place.path).rpartition("/")[2]
    if not _files_by_split(class_, [name]):
        return []
    folder = os.path.dirname(place.path) or "."
    beside = names_in(DataPath(folder)) if not place.member and os.path.isdir(folder) else None
    return list(_files_by_split(class_, beside or [name])) or list(_files_by_split(class_, [name]))


def archives_among(place: DataPath, names: Sequence[str]) -> Optional[str]:
    """The remedy if a folder holds archives and no other data files, else `None`."""
    archives = [name for name in sorted(names) if name.lower().endswith(_ARCHIVES)]
    others = [name for name in names if name not in archives and not _NO_DATA.match(name)]
    if not archives or others or not os.path.isdir(place.path):
        return None
    split = f"#{place.split}" if place.split else ""
    return f"Name the archive: {' or '.join(os.path.join(place.path, name) + split for name in archives)}"


def _nothing_fits(path: str, what: str, readers: Readers, remedy: Optional[str] = None) -> NerError:
    options = f"Name one with --reader NAME or --reader '{{\"type\": NAME, …}}': {', '.join(readers)}"
    return DataError(f"no reader fits: {what}", path=path, remedy=remedy or options)


def _file_start(place: DataPath, name: Optional[str] = None, encoding: Optional[str] = None) -> FileStart:
    """The beginning of a single file, or of the file `name` of a folder or archive."""
    if os.path.exists(place.path) and not os.path.isfile(place.path) and not os.path.isdir(place.path):
        raise NerError(f"{place.path}: the reader for a pipe cannot be guessed. Name it with --reader")
    file = (name or place.member or place.path).rpartition("/")[2]
    place = replace(place, split="train" if name else None)
    with closing(open_streams(place, lambda names, split: [name] if name else [])) as streams:  # type: ignore[type-var]
        for label, stream in streams:
            with readable(label):
                return FileStart(file, stream.read(START_SIZE), encoding)
    return FileStart(file, b"", encoding)
