"""How a reader recognises its own files: the start of a file, and a reader's answer to it."""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Optional

from ner_plugins.dataset_readers.json.values import first_keys, values_in
from ner_plugins.files.recoding import decode_start

START_SIZE = 64 << 10

_MAX_ZEROS = 8  # more zero bytes than this: a binary file


@dataclass(frozen=True)
class FileStart:
    """
    The start of a file.

    # Parameters

    name : `str`
        The file's name, without its folder.
    data : `bytes`
        Its first `START_SIZE` bytes, decompressed; all of a shorter file.
    encoding : `Optional[str]`, optional (default=`None`)
        See `NerDatasetReader`.
    """

    name: str
    data: bytes
    encoding: Optional[str] = None

    @cached_property
    def lines(self) -> list[str]:
        """Its lines, without blank ones and without a last one that is cut off. Empty for a binary file."""
        text = decode_start(self.data, self.encoding)
        if text.count("\0") > _MAX_ZEROS:
            return []
        lines = text.split("\n")
        if len(self.data) >= START_SIZE and len(lines) > 1:
            lines.pop()
        return [line.rstrip("\r") for line in lines if line and not line.isspace()]

    @cached_property
    def json_records(self) -> list[dict[str, Any]]:
        """The complete JSON objects among its lines, or among the elements of its array; not the malformed ones."""
        records: list[dict[str, Any]] = []
        for text in values_in("\n".join(self.lines)) if self._is_json else ():
            try:
                value = json.loads(text)
            except (ValueError, RecursionError):  # cut off or malformed; reading the file reports that
                continue
            if isinstance(value, dict):
                records.append(value)
        return records

    @cached_property
    def json_keys(self) -> Optional[list[str]]:
        """The keys of the first JSON object; `None` if the file begins neither with it nor with an array of objects."""
        if not self._is_json:
            return None
        text = "\n".join(self.lines)
        try:
            value = json.loads(next(iter(values_in(text)), ""))
        except (ValueError, RecursionError):
            value = None
        return list(value) if isinstance(value, dict) else first_keys(text)

    @cached_property
    def _is_json(self) -> bool:
        start = self.lines[0].lstrip() if self.lines else ""
        return start.startswith("{") or re.match(r"\[\s*\{", "\n".join([start, *self.lines[1:2]])) is not None


@dataclass(frozen=True)
class Recognition:
    """
    A reader's answer to a file that looks like one of its own.

    # Parameters

    notation : `str`
        What it found, such as "columns that end in a tag". Readers of the same notation give the same text; the names
        of their files decide between them.
    certainty : `float`
        Between 0 and 1; the highest one of all readers wins. This package's readers use 0.9 for a signature that no
        other format has, 0.7 for a refinement of a general format, and 0.5 or less for a general format.
    """

    notation: str
    certainty: float = 0.9
