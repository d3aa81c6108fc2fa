"""Problems within one sentence."""

import unicodedata
from typing import Any, Iterator, Sequence

from ner_plugins.data_tools.statistics.overlaps import overlapping_pairs
from ner_plugins.entities import Entity, Sentence
from ner_plugins.segmentation.blanks import is_blank

# Most encoders read 512 pieces, two of them special tokens.
LONG_TEXT = 510

_JOINER = "\u200d"

Finding = tuple[str, str]  # kind, message


def check_sentence(sentence: Sentence, long_text: int = LONG_TEXT) -> Iterator[Finding]:
    """
    The problems of one sentence as (kind, message).

    # Parameters

    sentence : `Sentence`
    long_text : `int`, optional (default=`LONG_TEXT`)
        Texts of more characters than this are `long-text`.
    """
    text = sentence.text
    if not text or text.isspace():
        yield "empty-text", "the text is empty" if not text else "the text is white space only"
    if len(text) > long_text:
        yield "long-text", f"{len(text):,} characters (more than {long_text:,})"
    sound: list[Entity] = []
    for entity in sentence.entities or ():
        if not 0 <= entity.start <= entity.end <= len(text):
            place = f"{entity.type} at {entity.start}-{entity.end}"
            yield "misaligned", f"{place} lies outside the text of {len(text)} characters, or ends before it begins"
        elif entity.start == entity.end or all(map(is_blank, text[entity.start : entity.end])):
            yield "empty-entity", f"{entity.type} at {entity.start}-{entity.end} is empty or white space only"
        else:
            sound.append(entity)
            yield from _surface_problems(text, entity)
    yield from _pair_problems(text, sound)
    yield from _conflicts(text, sound)
    yield from _unlabelled_repeats(text, sound)


def quoted(value: str) -> str:
    """A surface for a message: printable and at most 60 characters long."""
    written = repr(value)
    return written if len(written) <= 60 else written[:57] + "..."


def _named(text: str, entity: Entity) -> str:
    return f"{quoted(text[entity.start : entity.end])} ({entity.type}, {entity.start}-{entity.end})"


def _surface_problems(text: str, entity: Entity) -> Iterator[Finding]:
    surface = text[entity.start : entity.end]
    if is_blank(surface[0]) or is_blank(surface[-1]):
        where = "begins" if is_blank(surface[0]) else "ends"
        yield "edge-space", f"{_named(text, entity)} {where} with white space, which models never predict"
    for where, at in (("begins", entity.start), ("ends", entity.end)):
        if not 0 < at < len(text):
            continue
        if _is_inside_character(text, at):
            yield "cut-character", f"{_named(text, entity)} {where} inside a character, before {_code(text[at])}"
        elif _kind_of_letter(text[at - 1]) == _kind_of_letter(text[at]) != "":
            around = quoted(text[max(at - 8, 0) : at] + "|" + text[at : at + 8])
            yield "cut-word", f"{_named(text, entity)} {where} inside a word: {around}"
    if surface.isascii() and surface.isprintable():
        return
    if odd := [character for character in dict.fromkeys(surface) if _is_odd(character)]:
        yield "odd-character", f"{_named(text, entity)} has {', '.join(map(_code, odd))}"
    if not unicodedata.is_normalized("NFC", surface) and not unicodedata.is_normalized("NFD", surface):
        replaced = [c for c in dict.fromkeys(surface) if unicodedata.normalize("NFC", c) != c]
        what = f"has {', '.join(map(_code, replaced))}, which NFC replaces" if replaced else "mixes NFC and NFD"
        yield "normalisation", f"{_named(text, entity)} {what}"


def _is_inside_character(text: str, at: int) -> bool:
    """Whether `text[at]` combines with the character before it: an accent, a joiner, a vowel of old Hangul."""
    following = text[at]
    return (
        unicodedata.category(following)[0] == "M"
        or _JOINER in (following, text[at - 1])
        or "\u1160" <= following <= "\u11ff"
        or "\U0001f3fb" <= following <= "\U0001f3ff"
    )


def _kind_of_letter(character: str) -> str:
    """`letter` or `digit` in scripts with spaces between words, otherwise empty."""
    if character >= "\u1100" and not "\uff10" <= character <= "\uff5a":  # Hangul, Han, kana and later blocks
        return ""
    return "letter" if character.isalpha() else "digit" if character.isdecimal() else ""


def _is_odd(character: str) -> bool:
    if character in "\u200c\u200d":  # joiners, in emoji and words
        return False
    return character == "\ufffd" or unicodedata.category(character) in ("Cc", "Cf", "Cn", "Co", "Cs")


def _code(character: str) -> str:
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X}" + (f" {name}" if name else "")


def _pair_problems(text: str, entities: Sequence[Entity]) -> Iterator[Finding]:
    if len(entities) < 2:
        return
    for kind, first, second in overlapping_pairs(entities):
        if kind == "same-span":
            yield kind, f"{_named(text, first)} is also {second.type}"
        elif kind == "nested":
            yield kind, f"{_named(text, second)} is inside {_named(text, first)}"
        else:
            yield kind, f"{_named(text, first)} and {_named(text, second)} cross"


def _conflicts(text: str, entities: Sequence[Entity]) -> Iterator[Finding]:
    """Surfaces that have several types at different spans."""
    if len(entities) < 2:
        return
    by_surface: dict[str, list[Entity]] = {}
    for entity in sorted(set(entities)):
        by_surface.setdefault(text[entity.start : entity.end], []).append(entity)
    for surface, same in by_surface.items():
        first: dict[str, Entity] = {}
        for entity in same:
            first.setdefault(entity.type, entity)
        if len(first) > 1 and len({entity.start for entity in same}) > 1:
            listed = ", ".join(f"{type_} ({entity.start}-{entity.end})" for type_, entity in first.items())
            yield "conflict", f"{quoted(surface)} has the types {listed}"


def _unlabelled_repeats(text: str, entities: Sequence[Entity]) -> Iterator[Finding]:
    """Occurrences of labelled surfaces that overlap no entity."""
    labelled: Any = None
    seen = set()
    for entity in entities:
        surface = text[entity.start : entity.end]
        if surface in seen:
            continue
        seen.add(surface)
        at = text.find(surface)
        while at >= 0:
            if at != entity.start and _is_word_of_its_own(text, at, at + len(surface)):
                labelled = labelled or _covered(text, entities)
                if not any(labelled[at : at + len(surface)]):
                    yield "unlabelled-repeat", f"{_named(text, entity)} has no label at {at}-{at + len(surface)}"
            at = text.find(surface, at + 1)


def _covered(text: str, entities: Sequence[Entity]) -> bytearray:
    """1 for each character inside an entity."""
    covered = bytearray(len(text))
    for entity in entities:
        covered[entity.start : entity.end] = b"\x01" * entity.width
    return covered


def _is_word_of_its_own(text: str, start: int, end: int) -> bool:
    """
    Whether an occurrence may be a name. In scripts with spaces, no letter may precede or follow it, except that a
    particle may follow a Korean name.
    """
    if start and _writes_spaces(text[start - 1]) and _writes_spaces(text[start]):
        return False
    return not (end < len(text) and _kind_of_letter(text[end - 1]) and _kind_of_letter(text[end]))


def _writes_spaces(character: str) -> bool:
    return bool(_kind_of_letter(character)) or "\uac00" <= character <= "\ud7a3"
