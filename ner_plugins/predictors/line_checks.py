"""Checks that the input of `allennlp predict` is lines of text or JSON in UTF-8."""

import json
import logging
import os
import re
from typing import Iterator

from ner_plugins.errors import DataError
from ner_plugins.files.data_paths import DataPath
from ner_plugins.files.encodings import with_option

logger = logging.getLogger(__name__)

_CHECKED_LINES = 50
_COLUMNS = re.compile(r"\S{1,3}[\t ]+(?:\S+[\t ]+)*(?:O|[BIMESLU]-\S+)\s*")


def check_is_file(path: str) -> None:
    """
    Refuse a corpus, which `predict` reads only with `--use-dataset-reader`.

    # Raises

    `DataError` if `path` is a folder or names a split.
    """
    place = DataPath.parse(path)
    if place.split or os.path.isdir(place.path):
        raise DataError(
            f"a {'split of a corpus' if place.split else 'folder'}, not a file",
            path=path,
            expected="a file of text or JSON lines",
            remedy="If it is a corpus for the model's dataset reader, add --use-dataset-reader",
        )


def with_warnings(lines: Iterator[tuple[int, str]], path: str) -> Iterator[tuple[int, str]]:
    """Pass `lines` of text on, and log one warning of each kind if they look like JSON or columns instead."""
    seen = columns = 0
    checked = warned_of_json = False
    for number, line in lines:
        if not warned_of_json and _looks_like_json(line):
            warned_of_json = True
            place = f"{path}:{number}"
            logger.warning("%s: the line looks like JSON, but is read as text: add --input-format json", place)
        if line.strip() and seen < _CHECKED_LINES:
            seen += 1
            columns += _COLUMNS.fullmatch(line) is not None
            if seen == _CHECKED_LINES:
                checked = True
                _warn_of_columns(columns, seen, path)
        yield number, line
    if not checked:
        _warn_of_columns(columns, seen, path)


def _warn_of_columns(columns: int, seen: int, path: str) -> None:
    if 2 * columns > seen >= 3:
        logger.warning(
            "%s: %d of the first %d lines look like a token and its tag, but each line is read as a text. If this is a "
            "corpus for the model's dataset reader, add --use-dataset-reader",
            path, columns, seen,
        )  # fmt: skip


def _looks_like_json(line: str) -> bool:
    if not line.lstrip().startswith("{"):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def not_utf8(error: DataError) -> DataError:
    """The error of an undecodable line with a remedy for `predict`, which lacks the options of readers."""
    remedy = with_option(error.remedy, "name it with --encoding {}")
    if remedy is None or "iconv" not in remedy:
        remedy = "Convert it to UTF-8, or name its encoding with --encoding"
    remedy += "; to skip such lines add --on-error skip"
    return DataError(error.problem, path=error.path, line=error.line, expected=error.expected, remedy=remedy)
