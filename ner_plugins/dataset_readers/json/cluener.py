"""CLUENER 2020: one JSON object on each line."""

from typing import Any, Callable, ClassVar, Iterable, Iterator, Optional, Union

from allennlp.data import DatasetReader

from ner_plugins.dataset_readers.json.json_reader import JsonReader
from ner_plugins.dataset_readers.json.lines import id_of, json_object, kind, text_of, weight_of
from ner_plugins.dataset_readers.json.spans import UTF16_REMEDY, Offsets, has_astral, utf16_places
from ner_plugins.dataset_readers.recognition import FileStart, Recognition
from ner_plugins.dataset_readers.remarks import reader_of
from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import DataError, shown
from ner_plugins.files.data_paths import SplitFiles

_LABEL = '"label": {TYPE: {SURFACE: [[START, END], …]}}'
_KEYS = ("text", "label", "id", "weight")


@DatasetReader.register("cluener")
class CluenerReader(JsonReader):
    """
    Reads lines like

        {"text": "青禾银行的林晓彤", "label": {"company": {"青禾银行": [[0, 3]]}, "name": {"林晓彤": [[5, 7]]}}}

    Offsets count characters from 0, and the end is the last character. If `label` is missing or null, the text is
    unlabelled; `id`, a number or a string, and `weight` are optional. Blank lines are skipped. Every offset is checked
    against its surface, and duplicate entities are dropped. A folder has `train.json`, `dev.json` and `test.json`,
    compressed or not. For the parameters see `JsonReader`.
    """

    split_files: ClassVar[SplitFiles] = {
        "train": ("train.json",),
        "dev": ("dev.json",),
        "test": ("test.json",),
    }

    @classmethod
    def sniff(cls, file_start: FileStart) -> Optional[Recognition]:
        """Recognises JSON lines with the key `text`; `datasets_ner` is surer of those with `entities` or `tokens`."""
        return Recognition('JSON lines with "text"', 0.7) if "text" in (file_start.json_keys or ()) else None

    def _parse(self, lines: Iterator[tuple[int, str]], path: str) -> Iterator[Union[Sentence, DataError]]:
        def parse(line: str, number: int) -> Sentence:
            return parse_record(line, path, number, self.offsets)

        return self._sentences(lines, path, parse, _KEYS, ("label",))


def parse_record(line: str, path: str, number: int, offsets: Optional[Offsets] = None) -> Sentence:
    """
    Parse a record as a sentence.

    # Parameters

    line : `str`
    path, number : `str`, `int`
        The file and the line.
    offsets : `Optional[str]`, optional (default=`None`)
        See `JsonReader`.

    # Raises

    `DataError` with the problem, what was expected, and what to do.
    """

    def bad(problem: str, expected: str, remedy: str = "Correct the line") -> DataError:
        return DataError(problem, path=path, line=number, expected=expected, remedy=remedy)

    value = json_object(line, bad)
    text, label, id_ = text_of(value, bad), value.get("label"), id_of(value, bad)
    source, weight = f"{path}:{number}", weight_of(value, bad)
    if label is None:
        return Sentence(text, None, id_, source, weight=weight)
    places = utf16_places(text) if offsets == "utf16" and has_astral(text) else None
    entities = (_entity(text, type_, surface, span, bad, places) for type_, surface, span in _labels(label, bad))
    return Sentence(text, tuple(dict.fromkeys(entities)), id_, source, weight=weight)


def _labels(label: Any, bad: Callable[..., DataError]) -> Iterator[tuple[str, str, Any]]:
    """Each (type, surface, offsets) of a `label` value."""
    if not isinstance(label, dict):
        other = reader_of("label", label)
        remedy = f"The reader {other} reads it" if other else "Correct the line"
        raise bad(f'"label" is a JSON {kind(label)}', _LABEL, remedy)
    for type_, surfaces in label.items():
        if not type_:
            raise bad('"label" has an empty type', _LABEL, "Name the type, or leave its entities out")
        if not isinstance(surfaces, dict):
            raise bad(f'"label" has under {shown(type_)} a JSON {kind(surfaces)}', _LABEL)
        for surface, spans in surfaces.items():
            if not isinstance(spans, list):
                raise bad(f'"label" has under {shown(type_)}, {shown(surface)} a JSON {kind(spans)}', _LABEL)
            for span in spans:
                yield type_, surface, span


def _entity(
    text: str,
    type_: str,
    surface: str,
    span: Any,
    bad: Callable[..., DataError],
    places: Optional[dict[int, int]] = None,
) -> Entity:
    """The entity at an inclusive [start, end], which `places` translates, checked against the text."""
    where = f"{shown(surface)} ({shown(type_)})"
    # Not isinstance, which accepts JSON's true.
    if not isinstance(span, list) or len(span) != 2 or not all(type(offset) is int for offset in span):
        raise bad(f"{where} has the offsets {shown(span)}", "[START, END], two whole numbers")
    start, end = span
    if places is not None and end >= start >= 0:
        start, end = places.get(start, len(text)), places.get(end + 1, len(text) + 1) - 1
    if 0 <= start <= end < len(text) and text[start : end + 1] == surface:
        return Entity(start, end + 1, type_)
    if start < 0 or end < start:
        raise bad(f"{where} has the offsets {shown(span)}", "0 <= START <= END, the last character included")
    at = text.find(surface)
    if places is None and _is_utf16(text, surface, start, end):
        remedy = UTF16_REMEDY
    elif text[start:end] == surface:
        remedy = "The ends seem to be exclusive, but CLUENER's are inclusive: subtract 1 from each"
    elif places is not None:
        remedy = "Offsets count UTF-16 units, as the option offsets says"
    else:
        remedy = f"It occurs at [{at}, {at + len(surface) - 1}]" if at >= 0 else "The text does not contain it"
    if end >= len(text):
        raise bad(f"{where} ends at {shown(span[1])}, past the text", f"an end of at most {len(text) - 1}", remedy)
    raise bad(f"the text at {shown(span)} is {shown(text[start : end + 1])}", where, remedy)


def _is_utf16(text: str, surface: str, start: int, end: int) -> bool:
    """Whether the surface is at these offsets if they count UTF-16 units."""
    if not has_astral(text):
        return False
    places = utf16_places(text)
    return text[places.get(start, len(text)) : places.get(end + 1)] == surface


def label_of(text: str, entities: Iterable[Entity]) -> dict[str, dict[str, list[list[int]]]]:
    """The value of `label` for a text's entities: {type: {surface: [[start, inclusive end]]}}."""
    label: dict[str, dict[str, list[list[int]]]] = {}
    for entity in entities:
        places = label.setdefault(entity.type, {}).setdefault(text[entity.start : entity.end], [])
        places.append([entity.start, entity.end - 1])
    return label
