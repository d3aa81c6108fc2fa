"""Offsets of entities in JSON records: the units they are counted in, and checks against the text."""

import re
from dataclasses import dataclass
from typing import Any, Callable, Literal, Optional

from ner_plugins.entities import Entity
from ner_plugins.errors import DataError, shown

Offsets = Literal["characters", "utf16"]
Bad = Callable[..., DataError]

_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_LINE_BREAK = re.compile(r"\r\n|\r|\n|\\r\\n|\\n|\\r")
UTF16_REMEDY = 'They seem to count UTF-16 units, as JavaScript does: set the option offsets to "utf16"'


@dataclass(frozen=True)
class RawEntity:
    """
    An entity as a record has it, unchecked.

    # Parameters

    index : `int`
        Its place in the record, for messages.
    start, end, type : `Any`
    surface : `Any`, optional (default=`None`)
        Its text, if the record has it.
    score : `Any`, optional (default=`None`)
    """

    index: int
    start: Any
    end: Any
    type: Any
    surface: Any = None
    score: Any = None


class SpanChecker:
    """
    Makes entities of one text, and checks them.

    # Parameters

    text : `str`
    bad : `Callable[..., DataError]`
        Makes the error, with file and line, from (problem, expected, remedy).
    form : `str`
        How the format writes an entity, for messages.
    offsets : `Optional[str]`
        `characters` (code points) or `utf16` (units of UTF-16, as JavaScript counts); `None` for characters.
    inclusive : `bool`, optional (default=`False`)
        Whether the end is the last character of an entity instead of the one after it.
    ends_option : `str`, optional (default=`""`)
        What to advise if the other kind of end fits.
    """

    def __init__(
        self,
        text: str,
        bad: Bad,
        form: str,
        offsets: Optional[Offsets],
        inclusive: bool = False,
        ends_option: str = "",
    ) -> None:
        self._text, self._bad, self._form = text, bad, form
        self._places = utf16_places(text) if offsets == "utf16" and has_astral(text) else None
        self._inclusive, self._ends_option = inclusive, ends_option

    def entity(self, raw: RawEntity) -> Entity:
        """
        The entity.

        # Raises

        `DataError` if its offsets are no span of the text, its surface is another one, or it has no type.
        """
        span = self._span(raw)
        if isinstance(raw.surface, str) and not _same(self._text[slice(*span)], raw.surface):
            raise self._other_surface(raw, span)
        return Entity(*span, raw.type, _score(raw.score))

    def _span(self, raw: RawEntity) -> tuple[int, int]:
        """The half-open characters of an entity."""
        # Not isinstance, which accepts JSON's true.
        if type(raw.start) is not int or type(raw.end) is not int:
            found = f"entity {raw.index} has the offsets {shown([raw.start, raw.end])}"
            raise self._bad(found, f"{self._form}, two whole numbers")
        if not isinstance(raw.type, str) or not raw.type:
            found = f"entity {raw.index} has the type {shown(raw.type)}"
            raise self._bad(found, f"{self._form}, a string that is not empty")
        named, start, end = f"entity {raw.index} ({shown(raw.type)})", raw.start, raw.end + self._inclusive
        if not 0 <= start < end:
            comparison, last = ("<=", "last") if self._inclusive else ("<", "first")
            what = "character of the entity" if self._inclusive else "character after the entity"
            expected = f"0 <= START {comparison} END; END is the {last} {what}"
            raise self._bad(f"{named} has the offsets {shown([raw.start, raw.end])}", expected)
        length = len(self._text) if self._places is None else max(self._places)
        if end > length:
            remedy = UTF16_REMEDY if self._places is None and self._fits_utf16(raw) else self._remedy(raw)
            found = f"{named} ends at {shown(raw.end)}, past the text"
            raise self._bad(found, f"at most {length - self._inclusive}", remedy)
        if self._places is None:
            return start, end
        if start not in self._places or end not in self._places:
            found = f"{named} has the offsets {[raw.start, raw.end]} in UTF-16 units, which cut a character in two"
            raise self._bad(found, "offsets between characters")
        return self._places[start], self._places[end]

    def _other_surface(self, raw: RawEntity, span: tuple[int, int]) -> DataError:
        found = shown(self._text[slice(*span)])
        problem = f"entity {raw.index} ({shown(raw.type)}): the text at [{raw.start}, {raw.end}] is {found}"
        return self._bad(problem, shown(raw.surface), self._remedy(raw))

    def _remedy(self, raw: RawEntity) -> str:
        """What to do about an entity whose surface is not at its offsets."""
        text, surface = self._text, raw.surface
        if not isinstance(surface, str):
            return "Correct the line"
        if self._places is None and self._fits_utf16(raw):
            return UTF16_REMEDY
        if _same(text[raw.start : raw.end + (not self._inclusive)], surface):
            if self._inclusive:
                return self._ends_option or "The ends seem to be exclusive, but must be the last character"
            return "The ends seem to be inclusive, but must be the character after the entity: add 1 to each"
        at = text.find(surface)
        if at < 0 or self._places is not None:
            return "The text does not contain it" if at < 0 else "Correct the line"
        return f"It occurs at [{at}, {at + len(surface) - self._inclusive}]"

    def _fits_utf16(self, raw: RawEntity) -> bool:
        """Whether offsets in UTF-16 units would be right (or, without a surface, possible)."""
        if not has_astral(self._text):
            return False
        places = utf16_places(self._text)
        start, end = places.get(raw.start), places.get(raw.end + self._inclusive)
        if start is None or end is None:
            return False
        return not isinstance(raw.surface, str) or _same(self._text[start:end], raw.surface)


def _score(value: Any) -> Optional[float]:
    """A number as a score; `None` for other values, and for whole numbers that no float holds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _same(found: str, surface: str) -> bool:
    """Whether a surface is the text found; line breaks may be written in several ways."""
    if found == surface:
        return True
    return ("\n" in found or "\r" in found) and _LINE_BREAK.sub("\n", found) == _LINE_BREAK.sub("\n", surface)


def has_astral(text: str) -> bool:
    """Whether a text has characters that UTF-16 writes as two units, such as most emoji."""
    return not text.isascii() and _ASTRAL.search(text) is not None


def utf16_places(text: str) -> dict[int, int]:
    """For each offset in UTF-16 units that lies between two characters, the offset in characters."""
    places, units = {0: 0}, 0
    for index, character in enumerate(text, 1):
        units += 2 if character > "\uffff" else 1
        places[units] = index
    return places


def to_utf16(text: str, offset: int) -> int:
    """An offset in characters as one in UTF-16 units."""
    return offset + sum(character > "\uffff" for character in text[:offset])
