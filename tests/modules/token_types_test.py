import pickle

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.entities import Entity, resolve_overlaps
from ner_plugins.modules.crf import TagSet
from ner_plugins.modules.token_types import TokenTypes

TYPES = ["Z", "A", "M"]


@st.composite
def gold(draw):
    """Entities of some sentences, overlapping or not, some of them beyond the text, without repetition."""
    length = draw(st.integers(0, 9))
    row = st.tuples(st.integers(0, 9), st.integers(1, 5), st.integers(0, 2))
    sentences = draw(st.lists(st.lists(row, max_size=6, unique=True), max_size=3))
    return length, [[(s, s + w, t) for s, w, t in rows] for rows in sentences]


def padded(rows):
    most = max(map(len, rows), default=0)
    filled = [row + [(-1, -1, -1)] * (most - len(row)) for row in rows]
    return torch.tensor(filled, dtype=torch.int64).view(len(rows), most, 3)


@settings(max_examples=150, deadline=None)
@given(gold(), st.floats(0, 1), st.integers(0, 999))
def test_tokens_have_the_entities_that_are_left_when_overlaps_are_resolved(sentences, kept_share, seed):
    length, rows = sentences
    mask = torch.rand(len(rows), length, generator=torch.Generator().manual_seed(seed)) <= kept_share
    types, entities = TokenTypes(TYPES)(padded(rows), mask)
    for sentence, of_sentence in enumerate(rows):
        kept = mask[sentence].tolist()
        fitting = [(s, e, t) for s, e, t in of_sentence if e <= length and kept[s] and kept[e - 1]]
        expected = [(-1, -1)] * length
        for entity in resolve_overlaps([Entity(s, e, TYPES[t]) for s, e, t in fitting]):
            type_id = TYPES.index(entity.type)
            row = of_sentence.index((entity.start, entity.end, type_id))
            for token in range(entity.start, entity.end):
                expected[token] = (type_id, row) if kept[token] else (-1, -1)
        assert list(zip(types[sentence].tolist(), entities[sentence].tolist(), strict=True)) == expected


@settings(max_examples=50, deadline=None)
@given(gold(), st.sampled_from(["BIO", "BIOES", "IOB1"]))
def test_tags_are_of_the_same_types(sentences, scheme):
    length, rows = sentences
    mask = torch.ones(len(rows), length, dtype=torch.bool)
    tag_set = TagSet(TYPES, scheme)
    tags = tag_set.targets(padded(rows), mask)
    letters = len(tag_set.letters)
    of_tags = torch.where(tags > 0, (tags - 1).div(letters, rounding_mode="floor"), -1)
    assert torch.equal(of_tags, TokenTypes(TYPES)(padded(rows), mask).types)


def test_without_types_or_entities_nothing_is_inside():
    mask = torch.ones(2, 3, dtype=torch.bool)
    for types, rows in ((TYPES, [[], []]), ([], [[(0, 1, 0)], []])):
        found = TokenTypes(types)(padded(rows), mask)
        assert found.types.tolist() == found.entities.tolist() == [[-1] * 3] * 2
        assert found.types.dtype == found.entities.dtype == torch.int64


def test_it_is_picklable():
    mask = torch.ones(1, 2, dtype=torch.bool)
    assert pickle.loads(pickle.dumps(TokenTypes(TYPES)))(padded([[(0, 1, 2)]]), mask).types.tolist() == [[2, -1]]
