r"""
The bracket notation, one sentence a line: `<青禾银行:ORG>的<林晓彤:PER>`.

| stands for | written |
| --- | --- |
| an entity | `<SURFACE:TYPE>`; nested, `<<东京:LOC>塔:FAC>`, touching, or two on one span, `<<东京:LOC>:GPE>` |
| `<`, `>`, `\` as text | `\<`, `\>`, `\\` |
| `:` as text | `:`, since the last one in a bracket separates the type; in a type `\:` |
| LF, CR as text | `\n`, `\r` |
| a lone surrogate | `\uXXXX`, so that every line can be stored as UTF-8 |

`\uXXXX` can be read for any character. It is also written for a byte order mark at the start of a line, and for the
first character of a line of white space, since readers of lines drop these.

`UnescapedBrackets` reads corpora that have the brackets without escapes, but with the text beside each annotation.
"""

import re
from typing import Collection, Iterable, NoReturn, Optional

from ner_plugins.entities import Entity
from ner_plugins.errors import DataError, NerError, shown

_BYTE_ORDER_MARK = "\ufeff"
_WRITTEN = {"\n": "\\n", "\r": "\\r"}
_READ = {"n": "\n", "r": "\r", "<": "<", ">": ">", "\\": "\\", ":": ":"}
_IN_TEXT = re.compile("[<>\\\\\n\r\ud800-\udfff]")
_IN_TYPE = re.compile("[<>:\\\\\n\r\ud800-\udfff]")
_TOKEN = re.compile(r"(?P<text>[^<>:\\\n]+)|\\u(?P<code>[0-9a-fA-F]{4})|\\(?P<escape>[nr<>:\\])|[<>:\\\n]")
_MARKUP = re.compile(r"[<>\\\n]")
DEEPEST = 1000
"""How deep entities can be nested."""
_LINE = "text with <SURFACE:TYPE> around each entity"


def to_brackets(text: str, entities: Iterable[Entity]) -> str:
    r"""
    A sentence as one line.

    # Parameters

    text : `str`
    entities : `Iterable[Entity]`
        In any order; duplicates are written once. Of two types on one span, the first by name is the outer one.

    # Raises

    `NerError` if two entities cross, or if one is empty, has no type or exceeds the text.
    """
    pieces: list[str] = []
    stack: list[Entity] = []
    at = 0
    for entity in sorted(dict.fromkeys(entities), key=lambda e: (e.start, -e.end, e.type)):
        _check(entity, text)
        while stack and stack[-1].end <= entity.start:
            at = _close(stack.pop(), text, at, pieces)
        if stack and stack[-1].end < entity.end:
            raise NerError(
                f"{_named(stack[-1], text)} and {_named(entity, text)} cross, which brackets cannot represent. Leave "
                f"one of them out (resolve_overlaps keeps the longest)"
            )
        if len(stack) == DEEPEST:
            raise NerError(f"more than {DEEPEST:,} entities are nested at {entity.start}, which brackets do not hold")
        pieces += (_escape(text[at : entity.start]), "<")
        at = entity.start
        stack.append(entity)
    while stack:
        at = _close(stack.pop(), text, at, pieces)
    pieces.append(_escape(text[at:]))
    line = "".join(pieces)
    return f"\\u{ord(line[0]):04x}{line[1:]}" if line.isspace() or line.startswith(_BYTE_ORDER_MARK) else line


def _check(entity: Entity, text: str) -> None:
    if not 0 <= entity.start < entity.end <= len(text):
        found = f"{entity.type!r} ({entity.start}, {entity.end})"
        raise NerError(f"{found} is not a span of a text of {len(text)} characters. Check its offsets, or leave it out")
    if not entity.type:
        raise NerError(f"the entity at ({entity.start}, {entity.end}) has no type. Give it one, or leave it out")


def _close(entity: Entity, text: str, at: int, pieces: list[str]) -> int:
    pieces += (_escape(text[at : entity.end]), ":", _IN_TYPE.sub(_escaped, entity.type), ">")
    return entity.end


def _escape(text: str) -> str:
    return _IN_TEXT.sub(_escaped, text)


def _escaped(match: "re.Match[str]") -> str:
    character = match[0]
    if "\ud800" <= character <= "\udfff":
        return f"\\u{ord(character):04x}"
    return _WRITTEN.get(character, "\\" + character)


def _named(entity: Entity, text: str) -> str:
    return f"{entity.type} {text[entity.start : entity.end][:40]!r} ({entity.start}, {entity.end})"


def from_brackets(line: str) -> tuple[str, list[Entity]]:
    """
    The inverse of `to_brackets`.

    # Parameters

    line : `str`
        A line without its line break.

    # Returns

    `tuple[str, list[Entity]]`
        The text, and its entities without duplicates, sorted by position, outer before inner ones.

    # Raises

    `DataError`, a `NerError`, if the line is malformed; the message has the character's position, from 0.
    """
    if not _MARKUP.search(line):
        return line, []
    pieces: list[str] = []  # of the text, and for an open bracket of its last colon and possible type
    entities: dict[Entity, None] = {}
    stack: list[_Open] = []
    length = 0
    for match in _TOKEN.finditer(line):
        token = match[0]
        if token == "<":
            if stack:
                stack[-1].colon = None
            if len(stack) == DEEPEST:
                problem = f"at character {match.start()} more than {DEEPEST:,} brackets are open"
                raise DataError(problem, expected=_LINE, remedy=r"Write \< where it is text")
            stack.append(_Open(length, match.start()))
        elif token == ">":
            length = _closed(stack, pieces, length, match.start(), entities)
        elif token in ("\\", "\n"):
            _refuse_character(line, match.start())
        else:
            if token == ":" and stack:
                stack[-1].colon, stack[-1].piece = length, len(pieces)
            pieces.append(_unescaped(match))
            length += len(pieces[-1])
    if stack:
        at = stack[-1].at
        raise DataError(f"'<' at character {at} is not closed", expected=_LINE, remedy=r"Write \< where it is text")
    found = list(entities)[::-1]  # of two on one span, the inner one was closed first
    found.sort(key=lambda e: (e.start, -e.end))
    return "".join(pieces), found


class _Open:
    """An open bracket."""

    __slots__ = ("at", "colon", "piece", "start")

    def __init__(self, start: int, at: int) -> None:
        self.start, self.at = start, at  # in the text, in the line
        self.colon: Optional[int] = None  # in the text: the last colon, unless a bracket was opened after it
        self.piece = 0  # the index of the colon's piece


def _closed(stack: list[_Open], pieces: list[str], length: int, at: int, entities: dict[Entity, None]) -> int:
    """Close the innermost bracket and remove its type from the pieces; returns the length of the text."""
    if not stack:
        raise DataError(f"'>' at character {at} closes no '<'", expected=_LINE, remedy=r"Write \> where it is text")
    bracket = stack.pop()
    if bracket.colon is None or bracket.colon + 1 == length:
        raise DataError(
            f"the bracket from character {bracket.at} to {at} has no type",
            expected="<SURFACE:TYPE>",
            remedy=r"Write \< and \> where they are text",
        )
    if bracket.colon == bracket.start:
        raise DataError(
            f"the bracket from character {bracket.at} to {at} holds no text",
            expected="<SURFACE:TYPE>",
            remedy="Remove it, or put the entity's text before the colon",
        )
    type_ = "".join(pieces[bracket.piece + 1 :])
    del pieces[bracket.piece :]
    entities[Entity(bracket.start, bracket.colon, type_)] = None
    return bracket.colon


def _unescaped(match: "re.Match[str]") -> str:
    if match["code"]:
        return chr(int(match["code"], 16))
    return _READ[match["escape"]] if match["escape"] else match[0]


def _refuse_character(line: str, at: int) -> NoReturn:
    if line[at] == "\n":
        remedy = r"Give one line without its end; a line break in a text is written \n"
        raise DataError(f"a line break at character {at}", expected="one line", remedy=remedy)
    raise DataError(
        f"{line[at : at + 2]!r} at character {at} is not an escape",
        expected=r"\<, \>, \:, \\, \n, \r or \uXXXX",
        remedy=r"Write \\ where the backslash is text",
    )


_OUTSIDE, _UNBALANCED = -2, -1
_DEEPEST = 16  # deeper nested brackets in a surface count as unbalanced, which bounds the number of states
_UNBALANCED_COSTS = 1 << 32
_MOST_STATES = 100  # at one character; sentences have fewer than ten

_Found = Optional[tuple["_Found", int, int, str]]  # entities as a linked list, the last one first
_State = tuple[int, int]  # position in the text; _OUTSIDE, or the number of open "<" in the entity's surface
_Way = tuple[int, int, _Found]  # costs, start of the open entity, closed entities


class UnescapedBrackets:
    """
    Reads `<SURFACE:TYPE>` with the help of the raw text, where nothing is escaped and `<`, `>` and `:` may be text.

    The annotated line is aligned with its text. Entities are not nested. Of several possible alignments it takes the
    one with the fewest surfaces whose `<` and `>` are unbalanced, then the one with the fewest characters in entities:
    `<<2>:NOH>` is the entity `<2>`, and `<<트럼보:POH>>가` is 트럼보 between brackets of the text.

    # Parameters

    types : `Collection[str]`
        All possible types.
    remedy : `str`, optional (default=`"Correct it"`)
        The remedy in the error for an unknown type.
    """

    def __init__(self, types: Collection[str], remedy: str = "Correct it") -> None:
        self.types, self._remedy = tuple(types), remedy
        names = "|".join(re.escape(type_) for type_ in sorted(self.types, key=len, reverse=True))
        self._plain = re.compile(f"<([^<>]+):({names})>")
        self._end = re.compile(f":({names})>")

    def entities(self, text: str, annotated: str) -> list[Entity]:
        """
        The entities of `text`, in order.

        # Raises

        `DataError` if no alignment is possible; the message has the position in the annotated line, from 0.
        """
        if "<" not in text and ">" not in text:  # all brackets are annotation, so there is one alignment
            parts = self._plain.split(annotated)
            plain, surfaces, types = parts[::3], parts[1::3], parts[2::3]
            parts[2::3] = [""] * len(types)
            if "".join(parts) == text:
                found: list[Entity] = []
                at = 0
                for before, surface, type_ in zip(plain, surfaces, types, strict=False):
                    start = at + len(before)
                    at = start + len(surface)
                    found.append(Entity(start, at, type_))
                return found
        return self._walk(text, annotated)

    def _walk(self, text: str, annotated: str) -> list[Entity]:
        ahead: dict[int, dict[_State, _Way]] = {0: {(0, _OUTSIDE): (0, 0, None)}}
        reached: tuple[int, int] = (0, 0)
        for at in range(len(annotated)):
            states = ahead.pop(at, None)
            if states and len(states) > _MOST_STATES:
                problem = f"at character {at} there are too many ways to separate text from brackets"
                remedy = "Check that it is not one text many times over, or shorten it"
                raise DataError(problem, expected="an annotated line", remedy=remedy)
            if states:
                reached = (at, max(i for i, _ in states))
                for state, way in states.items():
                    for after, next_state, next_way in self._steps(text, annotated, at, state, way):
                        there = ahead.setdefault(after, {})
                        if next_state not in there or next_way[0] < there[next_state][0]:
                            there[next_state] = next_way
        ends = ahead.get(len(annotated), {})
        if (len(text), _OUTSIDE) not in ends:
            if ends:
                reached = (len(annotated), max(i for i, _ in ends))
            raise self._failure(text, annotated, *reached)
        found: list[Entity] = []
        last = ends[len(text), _OUTSIDE][2]
        while last is not None:
            last, start, end, type_ = last
            found.append(Entity(start, end, type_))
        return found[::-1]

    def _steps(
        self, text: str, annotated: str, at: int, state: _State, way: _Way
    ) -> Iterable[tuple[int, _State, _Way]]:
        """The possible roles of character `at` of the annotated line: text, or the start or end of an entity."""
        (i, level), (costs, start, found) = state, way
        character = annotated[at]
        is_text = text.startswith(character, i)
        if level == _OUTSIDE:
            if is_text:
                yield at + 1, (i + 1, level), way
            first = annotated[at + 1 : at + 2]
            if character == "<" and first and text.startswith(first, i):  # a surface is not empty
                yield at + 2, (i + 1, _level(0, first)), (costs + 1, i, found)
            return
        if is_text:
            yield at + 1, (i + 1, _level(level, character)), (costs + 1, start, found)
        if character == ":" and (end := self._end.match(annotated, at)):
            costs += _UNBALANCED_COSTS if level else 0
            yield end.end(), (i, _OUTSIDE), (costs, 0, (found, start, i, end[1]))

    def _failure(self, text: str, annotated: str, at: int, i: int) -> DataError:
        expected = f"the raw line with <SURFACE:TYPE> around each entity, TYPE one of {', '.join(self.types)}"
        end = re.compile(r":([^\s<>:]+)>").match(annotated, at)
        if end and end[1] not in self.types:
            found = f"unknown type {shown(end[1])} at character {at + 1} of the annotated line"
            return DataError(found, expected=expected, remedy=self._remedy)
        there = repr(annotated[at : at + 20]) if at < len(annotated) else "its end"
        has = f"has {text[i : i + 20]!r}" if i < len(text) else "ends"
        found = f"the annotated line does not follow the raw line: at character {at} {there}, where the text {has}"
        return DataError(found, expected=expected, remedy="Correct the annotated line")


def _level(level: int, character: str) -> int:
    """The number of open "<" in a surface after a character."""
    if character == "<" and level != _UNBALANCED:
        return level + 1 if level < _DEEPEST else _UNBALANCED
    if character == ">" and level != _UNBALANCED:
        return level - 1  # below 0 is _UNBALANCED
    return level
