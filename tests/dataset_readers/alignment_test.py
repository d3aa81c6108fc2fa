from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.dataset_readers import CluenerReader
from ner_plugins.dataset_readers.alignment import TokenSpan, align_entities
from ner_plugins.entities import Entity
from ner_plugins.tokenizers import NerWordTokenizer

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


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=8),
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20)), max_size=8),
    st.sampled_from(["expand", "shrink", "drop"]),
)
def test_many_entities_are_as_many_alone(sizes, places, boundary):
    """Nested, crossing, equal and in any order; tokens may be empty, as some of AllenNLP's are."""
    offsets, end = [], 0
    for gap, width in sizes:
        offsets.append((end + gap, end + gap + width))
        end += gap + width
    entities = [Entity(start, start + width, str(i)) for i, (start, width) in enumerate(places)]
    found = align_entities(entities, offsets, boundary)
    assert found == [align_entities([entity], offsets, boundary)[0] for entity in entities]
    assert [span.type for span in found if span] == [e.type for e, span in zip(entities, found, strict=True) if span]


WORDS = st.text("ab .", min_size=1, max_size=16)


@given(WORDS, st.lists(st.tuples(st.integers(0, 15), st.integers(1, 16)), max_size=6), st.booleans())
def test_the_reader_counts_what_the_definition_counts(text, places, split):
    """Each entity is exact, moved to other characters, or without tokens, under each rule."""
    gold = [Entity(s % len(text), min(s % len(text) + w, len(text)), "X") for s, w in places]
    tokens = [(t.idx, t.idx_end) for t in NerWordTokenizer(split).tokenize(text)]
    for boundary in ("expand", "shrink", "drop"):
        expected = {"moved": 0, "without_tokens": 0}
        spans = []
        for entity in gold:
            touched = [t for t in tokens if set(range(*t)) & set(range(entity.start, entity.end))]
            inside = [t for t in touched if set(range(*t)) <= set(range(entity.start, entity.end))]
            kept = {"expand": touched, "shrink": inside, "drop": touched if touched == inside else []}[boundary]
            if kept:
                spans.append((tokens.index(kept[0]), tokens.index(kept[-1]) + 1, "X"))
                expected["moved"] += (kept[0][0], kept[-1][1]) != (entity.start, entity.end)
            else:
                expected["without_tokens"] += 1
        reader = CluenerReader(tokenizer=NerWordTokenizer(split), boundary=boundary)
        instance = reader.text_to_instance(text, gold)
        assert instance["entities"].entities == spans
        assert {key: reader.counts[key] for key in expected} == expected
        assert instance["metadata"]["entities"] == [entity.to_json() for entity in gold]
