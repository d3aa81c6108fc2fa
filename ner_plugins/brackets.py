r"""
The bracket notation, one sentence a line: `<青禾银行:ORG>的<林晓彤:PER>`.

| stands for | written |
| --- | --- |
| an entity | `<SURFACE:TYPE>`; nested, `<<东京:LOC>塔:FAC>`, touching, or two on one span, `<<东京:LOC>:GPE>` |
| `<`, `>`, `\` as text | `\<`, `\>`, `\\` |
| `:` as text | `:`, since the last one in a bracket separates the type; in a type `\:` |
| LF, CR as text | `\n`, `\r` |
| a lone surrogate | `\uXXXX`, so that every line can be stored as UTF-8 |

`\uXXXX` may stand for any character. It is written for a byte order mark that begins a line and for the first character
of a line of nothing but white space as well, for those who read lines drop them.

Corpora that have the brackets without the escapes, but each text beside its annotation, are for `UnescapedBrackets`.
"""

import re
from typing import Collection, Dict, Iterable, List, NoReturn, Optional, Tuple

from ner_plugins.entities import Entity
from ner_plugins.errors import DataError, NerError, shown

_BYTE_ORDER_MARK = "\ufeff"
_WRITTEN = {"\n": "\\n", "\r": "\\r"}
_READ = {"n": "\n", "r": "\r", "<": "<", ">": ">", "\\": "\\", ":": ":"}
_IN_TEXT = re.compile("[<>\\\\\n\r\ud800-\udfff]")
_IN_TYPE = re.compile("[<>:\\\\\n\r\ud800-\udfff]")
_TOKEN = re.compile(r"(?P<text>[^<>:\\\n]+)|\\u(?P<code>[0-9a-fA-F]{4})|\\(?P<escape>[nr<>:\\])|[<>:\\\n]")
_LINE = "text with <SURFACE:TYPE> around each entity"


def to_brackets(text: str, entities: Iterable[Entity]) -> str:
    r"""
    A sentence as one line.

    # Parameters

    text : `str`
    entities : `Iterable[Entity]`
        In any order; one given twice is written once. Of two types on one span, the first by name is the outer one.

    # Raises

    `NerError` when two entities cross, or one is empty, has no type or leaves the text.
    """
    pieces: List[str] = []
    stack: List[Entity] = []
    at = 0
    for entity in sorted(dict.fromkeys(entities), key=lambda e: (e.start, -e.end, e.type)):
        _check(entity, text)
        while stack and stack[-1].end <= entity.start:
            at = _close(stack.pop(), text, at, pieces)
        if stack and stack[-1].end < entity.end:
            raise NerError(
                f"{_named(stack[-1], text)} and {_named(entity, text)} cross, which brackets cannot show. Leave one "
                f"of them out (resolve_overlaps keeps the longest)"
            )
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
        raise NerError(f"{found} is no span of a text of {len(text)} characters. Check its offsets, or leave it out")
    if not entity.type:
        raise NerError(f"the entity at ({entity.start}, {entity.end}) has no type. Give it one, or leave it out")


def _close(entity: Entity, text: str, at: int, pieces: List[str]) -> int:
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


def from_brackets(line: str) -> Tuple[str, List[Entity]]:
    """
    The inverse of `to_brackets`.

    # Parameters

    line : `str`
        Without its end.

    # Returns

    `Tuple[str, List[Entity]]`
        The text, and its entities by position, the outer before the inner ones, none of them twice.

    # Raises

    `DataError`, a `NerError`, that names the character (counted from 0) where the line is malformed.
    """
    pieces: List[str] = []  # of the text; while a bracket's last colon may begin its type, that colon and the type too
    entities: Dict[Entity, None] = {}
    stack: List[_Open] = []
    length = 0
    for match in _TOKEN.finditer(line):
        token = match[0]
        if token == "<":
            if stack:
                stack[-1].colon = None
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
    found = list(entities)[::-1]  # of two on one span the inner one was closed first
    found.sort(key=lambda e: (e.start, -e.end))
    return "".join(pieces), found


class _Open:
    """A bracket that is not closed yet."""

    __slots__ = ("at", "colon", "piece", "start")

    def __init__(self, start: int, at: int) -> None:
        self.start, self.at = start, at  # in the text, in the line
        self.colon: Optional[int] = None  # in the text: the last one after which no bracket was opened
        self.piece = 0  # its index among the pieces


def _closed(stack: List[_Open], pieces: List[str], length: int, at: int, entities: Dict[Entity, None]) -> int:
    """Closes the innermost bracket, takes its type out of the pieces, and returns the length of the text."""
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
        f"{line[at : at + 2]!r} at character {at} is no escape",
        expected=r"\<, \>, \:, \\, \n, \r or \uXXXX",
        remedy=r"Write \\ where the backslash is text",
    )


_OUTSIDE, _UNBALANCED = -2, -1
_DEEPEST = 16  # brackets in a surface nested deeper count as unbalanced: few states, whatever a line holds
_UNBALANCED_COSTS = 1 << 32
_MOST_STATES = 100  # at one character; sentences have below ten

_Found = Optional[Tuple["_Found", int, int, str]]  # entities as a linked list, the last one first
_State = Tuple[int, int]  # characters of the text; _OUTSIDE, or in an entity the "<" of its surface without their ">"
_Way = Tuple[int, int, _Found]  # costs, where the open entity begins, the closed ones


class UnescapedBrackets:
    """
    Reads `<SURFACE:TYPE>` beside its own text where nothing is escaped, and `<`, `>` and `:` may be text too.

    An annotated line is walked along its text. Entities are not nested. Where several walks fit, the one with the
    fewest surfaces whose `<` and `>` are not balanced is taken, and of those the one with the fewest characters in
    entities: `<<2>:NOH>` is the entity `<2>`, and `<<트럼보:POH>>가` is 트럼보 between the text's own brackets.

    # Parameters

    types : `Collection[str]`
        All there may be.
    remedy : `str`, optional (default=`"Correct it"`)
        What the error says to do about an unknown type.
    """

    def __init__(self, types: Collection[str], remedy: str = "Correct it") -> None:
        self.types, self._remedy = tuple(types), remedy
        names = "|".join(re.escape(type_) for type_ in sorted(self.types, key=len, reverse=True))
        self._plain = re.compile(f"<([^<>]+):({names})>")
        self._end = re.compile(f":({names})>")

    def entities(self, text: str, annotated: str) -> List[Entity]:
        """
        The entities of `text`, in order.

        # Raises

        `DataError` that names the character of the annotated line (counted from 0) from which on no walk fits.
        """
        if "<" not in text and ">" not in text:  # then each of them is a bracket, and there is one walk
            parts = self._plain.split(annotated)
            plain, surfaces, types = parts[::3], parts[1::3], parts[2::3]
            parts[2::3] = [""] * len(types)
            if "".join(parts) == text:
                found: List[Entity] = []
                at = 0
                for before, surface, type_ in zip(plain, surfaces, types, strict=False):
                    start = at + len(before)
                    at = start + len(surface)
                    found.append(Entity(start, at, type_))
                return found
        return self._walk(text, annotated)

    def _walk(self, text: str, annotated: str) -> List[Entity]:
        ahead: Dict[int, Dict[_State, _Way]] = {0: {(0, _OUTSIDE): (0, 0, None)}}
        reached: Tuple[int, int] = (0, 0)
        for at in range(len(annotated)):
            states = ahead.pop(at, None)
            if states and len(states) > _MOST_STATES:
                problem = f"at character {at} text and brackets can be told apart in too many ways"
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
        found: List[Entity] = []
        last = ends[len(text), _OUTSIDE][2]
        while last is not None:
            last, start, end, type_ = last
            found.append(Entity(start, end, type_))
        return found[::-1]

    def _steps(
        self, text: str, annotated: str, at: int, state: _State, way: _Way
    ) -> Iterable[Tuple[int, _State, _Way]]:
        """What character `at` of the annotated line may be: text, an entity's first bracket, or its last."""
        (i, level), (costs, start, found) = state, way
        character = annotated[at]
        is_text = text.startswith(character, i)
        if level == _OUTSIDE:
            if is_text:
                yield at + 1, (i + 1, level), way
            first = annotated[at + 1 : at + 2]
            if character == "<" and first and text.startswith(first, i):  # no surface is empty
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
    """How many "<" of a surface are open after a character."""
    if character == "<" and level != _UNBALANCED:
        return level + 1 if level < _DEEPEST else _UNBALANCED
    if character == ">" and level != _UNBALANCED:
        return level - 1  # below 0 is _UNBALANCED
    return level
