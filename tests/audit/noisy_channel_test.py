import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.audit.noisy_channel import LOWEST, NoisyChannel
from ner_plugins.entities import Entity
from ner_plugins.files.folds_file import FoldRecord

CHANNEL = NoisyChannel(types=5, width=3.0, rate=0.01)
TEXT = "刘晓燕去了北京大学读书"  # 11 characters


def record(
    gold: list[Entity], candidates: list[Entity], tokens: tuple[tuple[int, int], ...] | None = None
) -> FoldRecord:
    return FoldRecord(0, 0, TEXT, tuple(sorted(gold)), (), tuple(sorted(candidates)), tokens=tokens)


def test_a_label_where_the_model_finds_nothing() -> None:
    label = Entity(5, 7, "address", 0.001)
    (doubt,) = CHANNEL.doubts(record([label], []))
    assert (doubt.kind, doubt.given, doubt.instead) == ("spurious", label, None)
    by_chance = 1 / (11 * 6 * 5)  # any start, up to 6 characters, any type
    assert doubt.odds == pytest.approx(0.01 * 0.999 * by_chance / 0.001)


def test_a_label_with_another_type_and_with_other_edges() -> None:
    label = Entity(5, 7, "address", 0.02)
    same, longer = Entity(5, 7, "name", 0.3), Entity(5, 9, "address", 0.6)
    (doubt,) = CHANNEL.doubts(record([label], [same, longer]))
    terms = {
        "type": 0.3 / 4,
        "boundary": 0.6 / 8 / 2,  # two steps
        "spurious": (1 - 0.6) / (11 * 6 * 5),
    }
    assert doubt.kind == max(terms, key=terms.__getitem__) == "type" and doubt.instead == same
    assert doubt.odds == pytest.approx(0.01 * sum(terms.values()) / 0.02)
    (doubt,) = CHANNEL.doubts(record([label], [longer]))
    assert (doubt.kind, doubt.instead) == ("boundary", longer)
    other = replace(longer, type="name")
    (of_other_type,) = CHANNEL.doubts(record([label], [other]))
    assert of_other_type.kind == "boundary" and of_other_type.odds < doubt.odds


def test_of_missing_entities_the_best_of_each_place() -> None:
    first, other, apart = Entity(0, 3, "name", 0.9), Entity(0, 2, "name", 0.4), Entity(9, 11, "name", 0.2)
    doubts = CHANNEL.doubts(record([], [first, other, apart]))
    assert [(doubt.kind, doubt.given, doubt.instead) for doubt in doubts] == [
        ("missed", None, first), ("missed", None, apart),
    ]  # fmt: skip
    assert [doubt.odds for doubt in doubts] == pytest.approx([0.01 * 9, 0.01 * 0.25])


def test_a_label_that_the_model_cannot_score_is_no_suspect_unless_no_other_fold_has_its_type() -> None:
    label, rival = Entity(5, 7, "adress"), Entity(5, 7, "address", 0.9)
    assert CHANNEL.doubts(record([label], [rival])) == []
    (doubt,) = CHANNEL.doubts(record([label], [rival]), ["adress"])
    assert doubt.kind == "type" and doubt.odds == pytest.approx(0.01 * (0.9 / 4 + 0.1 / 330) / LOWEST, rel=1e-3)


def test_where_labels_nest_one_inside_another_is_missing_and_no_rival() -> None:
    outer, inner = Entity(0, 9, "organization", 0.9), Entity(5, 7, "address", 0.95)
    (flat,) = CHANNEL.doubts(record([outer], [inner]))
    assert flat.given == outer
    nested = replace(CHANNEL, nested=True).doubts(record([outer], [inner]))
    assert [(doubt.kind, doubt.instead) for doubt in nested] == [("spurious", None), ("missed", inner)]
    near = Entity(0, 8, "organization", 0.4)
    assert replace(CHANNEL, nested=True).doubts(record([outer], [near]))[0].instead == near


def test_edges_move_by_tokens_where_the_model_has_others_than_characters() -> None:
    label, longer = Entity(0, 3, "name", 0.1), Entity(0, 9, "name", 0.8)
    words = ((0, 3), (3, 9), (9, 11))
    (by_characters,) = CHANNEL.doubts(record([label], [longer]))
    (by_words,) = CHANNEL.doubts(record([label], [longer], words))
    chance = (1 - 0.8) / 330  # of a label where nothing is
    assert by_words.odds == pytest.approx(0.01 * (0.8 / 8 + chance) / 0.1)
    assert by_characters.odds == pytest.approx(0.01 * (0.8 / 8 / 2**5 + chance) / 0.1)


PROBABILITY = st.floats(0.0, 1.0)


@given(PROBABILITY, PROBABILITY, PROBABILITY, st.floats(0.001, 0.5))
def test_less_probable_labels_are_more_doubtful_and_the_rate_only_scales(
    low: float, high: float, rival: float, rate: float
) -> None:
    low, high = sorted((low, high))
    others = [Entity(5, 7, "name", rival)]
    odds = [CHANNEL.doubts(record([Entity(5, 7, "address", p)], others))[0].odds for p in (low, high)]
    assert odds[0] >= odds[1] >= 0.0 and all(map(math.isfinite, odds))
    (scaled,) = replace(CHANNEL, rate=rate).doubts(record([Entity(5, 7, "address", low)], others))
    assert scaled.odds == pytest.approx(odds[0] * rate / 0.01)
