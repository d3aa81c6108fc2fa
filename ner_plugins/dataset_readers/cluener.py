"""CLUENER 2020: one JSON object on each line."""

import json
from typing import Any, Callable, ClassVar, Dict, Iterator, Mapping, Sequence, Tuple, Union

from allennlp.data import DatasetReader

from ner_plugins.dataset_readers.ner_reader import NerDatasetReader
from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import DataError

_LABEL = '"label": {TYPE: {SURFACE: [[START, END], …]}}'


@DatasetReader.register("cluener")
class CluenerReader(NerDatasetReader):
    """
    Reads lines like

        {"text": "浙商银行的叶老桂", "label": {"company": {"浙商银行": [[0, 3]]}, "name": {"叶老桂": [[5, 7]]}}}

    whose offsets count characters from 0 and whose end is the last character. `label` may be missing (or null): the
    text is unlabelled; `id`, a number or string, too. Blank lines are skipped. Every offset is checked against its
    surface; an entity given twice counts once. A folder has `train.json`, `dev.json` and `test.json`, compressed or
    not. For the parameters see `NerDatasetReader`.
    """

    split_files: ClassVar[Mapping[str, Sequence[str]]] = {
        "train": ("train.json",),
        "dev": ("dev.json",),
        "test": ("test.json",),
    }

    def _parse(self, lines: Iterator[Tuple[int, str]], path: str) -> Iterator[Union[Sentence, DataError]]:
        for number, line in lines:
            if line and not line.isspace():
                try:
                    record: Union[Sentence, DataError] = parse_record(line, path, number)
                except DataError as error:
                    record = error
                yield record


def parse_record(line: str, path: str, number: int) -> Sentence:
    """
    One line as a sentence.

    # Parameters

    line : `str`
    path, number : `str`, `int`
        Where it stands.

    # Raises

    `DataError` that says what is wrong with it, what was expected, and what to do.
    """

    def bad(problem: str, expected: str, remedy: str = "Correct the line") -> DataError:
        return DataError(problem, path=path, line=number, expected=expected, remedy=remedy)

    value = _json_object(line, bad)
    if "text" not in value:
        raise bad(f'no "text" among the keys {_short(list(value))}', 'the key "text"')
    text, label, id_ = value["text"], value.get("label"), value.get("id")
    if not isinstance(text, str):
        raise bad(f'"text" is a JSON {_kind(text)}', "a string")
    if id_ is not None and (isinstance(id_, bool) or not isinstance(id_, (int, str))):
        raise bad(f'"id" is a JSON {_kind(id_)}', "a whole number or a string")
    source = f"{path}:{number}"
    if label is None:
        return Sentence(text, None, id_, source)
    entities = (_entity(text, type_, surface, span, bad) for type_, surface, span in _labels(label, bad))
    return Sentence(text, tuple(dict.fromkeys(entities)), id_, source)


def _json_object(line: str, bad: Callable[..., DataError]) -> Dict[str, Any]:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        in_escape = error.msg.startswith("Invalid \\uXXXX") and error.pos + 5 > len(line.rstrip())
        if error.pos >= len(line.rstrip()) or error.msg.startswith("Unterminated string") or in_escape:
            remedy = "The file may be truncated: fetch it again, or remove the line"
            raise bad("the line ends in the middle of a JSON value", "a JSON object", remedy) from None
        found = f"no valid JSON at character {error.pos} ({line[error.pos : error.pos + 20]!r}): {error.msg}"
        raise bad(found, "one JSON object on each line") from None
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, 100,000 brackets
        raise bad(f"JSON that cannot be read: {error}", "a JSON object") from None
    if not isinstance(value, dict):
        raise bad(f"a JSON {_kind(value)}", 'an object with the key "text"')
    return value


def _labels(label: Any, bad: Callable[..., DataError]) -> Iterator[Tuple[str, str, Any]]:
    """Each (type, surface, offsets) of a `label` value."""
    if not isinstance(label, dict):
        raise bad(f'"label" is a JSON {_kind(label)}', _LABEL)
    for type_, surfaces in label.items():
        if not isinstance(surfaces, dict):
            raise bad(f'"label" has under {_short(type_)} a JSON {_kind(surfaces)}', _LABEL)
        for surface, spans in surfaces.items():
            if not isinstance(spans, list):
                raise bad(f'"label" has under {_short(type_)}, {_short(surface)} a JSON {_kind(spans)}', _LABEL)
            for span in spans:
                yield type_, surface, span


def _entity(text: str, type_: str, surface: str, span: Any, bad: Callable[..., DataError]) -> Entity:
    """The entity at an inclusive [start, end], checked against the text."""
    # `type` rather than isinstance: JSON's true is no offset.
    if not isinstance(span, list) or len(span) != 2 or not all(type(offset) is int for offset in span):
        where = f"{_short(surface)} ({_short(type_)})"
        raise bad(f"{where} has the offsets {_short(span)}", "[START, END], two whole numbers")
    start, end = span
    if 0 <= start <= end < len(text) and text[start : end + 1] == surface:
        return Entity(start, end + 1, type_)
    where = f"{_short(surface)} ({_short(type_)})"
    if start < 0 or end < start:
        raise bad(f"{where} has the offsets [{start}, {end}]", "0 <= START <= END, the last character included")
    at = text.find(surface)
    if text[start:end] == surface:
        remedy = "The ends seem to be exclusive, but CLUENER's are the last character: subtract 1 from each"
    else:
        remedy = f"It stands at [{at}, {at + len(surface) - 1}]" if at >= 0 else "The text does not contain it"
    if end >= len(text):
        raise bad(f"{where} ends at {end}, past the text", f"an end of at most {len(text) - 1}", remedy)
    raise bad(f"the text at [{start}, {end}] is {_short(text[start : end + 1])}", where, remedy)


def _short(value: Any) -> str:
    """A value for a message: printable whatever it holds, and not longer than a line."""
    written = repr(value)
    return written if len(written) <= 80 else written[:77] + "..."


def _kind(value: Any) -> str:
    """The JSON name of a value's type."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    names = {dict: "object", list: "array", str: "string", int: "number", float: "number"}
    return names[type(value)]
