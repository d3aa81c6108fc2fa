"""What `allennlp predict` says of an input that is not what it takes: lines of text, or of JSON, in UTF-8."""

import json
import logging
import os
import re
from typing import Iterator, Tuple

from ner_plugins.errors import DataError
from ner_plugins.files.data_paths import DataPath

logger = logging.getLogger(__name__)

_LOOKED_AT = 50  # lines
_COLUMNS = re.compile(r"\S{1,3}[\t ]+(?:\S+[\t ]+)*(?:O|[BIMESLU]-\S+)\s*")


def check_is_file(path: str) -> None:
    """
    Refuse a corpus, which `predict` reads with `--use-dataset-reader` only.

    # Raises

    `DataError` if `path` is a folder, or names a split of one, or leads nowhere.
    """
    place = DataPath.parse(path)
    if place.split or os.path.isdir(place.path):
        raise DataError(
            f"a {'split of a corpus' if place.split else 'folder'}, not a file",
            path=path,
            expected="a file of text or JSON lines",
            remedy="For a corpus that the model's dataset reader can read add --use-dataset-reader",
        )


def with_warnings(lines: Iterator[Tuple[int, str]], path: str) -> Iterator[Tuple[int, str]]:
    """`lines`, to be read as text, with a warning in the log if they look like JSON or columns instead."""
    seen = columns = 0
    told = False
    for number, line in lines:
        if line.strip() and seen < _LOOKED_AT:
            seen += 1
            columns += _COLUMNS.fullmatch(line) is not None
            if seen == 1 and _looks_like_json(line):
                logger.warning("%s: the first line looks like JSON, but is read as text: --input-format json", path)
            elif seen == _LOOKED_AT:
                told = True
                _warn_of_columns(columns, seen, path)
        yield number, line
    if not told:
        _warn_of_columns(columns, seen, path)


def _warn_of_columns(columns: int, seen: int, path: str) -> None:
    if 2 * columns > seen >= 3:
        logger.warning(
            "%s: %d of the first %d lines look like a token and its tag, but each is read as a text of its own. For a "
            "corpus that the model's dataset reader can read add --use-dataset-reader",
            path, columns, seen,
        )  # fmt: skip


def _looks_like_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def not_utf8(error: DataError) -> DataError:
    """The error of an undecodable line, with what a user of `predict` can do: readers have options that it has not."""
    remedy = error.remedy if error.remedy and "iconv" in error.remedy else "Convert it to UTF-8"
    remedy += "; to pass over such lines add --on-error skip"
    return DataError(error.problem, path=error.path, line=error.line, expected=error.expected, remedy=remedy)
