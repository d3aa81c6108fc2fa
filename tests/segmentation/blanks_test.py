"""Entities without blanks at their edges, as a literal computation finds them."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.entities import Entity
from ner_plugins.segmentation.blanks import has_blank_edge, trimmed, without_blank_edges

BLANKS = " \t\r\n\u00a0\u2003\u3000\u0085\x1c\u200b\u2060\ufeff"
TEXTS = st.text(st.sampled_from([*"王芳ab1，", *BLANKS, "\u0301", "\ufe0f", "ㅏ", "\ud800"]), max_size=12)


def literal(text: str, start: int, end: int) -> tuple[int, int]:
    """One character at a time: those that are blanks, and those whose base is one."""
    blank = []
    for character in text:
        mark = unicodedata.category(character)[0] == "M"
        blank.append(blank[-1] if mark and blank else character in BLANKS)
    solid = [place for place in range(start, end) if not blank[place]]
    if not solid:
        return (0, 0)
    first, last = solid[0], solid[-1]
    while last + 1 < end and unicodedata.category(text[last + 1])[0] == "M":
        last += 1
    return first, last + 1


@settings(max_examples=300, deadline=None, derandomize=True)
@given(TEXTS, st.data())
def test_it_is_what_a_literal_computation_finds(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    found = trimmed(text, start, end)
    expected = literal(text, start, end)
    assert found == expected or (found[0] == found[1] and expected == (0, 0))
    assert has_blank_edge(start, end, text) == (found != (start, end))


def test_marks_of_a_blank_are_a_part_of_it() -> None:
    assert trimmed(" \u0301王\u0301 \u0301", 0, 6) == (2, 4)
    assert trimmed(" \u0301王", 1, 3) == (2, 3), "the blank stands before the span"
    assert trimmed("\u0301王", 0, 2) == (0, 2), "a mark without a base"
    assert trimmed(" ㅏ", 0, 2) == (1, 2), "a vowel that stands alone is a letter"


def test_many_marks_take_no_longer() -> None:
    text = " " + "\u0301" * 200_000
    assert trimmed(text, 0, len(text))[0] == len(text)
    assert trimmed("王" + text, 0, len(text) + 1) == (0, 1)


@pytest.mark.parametrize("blank", BLANKS)
def test_what_is_left_keeps_type_and_score(blank: str) -> None:
    text = f"{blank}{blank}王芳{blank}去"
    wide, alone, clean = Entity(0, 5, "PER", 0.7), Entity(0, 2, "LOC", 0.9999), Entity(5, 6, "LOC", 0.5)
    [found, other] = without_blank_edges([wide, alone, clean], text)
    assert (found.start, found.end, found.type, found.score) == (2, 4, "PER", 0.7)
    assert other is not None and (other.start, other.end, other.score) == (5, 6, 0.5)


def test_of_spans_that_become_equal_the_likeliest_stays() -> None:
    text = " 王芳 "
    entities = [Entity(0, 3, "PER", 0.6), Entity(1, 3, "PER", 0.4), Entity(1, 4, "ORG", 0.8)]
    assert [(e.type, e.score) for e in without_blank_edges(entities, text)] == [("ORG", 0.8)]
    clean = [Entity(1, 3, "ORG", 0.4), Entity(1, 3, "PER", 0.6)]
    assert without_blank_edges(clean, text) == clean, "what a head predicts is left alone"


def test_they_are_in_order_of_position() -> None:
    nested = [Entity(0, 6, "ORG", 0.9), Entity(0, 3, "PER", 0.8), Entity(4, 6, "LOC", 0.8)]
    assert [(e.start, e.end) for e in without_blank_edges(nested, "  王 芳去")] == [(2, 3), (2, 6), (4, 6)]
