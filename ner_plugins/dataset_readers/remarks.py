"""Signs that a file needs another reader or other options; they are reported, and reading goes on."""

import difflib
import json
import re
from collections import Counter
from typing import Any, Collection, Mapping, Optional, Sequence

from ner_plugins.errors import LeftOut, NerError, Remark, shown
from ner_plugins.tag_schemes import detect_scheme

_MIN_ILLEGAL = 20  # entities; fewer are probably mistakes in the file
_SAMPLE = 1000  # sentences from which the likely scheme is detected
_NUMBERED = re.compile("(\ufffd\ufffd|.)[0-9]{1,2}", re.DOTALL)
_MIN_DIFFERENT = 10  # tokens
_CLAUSE = re.compile("[\u3400-\u9fff]{8}")
_MIN_CLAUSES, _SHARE_OF_CLAUSES = 3, 0.2  # different tokens
_MOST_LISTED = 10  # kinds of what is left out
_ADJECTIVES = ("cancelled",)


class TagTally:
    """
    Counts a file's entities with illegal tags, and detects the scheme in which they would be legal.

    # Parameters

    path : `str`
        The file.

    # Attributes

    entities : `int`
        The number of all entities; the caller counts them.
    """

    def __init__(self, path: str) -> None:
        self.entities = 0
        self._path = path
        self._illegal = 0
        self._sample: list[Sequence[str]] = []

    def add_illegal(self, tags: Sequence[str], entities: int) -> None:
        """Count the entities with illegal tags in one sentence, which has these tags."""
        self._illegal += entities
        if len(self._sample) < _SAMPLE:
            self._sample.append(tags)

    def remark(self, scheme: str) -> Optional[Remark]:
        """A remark if more than half of the entities, and at least 20, are illegal in `scheme`."""
        if self._illegal < _MIN_ILLEGAL or 2 * self._illegal <= self.entities:
            return None
        remedy = "Check that the file is meant for this reader"
        try:
            likely = detect_scheme(self._sample).scheme
        except NerError:  # no scheme has these letters
            likely = scheme
        if likely != scheme:
            remedy = f'The tags look like {likely}: set scheme to "{likely}", or take another reader, such as conll_ner'
        found = f"{self._illegal:,} of {self.entities:,} entities have tags that are illegal in {scheme}"
        return Remark(found, path=self._path, remedy=remedy)


def clauses(tokens: Collection[str], path: str) -> Optional[Remark]:
    """A remark if many of the different tokens of a file are Chinese without spaces, in whole clauses."""
    found = [token for token in tokens if _CLAUSE.search(token)]
    if len(found) < _MIN_CLAUSES or len(found) < _SHARE_OF_CLAUSES * len(tokens):
        return None
    remedy = "Tag characters. From Label Studio export JSON: its CoNLL splits at spaces and punctuation only"
    problem = f"{len(found):,} of {len(tokens):,} tokens are whole clauses, such as {shown(found[0], 40)}"
    return Remark(f"{problem}: entities within them are lost", path=path, remedy=remedy)


class LeftOutTally:
    """
    Counts what a reader does not read of a file, by a rule of its format.

    # Parameters

    path : `str`
        The file.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._counts: Counter[str] = Counter()
        self._remedies: dict[str, None] = {}  # in order

    def add(self, what: str, count: int = 1, remedy: Optional[str] = None) -> None:
        """Count `what`, a noun in the singular, with what to do if it should be read."""
        if count:
            self._counts[what] += count
            if remedy:
                self._remedies[remedy] = None

    def remark(self) -> Optional[LeftOut]:
        """A remark that lists the counts, if there are any."""
        if not self._counts:
            return None
        counted = list(self._counts.items())
        listed = [f"{count:,} {_plural(what, count)}" for what, count in counted[:_MOST_LISTED]]
        if others := sum(count for _, count in counted[_MOST_LISTED:]):
            listed.append(f"and {others:,} of other kinds")
        return LeftOut(f"left out: {', '.join(listed)}", path=self._path, remedy=". ".join(self._remedies) or None)


def _plural(what: str, count: int) -> str:
    """The plural of a noun, of which the first word may be followed by others: `task without annotation`."""
    if count == 1:
        return what
    noun, space, rest = what.partition(" ")
    if noun in _ADJECTIVES:
        return f"{noun} {_plural(rest, count)}"
    return (noun[:-1] + "ies" if noun.endswith("y") else noun + "s") + space + rest


def numbered_characters(tokens: Collection[str], path: str) -> Optional[Remark]:
    """A remark if every different token of a file is a character and its place in a word, as in Weibo."""
    if len(tokens) < _MIN_DIFFERENT or not all(map(_NUMBERED.fullmatch, tokens)):
        return None
    first = next((token for token in tokens if not token[0].isdigit()), None)
    if first is None:  # all of them are numbers
        return None
    found = f"every token ends in a digit, such as {shown(first)}"
    return Remark(found, path=path, remedy="If it is the character's place in a word, take the reader weibo")


def unread_entity_keys(keys: Mapping[str, int], path: str) -> Optional[LeftOut]:
    """
    A remark about keys inside the entities of a file that are not read, if there are any.

    # Parameters

    keys : `Mapping[str, int]`
        With the first line of each.
    path : `str`
        The file.
    """
    if not keys:
        return None
    listed = ", ".join(f"{shown(key)} (line {line})" for key, line in list(keys.items())[:10])
    more = f" and {len(keys) - 10} more" if len(keys) > 10 else ""
    return LeftOut(f"left out: the keys {listed}{more} inside entities", path=path)


def unread_keys(line: str, known: Sequence[str], labels: Sequence[str], path: str, number: int) -> Optional[Remark]:
    """
    A remark if an unlabelled JSON record has a key that may hold the labels under another name.

    # Parameters

    line : `str`
        Valid JSON, an object.
    known, labels : `Sequence[str]`
        The keys that the reader reads, and those of them that hold entities.
    path, number : `str`, `int`
        The file and the line.
    """
    record = json.loads(line)
    if any(key in record for key in labels):
        return None
    for key, value in record.items():
        close = difflib.get_close_matches(key.lower(), labels, n=1, cutoff=0.75)
        if key in known or not (close or _may_be_labels(value)):
            continue
        reader = reader_of(key, value)
        if reader:
            remedy = f"The reader {reader} reads it"
        else:
            remedy = f"Did you mean {close[0]!r}?" if close else "Rename it if it holds the labels"
        found = f"the key {shown(key)} is not read, and there is no {' or '.join(map(repr, labels))}"
        return Remark(found, path=path, line=number, remedy=remedy)
    return None


def reader_of(key: str, value: Any) -> Optional[str]:
    """The reader whose files have such a value under such a key, if it is one of labels."""
    first = value[0] if isinstance(value, list) and value else None
    if isinstance(first, dict):
        for mark, reader in (("start_offset", "doccano"), ("start_idx", "cmeee"), ("labels", "label_studio")):
            if mark in first:
                return reader
    if key in ("label", "labels", "entities") and isinstance(first, list) and len(first) == 3:
        return "doccano"
    if key == "label" and isinstance(value, dict):
        return "cluener"
    return "datasets_ner" if key in ("entities", "ner_tags", "tags") and isinstance(value, list) else None


def _may_be_labels(value: Any) -> bool:
    return isinstance(value, (dict, list)) and bool(value)
