import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError
from ner_plugins.heads.band import SpanBand, reachable_spans, span_mask
from ner_plugins.heads.decoding import decode_spans

LENGTH = 8
entities = st.builds(
    lambda start, width, type_: Entity(start, min(start + width, LENGTH), type_),
    st.integers(0, LENGTH - 1), st.integers(1, LENGTH), st.sampled_from("ab"),
)


def exclude(one, other, nested):
    if nested:
        return (one.start, one.end) == (other.start, other.end) or one.crosses(other)
    return one.overlaps(other)


@settings(max_examples=150, deadline=None)
@given(st.lists(entities, max_size=7, unique=True), st.none() | st.integers(1, LENGTH), st.booleans())
def test_reachable_gold_excludes_itself_nowhere_and_no_more_is_left_out_than_has_to_be(gold, width, nested):
    reachable = reachable_spans(gold, width, nested)
    fitting = [entity for entity in gold if entity.width <= (width or LENGTH)]
    assert set(reachable) <= set(fitting) and reachable == sorted(reachable)
    assert not any(exclude(one, other, nested) for one, other in itertools.combinations(reachable, 2))
    for entity in set(fitting) - set(reachable):
        assert any(exclude(entity, other, nested) and other.width >= entity.width for other in reachable)


@settings(max_examples=100, deadline=None)
@given(st.lists(entities.map(lambda e: Entity(e.start, e.end, "a")), max_size=7, unique=True), st.booleans())
def test_reachable_is_what_the_decoder_keeps_where_longer_spans_score_higher(gold, nested):
    logits = torch.zeros(1, LENGTH, LENGTH, 2)
    for entity in gold:
        logits[0, entity.start, entity.width - 1, 1] = entity.width
    valid = span_mask(torch.ones(1, LENGTH, dtype=torch.bool), LENGTH)
    decoded = decode_spans(logits, valid, "nested" if nested else "flat_greedy").to_entities(1)[0]
    reachable = reachable_spans(gold, None, nested)
    assert [(start, end) for start, end, _, _ in decoded] == [(entity.start, entity.end) for entity in reachable]


def test_gold_that_crosses_is_not_reachable_together():
    outer, inner, crossing = Entity(0, 4, "a"), Entity(1, 3, "b"), Entity(3, 6, "a")
    same = Entity(1, 3, "a")
    assert reachable_spans([outer, inner, crossing, same], None, nested=True) == [outer, same]
    assert reachable_spans([outer, inner, crossing, same], 3, nested=True) == [same, crossing]
    assert reachable_spans([outer, inner, crossing], None, nested=False) == [outer]


@pytest.mark.parametrize("width, length, expected", [(None, 5, 5), (3, 5, 3), (9, 5, 5), (3, 0, 1), (None, 0, 1)])
def test_band_width(width, length, expected):
    assert SpanBand(4, 3, width).band_width(length) == expected


@pytest.mark.parametrize("classes, width, message", [(1, None, "got 1 classes"), (3, 0, "null for no limit, got 0")])
def test_sizes_that_cannot_be_are_named(classes, width, message):
    with pytest.raises(ConfigError, match=message):
        SpanBand(4, classes, width)
