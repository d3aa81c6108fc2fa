"""Files and folders of a config that are missing."""

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any, Optional

from ner_plugins.commands.checks.mistakes import Mistake
from ner_plugins.commands.checks.walk import ConfigObject, Walk
from ner_plugins.compat.plugins import is_ours
from ner_plugins.dataset_readers.ner_reader import NerDatasetReader
from ner_plugins.errors import ConfigError, DataError, NerError
from ner_plugins.files.data_paths import SPLITS, DataPath, no_such_file
from ner_plugins.files.opening import open_streams
from ner_plugins.options import written
from ner_plugins.pretrained.encoder import encoder_folder

DATA_PATHS = ("train_data_path", "validation_data_path", "test_data_path")
_LARGEST_TAR = 8 << 20
"""A compressed tar has to be decompressed to list its files, which takes too long for larger ones."""
_DATA_FILES = {"pretrained_file", "data_path"}
"""Options of this package's classes that name a data path."""
# Options of AllenNLP's classes that name a file or folder.
_STOCK_FILES = {"pretrained_file", "archive_file", "weights_file_path", "directory"}


def missing_files(config: dict[str, Any], walk: Walk) -> Iterator[Mistake]:
    """
    The files that do not exist: data, lexicons, vectors, vocabularies, archives, and encoders given as a folder.

    Whatever is fetched over the network is not looked up, and data are checked for readers of this package alone: only
    the reader knows what a path means.
    """
    for key in DATA_PATHS:
        if (reader := reader_of(key, walk)) is not None and config.get(key) is not None:
            yield from _missing_data(key, config[key], reader)
    for place in walk.objects:
        if place.is_known:
            for option, value in place.options.items():
                yield from _missing(place, option, value)


def reader_of(data_path: str, walk: Walk) -> Optional[ConfigObject]:
    """The reader of a data path, if it reads data paths as `NerDatasetReader` does."""
    given = walk.at("validation_dataset_reader") if data_path != "train_data_path" else None
    place = given or walk.at("dataset_reader")
    if place is None or not issubclass(place.cls, NerDatasetReader):
        return None
    as_base = all(
        getattr(place.cls, name) is getattr(NerDatasetReader, name) for name in ("_read", "sentences", "_records")
    )
    return place if as_base else None


def _missing_data(key: str, value: Any, reader: ConfigObject) -> Iterator[Mistake]:
    if not isinstance(value, str):
        yield Mistake(key, f"{key} is {written(value)}, but has to be a path, PATH[!MEMBER][#SPLIT]")
        return
    try:
        place = DataPath.parse(value)
        if _can_be_listed(place.path):
            drawn = reader.options.get("dev_fraction") is not None and place.split in ("train", "dev")
            choose = _choose(reader.cls)
            if choose is not None or not place.split:
                chosen = replace(place, split="train") if drawn else place
                with closing(open_streams(chosen, choose, files_have_splits=drawn)) as streams:  # type: ignore[type-var]
                    next(streams, None)
    except DataError as error:
        yield Mistake(key, str(error) + _fitting_reader(value, reader.cls))


def _fitting_reader(value: str, configured: Any) -> str:
    """A sentence about the reader that a folder or archive is for, if it is another one; empty if there is none."""
    from ner_plugins.data_tools.guess import guess_reader, ner_readers

    path, _, split = value.rpartition("#")
    if split not in SPLITS or not _can_be_listed(path):
        return ""
    try:
        guess = guess_reader(path)
    except NerError:
        return ""
    return "" if ner_readers()[guess.name] is configured else f". The reader {guess.name} fits ({guess.reason})"


def _can_be_listed(path: str) -> bool:
    """Whether opening a path is quick: not a URL, not a pipe, and not a large compressed tar."""
    if os.path.isdir(path):
        return True
    compressed_tar = path.lower().endswith((".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tbz2", ".txz"))
    return os.path.isfile(path) and not (compressed_tar and os.path.getsize(path) > _LARGEST_TAR)


def _choose(cls: Any) -> Any:
    """How a reader finds the files of a split; `None` for a class that cannot be built without options."""
    try:
        return cls().choose_files
    except (TypeError, ConfigError):
        return None


def _missing(place: ConfigObject, option: str, value: Any) -> Iterator[Mistake]:
    key = place.place(option)
    if option == "pretrained_files" and isinstance(value, dict):  # of a vocabulary
        for name, path in value.items():
            yield from _missing_path(f"{key}.{name}", path)
    elif option == "model_name" and is_ours(place.cls):
        yield from _missing_encoder(key, value)
    elif is_ours(place.cls) and (option in _DATA_FILES or (option == "path" and _is_lexicon(place))):
        yield from _unparsable(key, value)
    elif option in _STOCK_FILES:
        yield from _missing_path(key, value)


def _is_lexicon(place: ConfigObject) -> bool:
    from ner_plugins.lexicon.lexicon import Lexicon

    return issubclass(place.cls, Lexicon)


def _unparsable(key: str, value: Any) -> Iterator[Mistake]:
    try:
        if isinstance(value, str):
            DataPath.parse(value)
    except DataError as error:
        yield Mistake(key, str(error))


def _missing_encoder(key: str, value: Any) -> Iterator[Mistake]:
    try:
        if isinstance(value, str):
            encoder_folder(value)
    except ConfigError as error:
        yield Mistake(key, str(error).removeprefix("model_name: "))


def _missing_path(key: str, value: Any) -> Iterator[Mistake]:
    # AllenNLP's `cached_path` takes a file or folder, a URL, `(ARCHIVE)#MEMBER` and `ARCHIVE!MEMBER`.
    if not isinstance(value, str) or "://" in value or value.startswith("("):
        return
    path = os.path.expanduser(value)
    if not os.path.exists(path) and not os.path.exists(path.partition("!")[0]):
        yield Mistake(key, str(no_such_file(path)))
