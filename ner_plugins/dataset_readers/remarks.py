"""Signs that a file needs another reader or other options; they are reported, and reading goes on."""

import difflib
import json
import re
from typing import Any, Collection, Optional, Sequence

from ner_plugins.errors import NerError, Remark, shown
from ner_plugins.tag_schemes import detect_scheme

_MIN_ILLEGAL = 20  # entities; fewer are probably mistakes in the file
_SAMPLE = 1000  # sentences from which the likely scheme is detected
_NUMBERED = re.compile("(\ufffd\ufffd|.)[0-9]{1,2}", re.DOTALL)
_MIN_DIFFERENT = 10  # tokens


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


def numbered_characters(tokens: Collection[str], path: str) -> Optional[Remark]:
    """A remark if every different token of a file is a character and its place in a word, as in Weibo."""
    if len(tokens) < _MIN_DIFFERENT or not all(map(_NUMBERED.fullmatch, tokens)):
        return None
    first = next((token for token in tokens if not token[0].isdigit()), None)
    if first is None:  # all of them are numbers
        return None
    found = f"every token ends in a digit, such as {shown(first)}"
    return Remark(found, path=path, remedy="If it is the character's place in a word, take the reader weibo")


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
        if key == "label":
            remedy = "The reader cluener reads it"
        elif key in ("entities", "ner_tags", "tags"):
            remedy = "The reader datasets_ner reads it"
        else:
            remedy = f"Did you mean {close[0]!r}?" if close else "Rename it if it holds the labels"
        found = f"the key {shown(key)} is not read, and there is no {' or '.join(map(repr, labels))}"
        return Remark(found, path=path, line=number, remedy=remedy)
    return None


def _may_be_labels(value: Any) -> bool:
    return isinstance(value, (dict, list)) and bool(value)
