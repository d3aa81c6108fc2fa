"""Blanks at the edges of entities."""

import unicodedata
from dataclasses import replace
from typing import Sequence

from ner_plugins.entities import Entity

_ZERO_WIDTH = frozenset("\u200b\u2060\ufeff")


def is_blank(character: str) -> bool:
    """Whether a character is white space (also U+3000 and U+00A0), or a space without a width."""
    return character.isspace() or character in _ZERO_WIDTH


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    r"""
    The part of `text[start:end]` without blanks at its edges, as (start, end), which are equal if nothing is left. A
    combining mark on a blank is a part of the blank.

        >>> trimmed("\u3000\u3000王芳 ", 0, 5)
        (2, 4)
    """
    on_blank = False
    if start < end and _is_mark(text[start]):
        base = start
        while base > 0 and _is_mark(text[base]):
            base -= 1
        on_blank = is_blank(text[base])
    while start < end and (is_blank(text[start]) or (on_blank and _is_mark(text[start]))):
        on_blank, start = True, start + 1
    while True:
        base = end
        while base > start and _is_mark(text[base - 1]):
            base -= 1
        if base <= start or not is_blank(text[base - 1]):
            return start, end
        end = base - 1


def has_blank_edge(start: int, end: int, text: str) -> bool:
    """Whether `text[start:end]` begins or ends with a blank, so that it is never predicted as an entity."""
    if text[start : start + 1].isalnum() and text[end - 1 : end].isalnum():
        return False  # most
    return trimmed(text, start, end) != (start, end)


def without_blank_edges(entities: Sequence[Entity], text: str) -> list[Entity]:
    """
    Predicted entities without blanks at their edges, in order of position; those of blanks alone are left out.

    This is done to the decoded entities, for every head and runtime alike, rather than by forbidding such spans while
    decoding. A model that predicts a name with the blank before it has found the name: forbidden, a head that scores
    spans would lose it wherever the name alone scores below "not an entity", and a CRF would need other transitions for
    every text, which change the probabilities of all its entities. An entity keeps the probability with which its span
    was predicted; thresholds apply to that. If trimming makes spans equal, the most probable is kept.

    # Parameters

    entities : `Sequence[Entity]`
        In order of position.
    text : `str`
        Of the offsets.
    """
    if not any(has_blank_edge(entity.start, entity.end, text) for entity in entities):
        return list(entities)
    by_span: dict[tuple[int, int], list[Entity]] = {}
    changed: set[tuple[int, int]] = set()
    for entity in entities:
        span = trimmed(text, entity.start, entity.end)
        if span != (entity.start, entity.end):
            changed.add(span)
        if span[0] < span[1]:
            by_span.setdefault(span, []).append(entity)
    found: list[Entity] = []
    for span, same in sorted(by_span.items()):
        kept = [max(same, key=_score)] if span in changed else same
        found += [replace(entity, start=span[0], end=span[1]) for entity in kept]
    return found


def _is_mark(character: str) -> bool:
    return character >= "\u0300" and unicodedata.category(character)[0] == "M"


def _score(entity: Entity) -> float:
    return 0.0 if entity.score is None else entity.score
