"""Tag schemes against seqeval, enumeration and generated entities."""

import itertools
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import BILOU, IOB2, IOBES, Entities

from ner_plugins.errors import ConfigError, NerError
from ner_plugins.tag_schemes import (
    SCHEMES,
    IllegalTagError,
    detect_scheme,
    first_misfit,
    follows,
    illegal_tags,
    is_tag,
    read_tags,
    spans_to_tags,
    split_tag,
    tag_scheme,
    tags_to_spans,
)

TYPES = ("PER", "PER.NAM", "B-LOC", "a_b", "I")


@st.composite
def flat_spans(draw):
    """A length and spans that do not overlap, often adjacent."""
    cuts = draw(st.lists(st.integers(1, 5), max_size=8))
    spans, position = [], 0
    for width in cuts:
        if draw(st.booleans()):
            spans.append((position, position + width, draw(st.sampled_from(TYPES))))
        position += width
    return position, spans


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("separator", "-_")
@given(flat_spans())
def test_spans_to_tags_and_back_is_the_identity(scheme, separator, sentence):
    length, spans = sentence
    tags = spans_to_tags(spans, length, scheme, separator)
    assert len(tags) == length and all(map(is_tag, tags))
    for rule in ("repair", "strict", "drop"):
        assert tags_to_spans(tags, scheme, rule) == spans
    assert illegal_tags(tags, scheme) == []
    assert tags_to_spans(tags, detect_scheme([tags]).scheme, "strict") == spans


def every_sequence(scheme, longest):
    letters = set(tag_scheme(scheme).letters) | ({"B"} if scheme == "IOB1" else set())
    tags = ["O", *(f"{letter}-{type_}" for letter in sorted(letters) for type_ in "XY")]
    for length in range(1, longest + 1):
        yield from itertools.product(tags, repeat=length)


@pytest.mark.parametrize(("scheme", "theirs"), [("BIO", IOB2), ("BIOES", IOBES), ("BIOUL", BILOU)])
def test_drop_is_seqeval_strict(scheme, theirs):
    for tags in every_sequence(scheme, 4 if scheme == "BIO" else 3):
        expected = sorted((e.start, e.end, e.tag) for e in Entities([list(tags)], theirs).entities[0])
        assert tags_to_spans(tags, scheme, "drop") == expected, tags


@pytest.mark.parametrize("scheme", ["BIO", "IOB1", "BIOES"])
def test_repair_is_conlleval(scheme):
    for tags in every_sequence(scheme, 4 if scheme != "BIOES" else 3):
        expected = [(start, last + 1, type_) for type_, start, last in get_entities(list(tags))]
        assert tags_to_spans(tags, scheme) == expected, tags


@pytest.mark.parametrize("scheme", SCHEMES)
def test_legal_is_what_the_scheme_itself_would_write(scheme):
    for tags in every_sequence(scheme, 3):
        written = spans_to_tags(tags_to_spans(tags), len(tags), scheme) == list(tags)
        assert (not illegal_tags(tags, scheme)) == written == all(read_tags(tags, scheme)[1]), tags
        steps = [("O", ""), *map(split_tag, tags), ("O", "")]
        allowed = all(follows(a, b, tag_scheme(scheme)) for a, b in itertools.pairwise(steps))
        assert allowed == written, tags


@pytest.mark.parametrize(
    ("scheme", "tags"),
    [
        ("BIO", "B-A I-A B-A O"),
        ("IOB1", "I-A I-A B-A O"),
        ("BIOES", "B-A E-A S-A O"),
        ("BMES", "B-A E-A S-A O"),
        ("BMEO", "B-A E-A B-A O"),
        ("BIOUL", "B-A L-A U-A O"),
    ],
)
def test_each_scheme_by_hand(scheme, tags):
    assert spans_to_tags([(0, 2, "A"), (2, 3, "A")], 4, scheme) == tags.split()


def test_aliases_and_unknown_schemes():
    assert [tag_scheme(n).name for n in ("iob2", "BIEOS", "bmeso", "BILOU")] == ["BIO", "BIOES", "BMES", "BIOUL"]
    with pytest.raises(ConfigError, match=r"unknown tag scheme 'BIX'.*BIO, IOB1"):
        tag_scheme("BIX")
    with pytest.raises(ConfigError, match="illegal_tags is 'ignore'"):
        tags_to_spans(["O"], "BIO", "ignore")


@pytest.mark.parametrize("tag", ["", "B", "B-", "-PER", "X-PER", "o", "BPER", "PER-B", "B PER"])
def test_what_is_no_tag(tag):
    assert not is_tag(tag)
    with pytest.raises(ValueError, match="is not a tag"):
        split_tag(tag)
    with pytest.raises(IllegalTagError, match=r"tag 1: .* is not a tag"):
        tags_to_spans(["O", tag])


def test_strict_names_the_tag_and_survives_pickling():
    with pytest.raises(IllegalTagError, match=r"tag 1: I-PER after O") as caught:
        tags_to_spans(["O", "I-PER"], "BIO", "strict")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.index, str(again)) == (1, str(caught.value))
    assert illegal_tags(["B-X", "M-X"], "BMES") == [(1, "M-X at the end of a sentence is not allowed in BMES")]
    assert illegal_tags(["I-X"], "BIO")[0][1] == "I-X after the start of a sentence is not allowed in BIO"
    assert illegal_tags(["E-X"], "BIO") == [(0, "E-X is not a tag of the scheme BIO")]


@pytest.mark.parametrize(
    ("tags", "scheme", "rule", "outcome"),
    [
        ("O I-X", "BIO", "repair", "I-X after O is not allowed in BIO: read as the start of an entity"),
        ("O I-X", "BIO", "drop", "I-X after O is not allowed in BIO: the entity is left out"),
        ("O I-X", "BIO", "strict", "I-X after O is not allowed in BIO"),
        ("B-X O", "BIOES", "repair", "O after B-X is not allowed in BIOES: the entity ends there"),
        ("B-X", "BIOES", "repair", "B-X at the end of a sentence is not allowed in BIOES: the entity ends there"),
        ("B-X E-X", "BIO", "repair", "E-X is not a tag of the scheme BIO: read as a part of the entity before it"),
    ],
)
def test_the_words_say_what_becomes_of_an_illegal_tag(tags, scheme, rule, outcome):
    assert illegal_tags(tags.split(), scheme, rule)[0][1] == outcome


def test_the_first_letter_that_fits_no_scheme():
    assert first_misfit(["O", "B-A", "I-A", "M-A", "E-A"]) == 3
    assert first_misfit(["O", "B-A", "I-A", "E-A", "S-A"]) is None


@pytest.mark.parametrize("span", [(0, 0, "A"), (-1, 1, "A"), (1, 3, "A"), (0, 1, "")])
def test_spans_that_cannot_be_written(span):
    with pytest.raises(NerError, match="is not a span of a sentence of 2 tokens"):
        spans_to_tags([span], 2)


def test_overlapping_spans_cannot_be_written():
    with pytest.raises(NerError, match=r"A \(0, 2\) and B \(1, 3\) overlap"):
        spans_to_tags([(1, 3, "B"), (0, 2, "A")], 3)


@pytest.mark.parametrize(
    ("sample", "scheme", "illegal"),
    [
        (["B-A I-A O", "O"], "BIO", 0),
        (["I-A O", "I-A B-A"], "IOB1", 0),
        (["I-A I-A O"], "IOB1", 0),
        (["B-A E-A O S-A"], "BIOES", 0),
        (["B-A E-A"], "BIOES", 0),
        (["B_A M_A E_A O"], "BMES", 0),
        (["B-A B-A M-A E-A"], "BMEO", 0),
        (["B-A L-A U-A"], "BIOUL", 0),
        (["O O"], "BIO", 0),
        ([], "BIO", 0),
        (["B-A I-A", "O I-A", "B-A"], "BIO", 1),  # noise: most tags decide
        (["I-A I-A", "I-A", "O B-A"], "BIO", 2),  # no one writes IOB1 with a B- after O
        (["B-A I-A", "I-A O I-A"], "BIO", 2),
        (["I-A I-A"] * 10 + ["O B-A"], "IOB1", 1),  # but a stray one may stand there
    ],
)
def test_detection(sample, scheme, illegal):
    found = detect_scheme([tags.split() for tags in sample])
    assert (found.scheme, found.illegal) == (scheme, illegal)


def test_detection_says_what_is_ambiguous():
    assert "BMES, BMEO would read the same entities" in detect_scheme([["B-A", "E-A"]]).reason
    assert "1 tags are illegal in it, and in IOB1 2" in detect_scheme([["B-A", "I-A"], ["O", "I-A"], ["B-A"]]).reason
    with pytest.raises(NerError, match=r"all of the letters B, I, M.*name one of BIO"):
        detect_scheme([["B-A", "I-A"], ["B-A", "M-A"]])


@given(st.lists(st.lists(st.text(max_size=4), max_size=5), max_size=4))
def test_any_text_is_read_or_refused(rows):
    for tags in rows:
        try:
            spans = tags_to_spans(tags)
        except NerError:
            assert not all(map(is_tag, tags))
        else:
            assert all(0 <= start < end <= len(tags) for start, end, _ in spans)


def test_a_message_about_a_tag_with_a_line_break_is_one_line() -> None:
    with pytest.raises(IllegalTagError) as told:
        tags_to_spans(["I-\n"], "BIOES", "strict")
    assert "\n" not in str(told.value) and r"I-\n" in str(told.value)
