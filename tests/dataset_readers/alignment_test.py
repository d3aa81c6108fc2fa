from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.dataset_readers.alignment import TokenSpan, align_entities
from ner_plugins.entities import Entity

OFFSETS = [(0, 2), (2, 3), (5, 9)]  # 3 and 4 belong to no token


@pytest.mark.parametrize(
    "span, expand, shrink, drop",
    [
        ((0, 2), (0, 1, True), (0, 1, True), (0, 1, True)),
        ((0, 9), (0, 3, True), (0, 3, True), (0, 3, True)),
        ((1, 3), (0, 2, False), (1, 2, False), None),
        ((2, 6), (1, 3, False), (1, 2, False), None),
        ((6, 8), (2, 3, False), None, None),
        ((2, 5), (1, 2, False), (1, 2, False), (1, 2, False)),  # a space at its end, no token cut
        ((3, 5), None, None, None),
    ],
)
def test_boundaries(span, expand, shrink, drop):
    for boundary, expected in (("expand", expand), ("shrink", shrink), ("drop", drop)):
        found = align_entities([Entity(*span, "X")], OFFSETS, boundary)
        assert found == [None if expected is None else TokenSpan(*expected[:2], "X", expected[2])]


@st.composite
def tokens_and_entities(draw):
    cuts = sorted(draw(st.sets(st.integers(0, 20), min_size=2)))
    offsets = [pair for pair in pairwise(cuts) if draw(st.booleans())]
    start = draw(st.integers(0, 19))
    return offsets, Entity(start, draw(st.integers(start + 1, 20)), "X")


@given(tokens_and_entities(), st.sampled_from(["expand", "shrink", "drop"]))
def test_against_the_definition(case, boundary):
    offsets, entity = case
    touched = [i for i, (s, e) in enumerate(offsets) if s < entity.end and entity.start < e]
    inside = [i for i in touched if entity.start <= offsets[i][0] and offsets[i][1] <= entity.end]
    chosen = {"expand": touched, "shrink": inside, "drop": touched if touched == inside else []}[boundary]
    (span,) = align_entities([entity], offsets, boundary)
    if not chosen:
        assert span is None
        return
    assert span is not None and list(range(span.start, span.end)) == chosen
    assert span.exact == ((offsets[chosen[0]][0], offsets[chosen[-1]][1]) == (entity.start, entity.end))
