import itertools
import re

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from ner_plugins.brackets import UnescapedBrackets, from_brackets, to_brackets
from ner_plugins.entities import Entity
from ner_plugins.errors import DataError, NerError

# Characters with a meaning come often; every other one, surrogates included, may come.
CHARACTERS = st.sampled_from('<>:\\nru\n\r\u2028\ufeff \t"東aé0') | st.characters(exclude_categories=())
TEXTS = st.text(CHARACTERS, max_size=14)
TYPES = st.text(CHARACTERS, min_size=1, max_size=4)


def crossing(entities):
    return any(a.crosses(b) for a in entities for b in entities)


@st.composite
def sentences(draw):
    text = draw(TEXTS)
    entities = []
    for _ in range(draw(st.integers(0, 5)) if text else 0):
        start = draw(st.integers(0, len(text) - 1))
        entity = Entity(start, draw(st.integers(start + 1, len(text))), draw(TYPES))
        if not crossing([*entities, entity]):
            entities.append(entity)
    return text, entities


@settings(max_examples=500)
@given(sentences())
def test_round_trip(sentence):
    text, entities = sentence
    line = to_brackets(text, entities)
    assert "\n" not in line and "\r" not in line and not line.startswith("\ufeff") and not line.isspace()
    assert line.encode("utf-8").decode("utf-8") == line
    read, found = from_brackets(line)
    assert read == text and set(found) == set(entities) and len(found) == len(set(found))
    assert all(a.start < b.start or (a.start == b.start and a.contains(b)) for a, b in itertools.pairwise(found))
    assert to_brackets(read, reversed(found)) == line


@pytest.mark.parametrize(
    "text, entities, line",
    [
        ("", [], ""),
        ("青禾银行的林晓彤", [(0, 4, "ORG"), (5, 8, "PER")], "<青禾银行:ORG>的<林晓彤:PER>"),
        ("东京塔", [(0, 3, "FAC"), (0, 2, "LOC")], "<<东京:LOC>塔:FAC>"),
        ("东京", [(0, 2, "LOC"), (0, 2, "GPE"), (0, 2, "LOC")], "<<东京:LOC>:GPE>"),
        ("ab", [(1, 2, "Y"), (0, 1, "X")], "<a:X><b:Y>"),
        ("3:00", [(0, 4, "TIM"), (2, 4, "NUM")], "<3:<00:NUM>:TIM>"),
        ("a:b c:", [], "a:b c:"),
        ("a", [(0, 1, "x:y")], r"<a:x\:y>"),
        ("<2>\\", [(0, 3, "N>")], r"<\<2\>:N\>>\\"),
        ("a\nb\r", [(1, 2, "T\n")], r"a<\n:T\n>b\r"),
        ("\ud800a", [(0, 1, "T\udfff")], r"<\ud800:T\udfff>a"),
        (" \t", [], "\\u0020\t"),
        (" ", [(0, 1, "T")], "< :T>"),
        ("\ufeffa\ufeff", [], "\\ufeffa\ufeff"),
    ],
)
def test_notation(text, entities, line):
    entities = [Entity(*entity) for entity in entities]
    assert to_brackets(text, entities) == line
    assert from_brackets(line) == (text, sorted(set(entities), key=lambda e: (e.start, -e.end, e.type)))


@pytest.mark.parametrize(
    "line, text, entities",
    [
        (r"\:\u4E1c\u0041", ":东A", []),  # escapes that need not be
        (r"<a\:b:T>", "a:b", [Entity(0, 3, "T")]),
        ("<a:T>:b\r", "a:b\r", [Entity(0, 1, "T")]),
        ("<<a:T>:T>", "a", [Entity(0, 1, "T")]),
    ],
)
def test_also_read(line, text, entities):
    assert from_brackets(line) == (text, entities)


@pytest.mark.parametrize(
    "line, message",
    [
        ("a<b", r"'<' at character 1 is not closed .*Write \\<"),
        ("<<a:T>", "'<' at character 0 is not closed"),
        ("a>b", r"'>' at character 1 closes no '<' .*Write \\>"),
        ("a <b>", "bracket from character 2 to 4 has no type"),
        ("<b:>", "bracket from character 0 to 3 has no type"),
        (r"<b\:T>", "bracket from character 0 to 5 has no type"),
        ("<a:<b:T>>", "bracket from character 0 to 8 has no type"),
        ("x<:T>", "bracket from character 1 to 4 holds no text"),
        ("a\\", r"'\\\\' at character 1 is not an escape"),
        (r"ab\t", r"'\\\\t' at character 2 is not an escape .*Write \\\\ where"),
        (r"\u12g4", "at character 0 is not an escape"),
        ("a\nb", "a line break at character 1"),
    ],
)
def test_malformed(line, message):
    with pytest.raises(DataError, match=message) as caught:
        from_brackets(line)
    assert caught.value.expected and caught.value.remedy


@given(st.text(CHARACTERS))
@example("<" * 3000)
def test_any_string_is_a_sentence_or_an_error(line):
    try:
        text, entities = from_brackets(line)
    except NerError:
        return
    assert all(0 <= e.start < e.end <= len(text) and e.type for e in entities) and not crossing(entities)
    assert from_brackets(to_brackets(text, entities)) == (
        text,
        sorted(entities, key=lambda e: (e.start, -e.end, e.type)),
    )


@pytest.mark.parametrize(
    "entities, message",
    [
        ([(0, 2, "A"), (1, 3, "B")], r"A 'ab' \(0, 2\) and B 'bc' \(1, 3\) cross.*Leave one of them out"),
        ([(0, 4, "A"), (1, 3, "B"), (2, 4, "C")], "B 'bc' .* and C 'cd' .* cross"),
        ([(1, 1, "A")], r"'A' \(1, 1\) is not a span of a text of 4 characters.*leave it out"),
        ([(2, 5, "A")], r"'A' \(2, 5\) is not a span"),
        ([(-1, 2, "A")], r"'A' \(-1, 2\) is not a span"),
        ([(0, 1, "")], r"the entity at \(0, 1\) has no type"),
    ],
)
def test_what_brackets_cannot_show(entities, message):
    with pytest.raises(NerError, match=message):
        to_brackets("abcd", [Entity(*entity) for entity in entities])


@given(TEXTS, st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5), st.just("T")), max_size=4))
def test_crossing_is_refused_and_nothing_else(text, spans):
    entities = [Entity(start, start + width, type_) for start, width, type_ in spans if start + width <= len(text)]
    if crossing(entities):
        with pytest.raises(NerError, match="cross"):
            to_brackets(text, entities)
    else:
        assert set(from_brackets(to_brackets(text, entities))[1]) == set(entities)


# Without escapes: every reading is tried.


def render(text, entities):
    line, at = "", 0
    for e in sorted(entities):
        line += f"{text[at : e.start]}<{text[e.start : e.end]}:{e.type}>"
        at = e.end
    return line + text[at:]


def flat(text, types, start=0):
    """All sets of entities that do not overlap."""
    yield ()
    for begin in range(start, len(text)):
        for end in range(begin + 1, len(text) + 1):
            for type_ in types:
                for rest in flat(text, types, end):
                    yield (Entity(begin, end, type_), *rest)


def is_balanced(surface):
    while surface != (shorter := re.sub("<([^<>]*)>", r"\1", surface)):
        surface = shorter
    return "<" not in surface and ">" not in surface


def costs(text, entities):
    surfaces = [text[e.start : e.end] for e in entities]
    return sum(not is_balanced(surface) for surface in surfaces), sum(map(len, surfaces))


@settings(max_examples=300)
@given(st.text("<>:Pa", max_size=5), st.data())
@example("<<P>", None)
def test_unescaped_takes_the_best_reading(text, data):
    types = ("P", "PP")
    readings = list(flat(text, types))
    chosen = data.draw(st.sampled_from(readings)) if data is not None else (Entity(1, 4, "P"),)
    annotated = render(text, chosen)
    found = UnescapedBrackets(types).entities(text, annotated)
    fitting = [costs(text, entities) for entities in readings if render(text, entities) == annotated]
    assert render(text, found) == annotated and costs(text, found) == min(fitting)


@settings(max_examples=300)
@given(st.text("<>:Pa", max_size=4), st.text("<>:Pa", max_size=12))
def test_unescaped_refuses_what_no_reading_gives(text, annotated):
    assume(all(render(text, entities) != annotated for entities in flat(text, ("P", "PP"))))
    with pytest.raises(DataError) as caught:
        UnescapedBrackets(("P", "PP")).entities(text, annotated)
    assert re.search(r"at character \d+", str(caught.value)) and caught.value.remedy


@pytest.mark.parametrize(
    "text, annotated, surfaces",
    [
        ("<2> 문제", "<<2>:NOH> 문제", ["<2>"]),
        ("<트럼보>가", "<<트럼보:POH>>가", ["트럼보"]),
        ("<5일자 6면>형사", "<<5일:DAT>자 <6면:NOH>>형사", ["5일", "6면"]),
        ("82<본 글", "<82:POH><본 글", ["82"]),
        ("기아>현대", "<기아:ORG>><현대:ORG>", ["기아", "현대"]),
        ("a:PER>b", "<a:PER>:PER>b", ["a"]),
        ("a:PER:b", "<a:PER:PER>:b", ["a:PER"]),
        ("<가:PER>", "<<가:PER>:PER>", ["가"]),  # of two with balanced surfaces, the shorter
        ("가나", "<가:PER><나:ORG>", ["가", "나"]),
    ],
)
def test_unescaped_ambiguities(text, annotated, surfaces):
    found = UnescapedBrackets(("PER", "POH", "ORG", "DAT", "NOH")).entities(text, annotated)
    assert [text[e.start : e.end] for e in found] == surfaces


@pytest.mark.parametrize(
    "text, annotated, message",
    [
        ("가나다", "<가:PER>나라", "at character 8 '라', where the text has '다'"),
        ("가나다", "<가:PER>나", "at character 8 its end, where the text has '다'"),
        ("가나", "<가:PER>나다", "at character 8 '다', where the text ends"),
        ("가나", "<가:EVT>나", "unknown type 'EVT' at character 3"),
        ("가<나", "<가:EVT><나", "unknown type 'EVT' at character 3"),
        ("가나", "<가나:PER", "at character 3 ':PER'"),
        ("가나", "<<가:PER>나:ORG>", "at character 0"),
    ],
)
def test_unescaped_errors(text, annotated, message):
    with pytest.raises(DataError, match=message):
        UnescapedBrackets(("PER", "ORG")).entities(text, annotated)


def test_brackets_nest_to_a_depth() -> None:
    entities = [Entity(0, end, "X") for end in range(1, 1001)]
    assert set(from_brackets(to_brackets("a" * 1001, entities))[1]) == set(entities)
    with pytest.raises(NerError, match="more than 1,000 entities are nested at 0"):
        to_brackets("a" * 1001, [*entities, Entity(0, 1001, "X")])
    with pytest.raises(DataError, match="at character 1000 more than 1,000 brackets are open"):
        from_brackets("<" * 10**6)
