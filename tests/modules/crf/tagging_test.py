import itertools
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.entities import Entity, resolve_overlaps
from ner_plugins.errors import ConfigError
from ner_plugins.modules.crf import TagSet
from ner_plugins.tag_schemes import SCHEMES, illegal_tags, spans_to_tags, split_tag, tags_to_spans

TYPES = ["Y", "X"]
schemes = st.sampled_from(SCHEMES)


def read(tag_set, tags, mask):
    """The spans of each sentence, as (start, end, type name)."""
    found = [[] for _ in range(len(tags))]
    for sentence, start, end, type_id in zip(*(c.tolist() for c in tag_set.spans(tags, mask)), strict=True):
        found[sentence].append((start, end, tag_set.types[type_id]))
    return found


def read_kept(tag_set, tags, mask):
    """The definition: the tokens that are none removed, the rest read, places put back."""
    kept = [place for place, is_kept in enumerate(mask) if is_kept]
    names = [tag_set.tags[tags[place]] for place in kept]
    return [(kept[start], kept[end - 1] + 1, type_) for start, end, type_ in tags_to_spans(names)]


@pytest.mark.parametrize(
    "scheme, tags",
    [
        ("BIO", ["O", "B-Y", "I-Y", "B-X", "I-X"]),
        ("IOB1", ["O", "B-Y", "I-Y", "B-X", "I-X"]),
        ("IOBES", ["O", "B-Y", "I-Y", "E-Y", "S-Y", "B-X", "I-X", "E-X", "S-X"]),
        ("BMESO", ["O", "B-Y", "M-Y", "E-Y", "S-Y", "B-X", "M-X", "E-X", "S-X"]),
        ("BMEO", ["O", "B-Y", "M-Y", "E-Y", "B-X", "M-X", "E-X"]),
        ("bilou", ["O", "B-Y", "I-Y", "L-Y", "U-Y", "B-X", "I-X", "L-X", "U-X"]),
    ],
)
def test_tags_of_each_scheme(scheme, tags):
    assert TagSet(TYPES, scheme).tags == tags
    assert len(TagSet(TYPES, scheme)) == len(tags)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_sequence_is_read_as_tags_to_spans_reads_it(scheme):
    tag_set = TagSet(TYPES, scheme)
    for length in range(4 if len(tag_set) > 7 else 5):
        sequences = list(itertools.product(range(len(tag_set)), repeat=length))
        tags = torch.tensor(sequences, dtype=torch.int64).view(len(sequences), length)
        expected = [tags_to_spans([tag_set.tags[tag] for tag in sequence], scheme) for sequence in sequences]
        assert read(tag_set, tags, torch.ones_like(tags, dtype=torch.bool)) == expected


@settings(max_examples=150, deadline=None)
@given(schemes, st.integers(0, 4), st.integers(0, 12), st.integers(0, 9999))
def test_reading_passes_over_what_is_no_token(scheme, batch, length, seed):
    generator = torch.Generator().manual_seed(seed)
    tag_set = TagSet(["A", "B"], scheme)
    tags = torch.randint(len(tag_set), (batch, length), generator=generator)
    mask = torch.rand(batch, length, generator=generator) < 0.7
    assert read(tag_set, tags, mask) == [read_kept(tag_set, *row) for row in zip(tags.tolist(), mask, strict=True)]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_constraints_allow_what_the_scheme_writes(scheme):
    """Enumeration: a path is allowed throughout just where `illegal_tags` finds nothing."""
    tag_set = TagSet(TYPES, scheme)
    start, end, transitions = tag_set.constraints()
    for length in (1, 2, 3):
        for path in itertools.product(range(len(tag_set)), repeat=length):
            allowed = start[path[0]] and end[path[-1]] and all(transitions[p] for p in itertools.pairwise(path))
            assert bool(allowed) == (illegal_tags([tag_set.tags[tag] for tag in path], scheme) == []), path
    assert start[0] and end[0] and transitions[0, 0]  # also in BMES, where AllenNLP's have no O


@pytest.mark.parametrize("scheme", SCHEMES)
def test_continues_is_what_spans_reads(scheme):
    tag_set = TagSet(TYPES, scheme)
    continues = tag_set.continues()
    for before, tag in itertools.product(range(len(tag_set)), repeat=2):
        spans = tags_to_spans([tag_set.tags[before], tag_set.tags[tag]])
        assert bool(continues[before, tag]) == any(end - start == 2 for start, end, _ in spans)


@st.composite
def gold(draw):
    """Entities of some sentences, overlapping or not, some of them beyond the text."""
    length = draw(st.integers(0, 9))
    row = st.tuples(st.integers(0, 9), st.integers(1, 5), st.integers(0, 2))
    rows = [[(s, s + w, t) for s, w, t in draw(st.lists(row, max_size=6))] for _ in range(draw(st.integers(0, 3)))]
    return length, rows


def padded(rows):
    most = max(map(len, rows), default=0)
    filled = [row + [(-1, -1, -1)] * (most - len(row)) for row in rows]
    return torch.tensor(filled, dtype=torch.int64).view(len(rows), most, 3)


@settings(max_examples=200, deadline=None)
@given(schemes, gold(), st.floats(0, 1), st.integers(0, 999))
def test_targets_equal_their_definition(scheme, sentences, kept_share, seed):
    length, rows = sentences
    tag_set = TagSet(["Z", "A", "M"], scheme)
    mask = torch.rand(len(rows), length, generator=torch.Generator().manual_seed(seed)) <= kept_share
    tags = tag_set.targets(padded(rows), mask)
    assert tags.shape == mask.shape and tags.dtype == torch.int64
    flat_gold = []
    for b, entities in enumerate(rows):
        kept = mask[b].nonzero().flatten().tolist()
        fitting = [Entity(s, e, tag_set.types[t]) for s, e, t in entities if s in kept and e - 1 in kept]
        flat = resolve_overlaps(fitting)
        spans = [(kept.index(entity.start), kept.index(entity.end - 1) + 1, entity.type) for entity in flat]
        expected = spans_to_tags(spans, len(kept), scheme)
        assert [tag_set.tags[tag] for tag in tags[b, mask[b]].tolist()] == expected
        assert (tags[b, ~mask[b]] == 0).all()
        flat_gold.append([(entity.start, entity.end, entity.type) for entity in flat])
    assert read(tag_set, tags, mask) == flat_gold


def test_of_overlapping_gold_the_longest_then_the_leftmost_then_the_first_name():
    tag_set = TagSet(["Z", "A"], "BIOES")
    # A chain: the longest rules out the second, which therefore does not rule out the third.
    rows = [[(0, 2, 1), (1, 4, 0), (3, 7, 1), (6, 8, 0)], [(0, 2, 0), (0, 2, 1), (1, 3, 1), (3, 4, 0)]]
    mask = torch.ones(2, 8, dtype=torch.bool)
    found = read(tag_set, tag_set.targets(padded(rows), mask), mask)
    assert found == [[(0, 2, "A"), (3, 7, "A")], [(0, 2, "A"), (3, 4, "Z")]]


def test_rows_that_cannot_be_written_are_left_out():
    tag_set = TagSet(["X"])
    mask = torch.tensor([[True, True, False, True, True, False]])
    rows = [[(0, 0, 0), (1, 7, 0), (-2, 1, 0), (0, 1, 4), (1, 3, 0), (5, 6, 0), (3, 5, 0), (1, 0, 0)]]
    assert tag_set.targets(padded(rows), mask).tolist() == [[0, 0, 0, 1, 2, 0]]
    # What is passed over lies within: the entity goes on behind it.
    assert tag_set.targets(padded([[(1, 4, 0)]]), mask).tolist() == [[0, 1, 0, 2, 0, 0]]


def test_iob1_begins_with_b_only_after_its_own_type():
    tag_set = TagSet(["X", "Y"], "IOB1")
    mask = torch.tensor([[True, False, True, True, True, True]])
    tags = tag_set.targets(padded([[(0, 1, 0), (2, 3, 0), (3, 4, 1), (5, 6, 1)]]), mask)
    assert [tag_set.tags[tag] for tag in tags[0]] == ["I-X", "O", "B-X", "I-Y", "O", "I-Y"]


def test_errors_and_no_types_at_all():
    with pytest.raises(ConfigError, match="must differ, got X, X"):
        TagSet(["X", "X"])
    with pytest.raises(ConfigError, match="unknown tag scheme 'BOI'"):
        TagSet(["X"], "BOI")
    nothing, mask = TagSet([]), torch.ones(2, 3, dtype=torch.bool)
    assert nothing.tags == ["O"] and nothing.constraints().transitions.tolist() == [[True]]
    assert nothing.targets(padded([[(0, 1, 0)], []]), mask).tolist() == [[0] * 3] * 2
    assert len(nothing.spans(torch.zeros(2, 3, dtype=torch.int64), mask).start) == 0


def test_it_is_picklable_and_spells_tags_as_the_schemes_do():
    tag_set = pickle.loads(pickle.dumps(TagSet(["PER.NAM", "B-LOC"], "BMEO")))
    assert [split_tag(tag) for tag in tag_set.tags[1:]] == [(x, t) for t in ("PER.NAM", "B-LOC") for x in "BME"]
