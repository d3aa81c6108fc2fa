"""Which reader a file is for, where the configured one fails on it."""

from contextlib import closing
from dataclasses import replace
from typing import Any, Optional

from ner_plugins.commands.checks.config import walk_config
from ner_plugins.commands.checks.files import DATA_PATHS, reader_of
from ner_plugins.data_tools.guess import Guess, guess_reader, ner_readers, recognisers
from ner_plugins.dataset_readers.ner_reader import NerDatasetReader
from ner_plugins.dataset_readers.recognition import START_SIZE, FileStart
from ner_plugins.errors import ConfigError, DataError, NerError
from ner_plugins.files.data_paths import DataPath, is_url
from ner_plugins.files.opening import open_streams, readable
from ner_plugins.options import registered_name

NO_ENTITY, NO_GOLD = "the training data have no entity", "the training data have no gold entities"
"""How the errors begin that end a training on data without an entity, or without labels."""


def with_fitting_reader(error: NerError, config: dict[str, Any]) -> NerError:
    """
    An error of reading, with the reader that recognises the file if the configured one does not.

    # Parameters

    error : `NerError`
        A `DataError`, or the `ConfigError` for data without an entity or labels. Any other is returned as it is.
    config : `dict[str, Any]`
    """
    without_entity = isinstance(error, ConfigError) and str(error).startswith((NO_ENTITY, NO_GOLD))
    if not without_entity and not isinstance(error, DataError):
        return error
    walk = walk_config(config)
    for key in DATA_PATHS[:1] if without_entity else DATA_PATHS:
        reader, path = reader_of(key, walk), config.get(key)
        if reader is None or not isinstance(path, str) or (isinstance(error, DataError) and not _is_in(error, path)):
            continue
        drawn = reader.options.get("dev_fraction") is not None
        guess = fitting_reader(path, reader.cls, drawn, reader.options.get("encoding"), or_surer=without_entity)
        if guess is not None:
            found = f"{path} looks like a file for the reader {guess.name} ({guess.reason})"
            given = f"{reader.key}.type is {registered_name(reader.cls)}"
            return ConfigError(f"{error}\n{found}, but {given}: set it, or NER_READER, to {guess.name}")
    return error


def fitting_reader(
    path: str, configured: Any, drawn: bool = False, encoding: Optional[str] = None, or_surer: bool = False
) -> Optional[Guess]:
    """
    The reader that recognises the content of a data path.

    # Parameters

    path : `str`
    configured : `type[NerDatasetReader]`
        The reader that failed.
    drawn : `bool`, optional (default=`False`)
        Whether it draws its own development split.
    encoding : `Optional[str]`, optional (default=`None`)
        Of its text files.
    or_surer : `bool`, optional (default=`False`)
        Whether to name a reader, too, that recognises it with more certainty than the configured one.

    # Returns

    `Optional[Guess]`
        `None` if the configured reader recognises it, or does not say what it recognises, and if no reader does.
    """
    if is_url(path) or configured.sniff.__func__ is NerDatasetReader.sniff.__func__:  # type: ignore[attr-defined]
        return None
    try:
        start = _start(path, configured, drawn, encoding)
        own = None if start is None else configured.sniff(start)
        if start is None or (own is not None and not or_surer):
            return None
        answers = recognisers(start, ner_readers())
        guess = guess_reader(path, encoding)
    except NerError:
        return None
    if own is not None:
        return guess if guess.name in answers and answers[guess.name].certainty > own.certainty else None
    if guess.name in answers:
        return guess
    return Guess(min(answers), answers[min(answers)].notation) if answers else None


def _start(path: str, configured: Any, drawn: bool, encoding: Optional[str]) -> Optional[FileStart]:
    place = DataPath.parse(path)
    place = replace(place, split="train") if drawn and place.split == "dev" else place
    with closing(open_streams(place, configured().choose_files, files_have_splits=drawn)) as streams:  # type: ignore[type-var]
        for label, stream in streams:
            with readable(label):
                return FileStart(label.rpartition("/")[2], stream.read(START_SIZE), encoding)
    return None


def _is_in(error: DataError, path: str) -> bool:
    """Whether an error is about a file of a data path."""
    try:
        place = DataPath.parse(path)
    except DataError:
        return False
    return error.path is not None and error.path.startswith(place.path.rstrip("/"))
