import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.data_tools.checks.sentences import check_sentence
from ner_plugins.data_tools.problem_kinds import KINDS
from ner_plugins.entities import Entity, Sentence


def kinds(text: str, *entities: tuple[int, int, str]) -> list[str]:
    return [kind for kind, _ in check_sentence(Sentence(text, [Entity(*entity) for entity in entities]))]


def messages(text: str, *entities: tuple[int, int, str]) -> str:
    sentence = Sentence(text, [Entity(*entity) for entity in entities])
    return " / ".join(message for _, message in check_sentence(sentence))


def test_a_sound_sentence() -> None:
    assert kinds("青禾银行的林晓彤，Cafe\u0301 Noir", (0, 4, "ORG"), (5, 8, "PER"), (9, 19, "ORG")) == []
    assert list(check_sentence(Sentence("unlabelled", None))) == []


@pytest.mark.parametrize(
    "text, entity, kind",
    [
        ("ab", (0, 3, "X"), "misaligned"),
        ("ab", (-1, 1, "X"), "misaligned"),
        ("ab", (2, 1, "X"), "misaligned"),
        ("ab", (1, 1, "X"), "empty-entity"),
        ("a \t", (1, 3, "X"), "empty-entity"),
        ("ab c", (2, 4, "X"), "edge-space"),
        ("ab c", (0, 3, "X"), "edge-space"),
        ("一\u3000二", (0, 2, "X"), "edge-space"),
        ("Cafe\u0301 x", (0, 4, "X"), "cut-character"),
        ("e\u0301a", (1, 3, "X"), "cut-character"),
        ("👩\u200d🚀来", (0, 1, "X"), "cut-character"),
        ("👩\u200d🚀来", (2, 3, "X"), "cut-character"),
        ("👍🏽好", (0, 1, "X"), "cut-character"),
        ("\u1100\u1161 b", (0, 1, "X"), "cut-character"),
        ("Londoner", (0, 6, "X"), "cut-word"),
        ("in 2014年", (5, 7, "X"), "cut-word"),
        ("ＡＢＣ", (0, 2, "X"), "cut-word"),
        ("a\x07b", (0, 3, "X"), "odd-character"),
        ("一\ufffd二", (0, 3, "X"), "odd-character"),
        ("한\u00ad중", (0, 3, "X"), "odd-character"),
        ("一\ue000", (0, 2, "X"), "odd-character"),
        ("一\ud800", (0, 2, "X"), "odd-character"),
        ("\u00e9e\u0301", (0, 3, "X"), "normalisation"),
        ("\uf9e1强", (0, 2, "X"), "normalisation"),
    ],
)
def test_one_entity(text: str, entity: tuple[int, int, str], kind: str) -> None:
    assert kinds(text, entity) == [kind]


@pytest.mark.parametrize(
    "text, entity",
    [
        ("LG전자", (0, 2, "ORG")),  # scripts change
        ("서울에서", (0, 2, "LOC")),  # particles follow
        ("iPhone4", (0, 6, "X")),  # a letter, then a digit
        ("第2014年", (0, 1, "X")),
        ("👩\u200d🚀来", (0, 3, "X")),
        ("\u00e9", (0, 1, "X")),
        ("e\u0301", (0, 2, "X")),
        ("가", (0, 1, "X")),
        ("a b", (0, 3, "X")),
    ],
)
def test_entities_without_a_problem(text: str, entity: tuple[int, int, str]) -> None:
    assert kinds(text, entity) == []


def test_texts() -> None:
    assert kinds("") == ["empty-text"] and kinds(" \u3000") == ["empty-text"]
    assert kinds("字" * 510) == [] and kinds("字" * 511) == ["long-text"]
    assert [kind for kind, _ in check_sentence(Sentence("字字", None), long_text=1)] == ["long-text"]


def test_pairs() -> None:
    assert kinds("abcdef。", (0, 6, "A"), (2, 4, "B"))[-1] == "nested"
    assert "'二三' (B, 1-3) is inside '一二三四' (A, 0-4)" in messages("一二三四", (0, 4, "A"), (1, 3, "B"))
    assert kinds("一二三四", (0, 3, "A"), (1, 4, "B")) == ["crossing"]
    assert kinds("一二三四", (0, 3, "A"), (0, 3, "B")) == ["same-span"]
    assert kinds("一二三四", (0, 2, "A"), (2, 4, "B")) == []
    assert kinds("一二三四", (0, 2, "A"), (0, 2, "A")) == []


def test_conflicts() -> None:
    assert kinds("北京和北京", (0, 2, "LOC"), (3, 5, "ORG")) == ["conflict"]
    assert "'北京' has the types LOC (0-2), ORG (3-5)" in messages("北京和北京", (0, 2, "LOC"), (3, 5, "ORG"))
    assert kinds("北京和北京", (0, 2, "LOC"), (3, 5, "LOC")) == []


def test_unlabelled_repeats() -> None:
    assert kinds("北京和北京和北京", (3, 5, "LOC")) == ["unlabelled-repeat"] * 2
    assert messages("北京和北京", (3, 5, "LOC")) == "'北京' (LOC, 3-5) has no label at 0-2"
    # What shares a character with an entity is no repeat of its own.
    assert kinds("北京和北京站", (0, 2, "LOC"), (3, 6, "LOC")) == []
    assert kinds("aa aaa", (0, 2, "X")) == []
    assert kinds("一一一", (0, 2, "X")) == []
    # Two labelled copies: a third is told once.
    assert kinds("北京北京北京", (0, 2, "LOC"), (2, 4, "LOC")) == ["unlabelled-repeat"]


@pytest.mark.parametrize(
    "text, repeated",
    [
        ("Rom in Rom", True), ("Rom in Roman", False), ("Rom in aRom", False), ("Rom, Rom3", False),
        ("12 and 123", False), ("서울과 서울에", True), ("서울과 북서울", False), ("한국과 韓한국", True),
    ],
)  # fmt: skip
def test_repeats_are_words_of_their_own(text: str, repeated: bool) -> None:
    first = re.match(r"\w+?(?=과|[ ,])", text)[0]
    assert kinds(text, (0, len(first), "X")) == ["unlabelled-repeat"] * repeated


@given(
    st.text("ab 一가\u0301", max_size=12),
    st.lists(st.builds(Entity, st.integers(-2, 13), st.integers(-2, 13), st.sampled_from("XY")), max_size=6),
)
def test_any_sentence(text: str, entities: list[Entity]) -> None:
    found = list(check_sentence(Sentence(text, entities)))
    assert {kind for kind, _ in found} <= set(KINDS)
    outside = [e for e in entities if not 0 <= e.start <= e.end <= len(text)]
    assert sum(kind == "misaligned" for kind, _ in found) == len(outside)


@given(st.text("一二", max_size=14), st.data())
def test_repeats_by_brute_force(text: str, data: st.DataObject) -> None:
    spans = st.tuples(st.integers(0, len(text)), st.integers(0, len(text))).filter(lambda span: span[0] < span[1])
    entities = [Entity(*span, "X") for span in data.draw(st.lists(spans, max_size=4))] if text else []
    labelled = {i for e in entities for i in range(e.start, e.end)}
    expected = {
        (start, start + len(surface))
        for surface in {text[e.start : e.end] for e in entities}
        for start in range(len(text))
        if text.startswith(surface, start) and not labelled & set(range(start, start + len(surface)))
    }
    assert kinds(text, *[(e.start, e.end, e.type) for e in entities]).count("unlabelled-repeat") == len(expected)
