"""doccano's exports for sequence labelling."""

import re
from typing import Any, ClassVar, Iterator, Mapping, Optional, Sequence, Union

from allennlp.data import DatasetReader

from ner_plugins.dataset_readers.json.json_reader import JsonReader
from ner_plugins.dataset_readers.json.lines import id_of, json_object, kind, text_of, weight_of
from ner_plugins.dataset_readers.json.spans import Bad, Offsets, RawEntity, SpanChecker, has_astral
from ner_plugins.dataset_readers.recognition import FileStart, Recognition
from ner_plugins.dataset_readers.remarks import LeftOutTally, unread_keys
from ner_plugins.entities import Sentence
from ner_plugins.errors import DataError, Remark, shown

_LABELS = ("label", "labels", "entities", "annotations")
_KEYS = ("text", "id", "weight", *_LABELS)
_SPAN = "[START, END, TYPE]"
_DICT = '{"start_offset": START, "end_offset": END, "label": TYPE}'
_START = re.compile(r'"start_offset"\s*:|"labels?"\s*:\s*\[\s*\[\s*\d+\s*,\s*\d+\s*,')


@DatasetReader.register("doccano")
class DoccanoReader(JsonReader):
    """
    Reads what doccano exports from projects for sequence labelling, of all its versions:

        {"id": 1, "text": "林晓彤来了", "label": [[0, 3, "PER"]]}
        {"id": 2, "text": "林晓彤来了", "labels": [[0, 3, "PER"]]}
        {"id": 3, "text": "林晓彤来了", "entities": [{"id": 9, "label": "PER", "start_offset": 0, "end_offset": 3}]}

    The end is the first character after the entity; entities may overlap. An empty list is a text without entities; a
    text without any of these keys, or with null, is unlabelled. Of several keys the first list counts. Relations, and
    categories of the whole text (`cats`), are left out and counted; other keys, such as `Comments` and metadata, are
    ignored. A folder or an export's zip has `train.jsonl` (or `all.jsonl`), `dev.jsonl` and `test.jsonl`, or the same
    with `.json`. For the parameters see `JsonReader`.

    doccano writes no surfaces to check. It counts UTF-16 units unless the project counts grapheme clusters, so after an
    emoji its offsets are too high: set `offsets` to `utf16`. If `offsets` is not set, a remark names the first text
    where that matters.
    """

    split_files: ClassVar[Mapping[str, Sequence[str]]] = {
        "train": ("train.jsonl", "train.json", "all.jsonl", "all.json"),
        "dev": ("dev.jsonl", "dev.json", "valid.jsonl", "valid.json"),
        "test": ("test.jsonl", "test.json"),
    }

    @classmethod
    def sniff(cls, file_start: FileStart) -> Optional[Recognition]:
        """Recognises JSON with `text` and doccano's spans, or with empty lists of labels."""
        if "text" not in (file_start.json_keys or ()):
            return None
        found = [value for record in file_start.json_records for key in _LABELS if (value := record.get(key))]
        if any(map(_has_spans, found)) or (not found and _START.search("\n".join(file_start.lines))):
            return Recognition("JSON with doccano's spans", 0.95)
        empty = any(record.get(key) == [] for record in file_start.json_records for key in ("label", "labels"))
        return Recognition("JSON with lists of labels, all empty", 0.75) if empty and not found else None

    def _parse(self, lines: Iterator[tuple[int, str]], path: str) -> Iterator[Union[Sentence, DataError]]:
        tally = LeftOutTally(path)
        remarked = {"unlabelled": False, "units": self.offsets is not None}
        for number, line in lines:
            try:
                record: Union[Sentence, DataError] = parse_doccano(line, path, number, self.offsets, tally)
            except DataError as error:
                record = error
            if isinstance(record, Sentence):
                if record.entities is None and not remarked["unlabelled"]:
                    remarked["unlabelled"] = True  # one remark is enough: the other records will be alike
                    self._remark(unread_keys(line, _KEYS, _LABELS, path, number))
                if record.entities and not remarked["units"] and _is_in_doubt(record):
                    remarked["units"] = True
                    self._remark(_doubtful_units(path, number))
            yield record
        self._remark(tally.remark())


def parse_doccano(line: str, path: str, number: int, offsets: Optional[Offsets], tally: LeftOutTally) -> Sentence:
    """
    Parse a record as a sentence.

    # Parameters

    line : `str`
    path, number : `str`, `int`
        The file and the line.
    offsets : `Optional[str]`
        See `JsonReader`.
    tally : `LeftOutTally`
        Counts what is not read.

    # Raises

    `DataError` with the problem, what was expected, and what to do.
    """

    def bad(problem: str, expected: str, remedy: str = "Correct the line") -> DataError:
        return DataError(problem, path=path, line=number, expected=expected, remedy=remedy)

    value = json_object(line, bad)
    text, id_, weight = text_of(value, bad), id_of(value, bad), weight_of(value, bad)
    for other_key, name in (("relations", "relation"), ("cats", "category of a whole text")):
        if isinstance(value.get(other_key), list):
            tally.add(name, len(value[other_key]))
    key = next((key for key in _LABELS if isinstance(value.get(key), list)), None)
    if key is None:
        other = next((key for key in _LABELS if value.get(key) is not None), None)
        if other is None:
            return Sentence(text, None, id_, f"{path}:{number}", weight=weight)
        remedy = "The reader cluener reads objects" if isinstance(value[other], dict) else "Correct the line"
        raise bad(f'"{other}" is a JSON {kind(value[other])}', f"an array of {_SPAN}", remedy)
    checker = SpanChecker(text, bad, _SPAN if key in _LABELS[:2] else _DICT, offsets)
    entities = (checker.entity(_raw(index, item, key, bad)) for index, item in enumerate(value[key]))
    return Sentence(text, tuple(dict.fromkeys(entities)), id_, f"{path}:{number}", weight=weight)


def _raw(index: int, item: Any, key: str, bad: Bad) -> RawEntity:
    """An item of the list of labels; entities of all versions come in both notations."""
    if isinstance(item, list) and len(item) == 3:
        return RawEntity(index, *item)
    if isinstance(item, dict) and "start_offset" in item:
        label = item.get("label")
        if isinstance(label, int):
            remedy = "This export has the numbers of the labels: choose one with their texts"
            raise bad(f"entity {index} has the label {shown(label)}", _DICT, remedy)
        return RawEntity(index, item["start_offset"], item.get("end_offset"), label)
    if isinstance(item, str):
        remedy = "Labels of whole texts come from a project for text classification: export one for sequence labelling"
        raise bad(f'"{key}" has the text {shown(item)}', f"an array of {_SPAN}", remedy)
    raise bad(f'"{key}" has at index {index} {shown(item)}', f"{_SPAN} or {_DICT}")


def _has_spans(value: Any) -> bool:
    """Whether a value is a list that begins like doccano's spans."""
    first = value[0] if isinstance(value, list) and value else None
    if isinstance(first, list):
        return len(first) == 3 and type(first[0]) is int and type(first[1]) is int and isinstance(first[2], str)
    return isinstance(first, dict) and "start_offset" in first


def _is_in_doubt(sentence: Sentence) -> bool:
    """Whether an entity ends after a character that UTF-16 writes as two units."""
    return has_astral(sentence.text[: max(entity.end for entity in sentence.entities or ())])


def _doubtful_units(path: str, number: int) -> Remark:
    found = "an entity comes after a character that UTF-16 counts as two, such as an emoji, as doccano's page does"
    remedy = 'If entities look shifted, set the option offsets to "utf16"; if not, to "characters"'
    return Remark(found, path=path, line=number, remedy=remedy)
