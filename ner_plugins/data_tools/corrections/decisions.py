"""The decisions that the page of `ner-audit` saves: JSON lines, one decision each, after a line with their number."""

import json
import re
from dataclasses import dataclass
from typing import Any, Callable, Optional

from ner_plugins.entities import Entity
from ner_plugins.errors import DataError, shown
from ner_plugins.files.text_lines import open_lines

FORMAT, FORMAT_VERSION = "ner_plugins decisions", 1
VERDICTS = ("accept", "reject", "edit")
_EXPECTED = '{"decision": accept|reject|edit, "key", "gold", "remove", "add"}, as the page of ner-audit saves it'
_KEY = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Decision:
    """
    What is to change in a sentence.

    # Parameters

    verdict : `str`
        One of `VERDICTS`; `reject` changes nothing.
    key : `str`
        The SHA-256 of the sentence's text.
    gold : `tuple[Entity, ...]`
        Its labels when it was decided, sorted.
    remove, add : `tuple[Entity, ...]`
        The labels to take away, which are among `gold`, and those to put there, which are not.
    source : `str`, optional (default=`""`)
        `file:line` of the decision, for messages.
    suspect : `Optional[str]`, optional (default=`None`)
        What it is about: two decisions about one suspect have the same.
    """

    verdict: str
    key: str
    gold: tuple[Entity, ...]
    remove: tuple[Entity, ...]
    add: tuple[Entity, ...]
    source: str = ""
    suspect: Optional[str] = None

    def agrees(self, other: "Decision") -> bool:
        """Whether both make the same of a sentence."""
        return (self.key, self.gold, self.remove, self.add) == (other.key, other.gold, other.remove, other.add)


def read_decisions(path: str, on_bad: Optional[Callable[[DataError], None]] = None) -> list[Decision]:
    """
    The decisions in a file, or in several that were joined.

    # Parameters

    path : `str`
        JSON lines. A line `{"format", "version", "decisions"}` says how many decisions follow it.
    on_bad : `Optional[Callable[[DataError], None]]`, optional (default=`None`)
        Called for each line that is no decision, and for missing lines, instead of raising the error.

    # Raises

    `DataError` if a line is no decision, if lines are missing, or if the file is of another version.
    """

    def refuse(error: DataError) -> None:
        if on_bad is None:
            raise error
        on_bad(error)

    found: list[Decision] = []
    promised = lines = 0
    audit = ""
    for number, line in open_lines(path):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
            if isinstance(value, dict) and "format" in value:
                promised, audit = promised + _promised(value), str(value.get("audit"))
                continue
            lines += 1
            found.append(_decision(value, f"{path}:{number}", audit))
        except (ValueError, RecursionError) as error:
            what = str(error) if isinstance(error, _NoDecisionError) else f"no JSON: {shown(line)}"
            remedy = "If the file was cut off, save it again; --on-error skip leaves such lines out"
            refuse(DataError(what, path=path, line=number, expected=_EXPECTED, remedy=remedy))
    if lines < promised:
        refuse(DataError(
            f"{lines} decisions", path=path, expected=f"{promised}, as its first line says",
            remedy="Part of the file is missing: save it again; --on-error skip applies what is there",
        ))  # fmt: skip
    return found


class _NoDecisionError(ValueError):
    """What is wrong with a line of JSON."""


def _promised(value: dict[str, Any]) -> int:
    number = value.get("decisions")
    if value["format"] != FORMAT or value.get("version") != FORMAT_VERSION or not _is_whole(number):
        raise _NoDecisionError(f"the heading of another kind of file: {shown(value)}")
    return int(str(number))


def _decision(value: Any, source: str, audit: str) -> Decision:
    if not isinstance(value, dict):
        raise _NoDecisionError(f"not an object: {shown(value)}")
    if value.get("decision") not in VERDICTS:
        raise _NoDecisionError(f"`decision` is {shown(value.get('decision'))}")
    key, suspect = value.get("key"), value.get("suspect")
    if not (isinstance(key, str) and _KEY.fullmatch(key)):
        raise _NoDecisionError(f"`key` is {shown(key)}, which is no SHA-256")
    gold, remove, add = (_labels(value, name) for name in ("gold", "remove", "add"))
    if not set(remove) <= set(gold):
        raise _NoDecisionError("`remove` has a label that is not in `gold`")
    if set(add) & (set(gold) - set(remove)):
        raise _NoDecisionError("`add` has a label that is in `gold` already")
    if value["decision"] == "reject" and (remove or add):
        raise _NoDecisionError("it rejects, but `remove` or `add` has labels")
    about = None if suspect is None else f"{audit} {suspect}"
    return Decision(value["decision"], key, gold, remove, add, source, about)


def _labels(value: dict[str, Any], name: str) -> tuple[Entity, ...]:
    labels = value.get(name)
    if not (isinstance(labels, list) and all(map(_is_label, labels))):
        raise _NoDecisionError(f"`{name}` is {shown(labels)}, not a list of labels")
    return tuple(sorted({Entity.from_json(label) for label in labels}))


def _is_label(value: Any) -> bool:
    if not (isinstance(value, dict) and {"start", "end", "type"} <= set(value)):
        return False
    start, end, type_ = value["start"], value["end"], value["type"]
    return _is_whole(start) and _is_whole(end) and start < end and isinstance(type_, str) and bool(type_.strip())


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
