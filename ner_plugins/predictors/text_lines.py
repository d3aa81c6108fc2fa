"""Texts to predict, from the lines of a file or of standard input."""

import io
import json
import logging
import sys
from typing import Any, BinaryIO, Iterator, Optional, cast

from ner_plugins.errors import DataError
from ner_plugins.files.recoding import check_encoding
from ner_plugins.files.text_lines import open_lines, read_lines, without_mark
from ner_plugins.predictors.line_checks import check_is_file, not_utf8, with_warnings
from ner_plugins.predictors.ner_predictor import given_text, text_of

logger = logging.getLogger(__name__)


def guess_input_format(path: str) -> str:
    """`json` if the name ends in `.json` or `.jsonl`, perhaps followed by a compression suffix, else `text`."""
    name = path.lower()
    for compression in (".gz", ".bz2", ".xz"):
        name = name.removesuffix(compression)
    return "json" if name.endswith((".json", ".jsonl")) else "text"


class TextLines:
    """
    Reads the texts of a file.

    # Parameters

    input_format : `str`
        `json` (an object with `text`, or `sentence`, and optionally `id` on each line) or `text`.
    on_error : `str`, optional (default=`"raise"`)
        `raise` stops at a line that cannot be read; `skip` logs it and continues.
    encoding : `Optional[str]`, optional (default=`None`)
        Of the file: see `read_lines`.

    # Attributes

    lines, skipped : `int`
        How many lines have been read, and how many of them were skipped.
    """

    def __init__(self, input_format: str, on_error: str = "raise", encoding: Optional[str] = None) -> None:
        check_encoding("--encoding", encoding)
        self._encoding = encoding
        self._parse = _parse_json if input_format == "json" else _parse_text
        self._on_error = on_error
        self.lines = 0
        self.skipped = 0

    def records(self, path: str) -> Iterator[dict[str, Any]]:
        """
        The records of a file, or of standard input (`-`): `text`, `id` (by default the line's number from 0), and
        `before` and `after` if a line has them. Blank lines have an empty text.

        # Raises

        `DataError` naming `file:line`, if a line cannot be read and `on_error` is `raise`.
        """
        undecodable: list[DataError] = []
        if path == "-":
            arriving = cast(BinaryIO, _Arriving())
            lines = read_lines(arriving, "standard input", on_bad=undecodable.append, encoding=self._encoding)
        else:
            check_is_file(path)
            lines = open_lines(path, on_bad=undecodable.append, encoding=self._encoding)
        if self._parse is _parse_text:
            lines = with_warnings(lines, path)
        for number, line in lines:
            self.lines += 1
            line = without_mark(line)  # where files were joined
            try:
                if undecodable:
                    raise not_utf8(undecodable.pop())
                yield self._content(line, number, path)
            except DataError as error:
                if self._on_error == "raise":
                    raise
                self.skipped += 1
                logger.warning("skipped: %s", error)

    def _content(self, line: str, number: int, path: str) -> dict[str, Any]:
        try:
            content = self._parse(line)
        except DataError as error:
            remedy = error.remedy or "Correct the line, or skip such lines with --on-error skip"
            raise DataError(error.problem, path=path, line=number, expected=error.expected, remedy=remedy) from None
        content.setdefault("id", number - 1)
        return content


class _Arriving:
    """Standard input as a stream whose `read` returns as soon as anything has arrived."""

    def read(self, size: int) -> bytes:
        """At most `size` bytes, as soon as there are any; none at the end."""
        arrived: bytes = cast(io.BufferedReader, sys.stdin.buffer).read1(size)
        return arrived


def _parse_text(line: str) -> dict[str, Any]:
    return {"text": line}


def _parse_json(line: str) -> dict[str, Any]:
    if not line.strip():
        return {"text": ""}
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:  # ValueError: not JSON, or a number with thousands of digits
        raise DataError(
            f"not valid JSON ({error})",
            expected='an object like {"text": "..."}',
            remedy="For plain text lines add --input-format text; to skip such lines, --on-error skip",
        ) from None
    given_text(record)
    kept = {name: record[name] for name in ("id", "before", "after") if record.get(name) is not None}
    return {"text": text_of(record), **kept}
