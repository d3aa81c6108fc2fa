"""Corpora for the data tools: files and splits with their readers."""

import logging
import os
import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Iterator, Mapping, Optional, Sequence, Union

from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.data import DatasetReader

from ner_plugins.data_tools.guess import archives_among, guess_reader, ner_readers
from ner_plugins.dataset_readers.ner_reader import NerDatasetReader
from ner_plugins.entities import Sentence
from ner_plugins.errors import ConfigError, DataError
from ner_plugins.files.data_paths import SPLITS, DataPath
from ner_plugins.files.json_files import parsed_json
from ner_plugins.files.opening import names_in, splits_in
from ner_plugins.options import check_name

logger = logging.getLogger(__name__)

# A registered name, a JSON object as text or as a mapping, or None to guess.
ReaderSpec = Union[None, str, Mapping[str, Any]]

_SPLIT_WORDS = {"train": ("train",), "dev": ("dev", "valid", "validation", "val"), "test": ("test",)}


@dataclass(frozen=True)
class Corpus:
    """
    A file or a split, with its reader.

    # Parameters

    name : `str`
        A short name for tables and messages, unique among the corpora that were opened together.
    path : `str`
        `PATH[!MEMBER][#SPLIT]`.
    reader : `NerDatasetReader`
        A reader for this corpus alone, so that its `counts` and `listener` concern no other.
    split : `Optional[str]`, optional (default=`None`)
        `train`, `dev` or `test`, if the path or the name of the file indicates it.
    dataset : `str`, optional (default=`""`)
        The folder or archive that it is a split of; empty for single files, which form one dataset.
    """

    name: str
    path: str
    reader: NerDatasetReader
    split: Optional[str] = None
    dataset: str = ""

    def sentences(self) -> Iterator[Sentence]:
        """A stream of its sentences."""
        return self.reader.sentences(self.path)


def open_corpora(paths: Sequence[str], reader_spec: ReaderSpec = None, **overrides: Any) -> list[Corpus]:
    """
    The corpora at `paths`, each with a reader. Only what is needed to guess a reader is read.

    # Parameters

    paths : `Sequence[str]`
        Data paths. A folder or archive without `#SPLIT` becomes its splits; a path given twice counts once.
    reader_spec : `ReaderSpec`, optional (default=`None`)
        See `make_reader`.
    overrides : `Any`
        Options for every reader, such as `on_error="skip"`.

    # Raises

    `DataError` if a path does not exist or has no splits, and whatever `make_reader` raises.
    """
    corpora: list[Corpus] = []
    for path in dict.fromkeys(map(str, paths)):
        corpora += _corpora_at(path, reader_spec, overrides)
    unique = list({corpus.path: corpus for corpus in corpora}.values())
    names = Counter(corpus.name for corpus in unique)
    return [corpus if names[corpus.name] == 1 else replace(corpus, name=corpus.path) for corpus in unique]


def _corpora_at(path: str, spec: ReaderSpec, overrides: dict[str, Any]) -> Iterator[Corpus]:
    place = DataPath.parse(path)
    if spec is None:
        spec = _guessed_name(path, overrides.get("encoding"))
    reader = make_reader(spec, path, **overrides)
    base = str(replace(place, split=None))
    name = os.path.basename(os.path.abspath(place.path)) + (f"!{place.member}" if place.member else "")
    names = names_in(place)
    if names is None and place.split is None:
        yield Corpus(name, path, reader, _split_of_file(base, reader))
        return
    splits = [place.split] if place.split else splits_in(base, reader.choose_files)
    if reader.dev_fraction is not None and place.split is None and "train" in splits:
        splits = [split for split in SPLITS if split == "dev" or split in splits]
    if not splits:
        listed = ", ".join(sorted(names or ())[:8]) + (", …" if len(names or ()) > 8 else "")
        remedy = f"Name a file (there are: {listed or 'none'}), or another reader"
        raise DataError(
            f"the reader {_name_of(reader)} finds none of its splits",
            path=base,
            expected=", ".join(pattern for patterns in reader.split_files.values() for pattern in patterns) or None,
            remedy=archives_among(place, names or ()) or remedy,
        )
    for split in splits:
        yield Corpus(f"{name}#{split}", f"{base}#{split}", make_reader(spec, path, **overrides), split, base)


def _split_of_file(path: str, reader: NerDatasetReader) -> Optional[str]:
    """The split of a single file, by the reader's file names or else by a word in its name."""
    name = path.rpartition("!")[2].rpartition("/")[2]
    for split in SPLITS:
        if reader.choose_files([name], split):
            return split
    words = re.split(r"[^a-z]+", name.lower())
    found = [split for split in SPLITS if any(word in words for word in _SPLIT_WORDS[split])]
    return found[0] if len(found) == 1 else None


def _name_of(reader: NerDatasetReader) -> str:
    names = {class_: name for name, class_ in ner_readers().items()}
    return names.get(type(reader), type(reader).__name__)


def make_reader(spec: ReaderSpec, path: str, **overrides: Any) -> NerDatasetReader:
    """
    A reader for `path`.

    # Parameters

    spec : `ReaderSpec`
        A registered name (`cluener`), a JSON object (`{"type": "conll_ner", "join": ""}`) or the same as a mapping;
        `None` to guess from file names and content (`guess_reader`).
    path : `str`
        The data path to guess from.
    overrides : `Any`
        Options that take precedence over `spec`.

    # Raises

    `ConfigError` if `spec` names no `NerDatasetReader`, or an option that it does not have; `NerError` if no reader can
    be guessed.
    """
    options = _options(_guessed_name(path, overrides.get("encoding")) if spec is None else spec)
    name = options.get("type")
    if not isinstance(name, str) or "." not in name:  # a dotted name is a class of the user
        check_name("--reader", name, ner_readers())
    try:
        class_, _ = DatasetReader.resolve_class_name(str(name))
        if not issubclass(class_, NerDatasetReader):
            raise ConfigError(f"--reader: {name} does not derive from NerDatasetReader")
        reader: NerDatasetReader = DatasetReader.from_params(Params({**options, **overrides}))
    except (ConfigurationError, TypeError) as error:  # an unknown option, or a value of the wrong type
        raise ConfigError(f"--reader {name}: {getattr(error, 'message', error)}") from error
    return reader


def _guessed_name(path: str, encoding: Optional[str]) -> str:
    guess = guess_reader(path, encoding)
    logger.info("%s: read as %s (%s)", path, guess.name, guess.reason)
    return guess.name


def _options(spec: Union[str, Mapping[str, Any]]) -> dict[str, Any]:
    if not isinstance(spec, str):
        return dict(spec)
    if not spec.lstrip().startswith("{"):
        return {"type": spec}
    try:
        options = parsed_json(spec)
    except ValueError as error:
        raise ConfigError(f'--reader is not a JSON object like {{"type": "conll_ner"}}: {error}') from None
    assert isinstance(options, dict)  # it starts with a brace
    return options
