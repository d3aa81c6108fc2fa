"""Parsing and checking one row of Hugging Face `datasets`."""

from dataclasses import dataclass
from typing import Any, Callable, Optional, Sequence, Union

from ner_plugins.dataset_readers.json.lines import id_of, json_object, kind, weight_of
from ner_plugins.dataset_readers.json.spans import Offsets, RawEntity, SpanChecker
from ner_plugins.entities import Entity
from ner_plugins.errors import DataError, shown

_ENTITY = '{"start": START, "end": END, "type": TYPE}'
_READ = frozenset({"start", "end", "type", "label", "text", "score", "id"})
# Other names under which files have an entity's surface. Under some of them they have something else.
_SURFACES = ("entity", "word", "surface", "mention", "entity_text")

_Bad = Callable[..., DataError]


@dataclass(frozen=True)
class Row:
    """
    A parsed row.

    # Parameters

    text : `str`
    id : `Optional[Union[int, str]]`
    entities : `Optional[tuple[Entity, ...]]`
        `None` if the row has none.
    tokens : `Optional[Sequence[str]]`
    tags : `Optional[Sequence[str]]`
        One per token, as written in the file.
    offsets : `Sequence[tuple[int, int]]`
        The half-open characters of each token.
    unread : `Sequence[str]`, optional (default=`()`)
        The keys inside the entities that are not read.
    weight : `float`, optional (default=`1.0`)
        See `Sentence`.
    """

    text: str
    id: Optional[Union[int, str]]
    entities: Optional[tuple[Entity, ...]]
    tokens: Optional[Sequence[str]]
    tags: Optional[Sequence[str]]
    offsets: Sequence[tuple[int, int]]
    unread: Sequence[str] = ()
    weight: float = 1.0


def parse_row(
    line: str,
    path: str,
    number: int,
    join: str,
    tag_names: Optional[Sequence[str]] = None,
    offsets: Optional[Offsets] = None,
) -> Row:
    """
    Parse a record as a row.

    # Parameters

    line : `str`
    path, number : `str`, `int`
        The file and the line.
    join : `str`
        The text between two tokens, for a row without text.
    tag_names : `Optional[Sequence[str]]`
        The tags for the numbers 0, 1, …
    offsets : `Optional[str]`, optional (default=`None`)
        What those of `entities` count: see `JsonReader`.

    # Raises

    `DataError` with the problem, what was expected, and what to do.
    """

    def bad(problem: str, expected: str, remedy: str = "Correct the line") -> DataError:
        return DataError(problem, path=path, line=number, expected=expected, remedy=remedy)

    value = json_object(line, bad, 'an object with the key "text" or "tokens"')
    text, id_ = value.get("text"), id_of(value, bad)
    tokens = _strings(value.get("tokens"), "tokens", bad)
    if text is None and tokens is None:
        raise bad(f'no "text" and no "tokens" among the keys {shown(list(value))}', 'the key "text" or "tokens"')
    if text is not None and not isinstance(text, str):
        raise bad(f'"text" is a JSON {kind(text)}', "a string")
    token_offsets: list[tuple[int, int]] = []
    if tokens is not None:
        text = join.join(tokens) if text is None else text
        token_offsets = _offsets(text, tokens, bad)
    assert text is not None
    entities = _entities(value.get("entities"), text, SpanChecker(text, bad, _ENTITY, offsets), bad)
    key = "ner_tags" if value.get("ner_tags") is not None else "tags"
    tags = _tags(value.get(key), key, tokens, tag_names, bad)
    unread = _unread(value.get("entities"), text)
    return Row(text, id_, entities, tokens, tags, token_offsets, unread, weight_of(value, bad))


def _strings(value: Any, key: str, bad: _Bad) -> Optional[list[str]]:
    if value is None:
        return None
    if not isinstance(value, list):
        raise bad(f'"{key}" is a JSON {kind(value)}', "an array of strings")
    for index, item in enumerate(value):
        if not isinstance(item, str):
            raise bad(f'"{key}" has at index {index} a JSON {kind(item)}', "an array of strings")
    return value


def _offsets(text: str, tokens: Sequence[str], bad: _Bad) -> list[tuple[int, int]]:
    """The characters of each token, searched for one after the other."""
    offsets: list[tuple[int, int]] = []
    at = 0
    for index, token in enumerate(tokens):
        start = text.find(token, at)
        if not token or start < 0 or (start > at and not text[at:start].isspace()):
            if not token:
                raise bad(f"token {index} is empty", "tokens of at least one character")
            expected = f'the text goes on with {shown(text[at : at + 20])} at {at}'
            raise bad(f"token {index} is {shown(token)}", expected, 'Correct the line, or leave out its "text"')
        offsets.append((start, start + len(token)))
        at = start + len(token)
    if text[at:] and not text[at:].isspace():
        raise bad(f"the text goes on after the last token: {shown(text[at:])}", "tokens for all of it but white space")
    return offsets


def _tags(
    value: Any, key: str, tokens: Optional[Sequence[str]], names: Optional[Sequence[str]], bad: _Bad
) -> Optional[list[str]]:
    if value is None or (tokens is None and key == "tags"):  # "tags" without tokens mean something else
        return None
    if not isinstance(value, list):
        raise bad(f'"{key}" is a JSON {kind(value)}', "an array with a tag for each token")
    if tokens is None or len(value) != len(tokens):
        count = "no tokens" if tokens is None else f"{len(tokens)} tokens"
        raise bad(f"{len(value)} tags, but {count}", "one tag for each token")
    tags: list[str] = []
    for index, tag in enumerate(value):
        if type(tag) is int:  # not isinstance, which accepts JSON's true
            if names is None:
                remedy = 'Set the option tag_names to dataset.features["ner_tags"].feature.names'
                raise bad(f'"{key}" has at index {index} the number {shown(tag)}', "tags such as O and B-PER", remedy)
            if not 0 <= tag < len(names):
                expected = f"0 to {len(names) - 1}, since tag_names has {len(names)}"
                raise bad(f'"{key}" has at index {index} the number {shown(tag)}', expected)
            tag = names[tag]
        elif not isinstance(tag, str):
            raise bad(f'"{key}" has at index {index} a JSON {kind(tag)}', "tags such as O and B-PER")
        tags.append(tag)
    return tags


def _entities(value: Any, text: str, checker: SpanChecker, bad: _Bad) -> Optional[tuple[Entity, ...]]:
    if value is None:
        return None
    if not isinstance(value, list):
        raise bad(f'"entities" is a JSON {kind(value)}', f"an array of {_ENTITY}")
    return tuple(dict.fromkeys(_entity(index, item, text, checker, bad) for index, item in enumerate(value)))


def _entity(index: int, value: Any, text: str, checker: SpanChecker, bad: _Bad) -> Entity:
    """One entity, checked against the text."""
    if not isinstance(value, dict):
        raise bad(f"entity {index} is a JSON {kind(value)}", _ENTITY)
    type_ = value.get("type", value.get("label"))
    surface = value.get(_surface_key(value, text))
    return checker.entity(
        RawEntity(index, value.get("start"), value.get("end"), type_, surface, value.get("score"))
    )


def _surface_key(value: dict[str, Any], text: str) -> str:
    """The key that holds an entity's surface: `text`, or another one with something that the text contains."""
    if isinstance(value.get("text"), str):
        return "text"
    type_ = value.get("type", value.get("label"))
    found = (key for key in _SURFACES if isinstance(value.get(key), str) and value[key] != type_)
    return next((key for key in found if value[key] and value[key] in text), "text")


def _unread(entities: Any, text: str) -> tuple[str, ...]:
    keys: dict[str, None] = {}  # in order
    for value in entities or ():
        if value.keys() <= _READ:
            continue
        surface = _surface_key(value, text)
        for key in value:
            if key not in _READ and key != surface:
                keys[key] = None
    return tuple(keys)
