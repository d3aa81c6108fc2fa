"""Sentences as lines of JSON, as rows for Hugging Face `datasets`, and in brackets."""

import re
from abc import ABC, abstractmethod
from typing import Any, Callable, ClassVar, Dict, List, Optional, Sequence

from ner_plugins.brackets import to_brackets
from ner_plugins.entities import Entity, Sentence, resolve_overlaps
from ner_plugins.errors import DataError
from ner_plugins.predictors.ner_predictor import dump_json
from ner_plugins.tag_schemes import spans_to_tags

_SURROGATE = re.compile("[\ud800-\udfff]")
_SURROGATE_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


class SentenceFormat(ABC):
    """
    A format of corpora, as bytes: those of each sentence one after the other, and then those of `finish`.

    An instance writes one file.
    """

    # Whether two entities of a text cannot both be written; `None` where all can.
    conflict: ClassVar[Optional[Callable[[Entity, Entity], bool]]] = None

    @abstractmethod
    def encode(self, sentence: Sentence) -> bytes:
        """
        A sentence whose entities are spans of its text, none of them twice and none in `conflict` with another.

        # Raises

        `DataError` where the format has no place for something in it.
        """

    def finish(self) -> bytes:
        """What follows the last sentence."""
        return b""


def cannot_hold(sentence: Sentence, problem: str, remedy: str) -> DataError:
    """The error of a sentence that a format has no place for."""
    text = sentence.text if len(sentence.text) <= 40 else sentence.text[:39] + "…"
    return DataError(f"{problem} in {text!r}", path=sentence.source or None, remedy=remedy)


def check_labelled(sentence: Sentence, name: str) -> Sequence[Entity]:
    """The gold of a sentence, in a format that has no place for a text without: `DataError`."""
    if sentence.entities is None:
        raise cannot_hold(
            sentence,
            f"no gold, which {name} cannot tell from a text without entities,",
            "Write cluener, datasets or docbin, which can",
        )
    return sentence.entities


def check_encodable(sentence: Sentence, name: str) -> None:
    """`DataError` where UTF-8 has no place for a character of the text, a type or the id."""
    for value in (sentence.text, sentence.id, *(entity.type for entity in sentence.entities or ())):
        found = _SURROGATE.search(value) if isinstance(value, str) else None
        if found:
            raise cannot_hold(
                sentence,
                f"a lone surrogate U+{ord(found[0]):04X}, which {name} cannot hold,",
                'Write cluener or brackets, which escape it, or read with the option "encoding_errors": "replace"',
            )


class CluenerFormat(SentenceFormat):
    """`{"id", "text", "label": {TYPE: {SURFACE: [[START, END inclusive]]}}}`: see `CluenerReader`."""

    def encode(self, sentence: Sentence) -> bytes:
        """One line."""
        text, entities = sentence.text, sentence.entities
        for value in (text, sentence.id, *(entity.type for entity in entities or ())):
            if isinstance(value, str) and _SURROGATE_PAIR.search(value):
                remedy = "Write brackets, which can, or correct the text"
                raise cannot_hold(sentence, "two surrogates, which JSON reads as one character,", remedy)
        row: Dict[str, Any] = {} if sentence.id is None else {"id": sentence.id}
        row["text"] = text
        if entities is not None:
            label: Dict[str, Dict[str, List[List[int]]]] = {}
            for entity in entities:
                places = label.setdefault(entity.type, {}).setdefault(text[entity.start : entity.end], [])
                places.append([entity.start, entity.end - 1])
            row["label"] = label
        return (dump_json(row) + "\n").encode()


class BracketsFormat(SentenceFormat):
    """`<SURFACE:TYPE>`: see `ner_plugins.brackets`."""

    conflict = Entity.crosses

    def encode(self, sentence: Sentence) -> bytes:
        """One line."""
        entities = check_labelled(sentence, "brackets")
        if not sentence.text:
            remedy = "Write cluener, datasets or docbin, or leave it out (--on-error skip)"
            raise cannot_hold(sentence, "no text, whose line would be a blank one,", remedy)
        return (to_brackets(sentence.text, entities) + "\n").encode()


class DatasetsFormat(SentenceFormat):
    """
    JSON lines for `load_dataset("json")` of Hugging Face `datasets`.

    `tokens` are the characters, `ner_tags` the BIO tags of the flat entities (of those that overlap the longest) and
    `entities` all of them, `{"start", "end", "type"}`, half-open. Without gold both are null. An id is a string in
    every row, since a column has one type; a sentence without one gets its number in the file, from 0.

    `datasets` takes the columns' types from the first 10 MB of the first file. Where these have no entity, or files
    with and without gold are loaded together, it needs `load_dataset(..., features=Features(...))`.
    """

    def __init__(self) -> None:
        self._rows = 0

    def encode(self, sentence: Sentence) -> bytes:
        """One line."""
        check_encodable(sentence, "datasets")
        text, entities = sentence.text, sentence.entities
        tags: Optional[List[str]] = None
        if entities is not None:
            flat = resolve_overlaps(entities) if len(entities) > 1 else entities
            tags = spans_to_tags([(entity.start, entity.end, entity.type) for entity in flat], len(text))
        row = {
            "id": str(self._rows if sentence.id is None else sentence.id),
            "text": text,
            "tokens": list(text),
            "ner_tags": tags,
            "entities": None if entities is None else [entity.to_json() for entity in entities],
        }
        self._rows += 1
        return (dump_json(row) + "\n").encode()
