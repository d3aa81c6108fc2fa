import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.audit.surfaces import Surfaces, is_word
from ner_plugins.entities import Entity
from ner_plugins.files.folds_file import FoldRecord


def record(number: int, fold: int, text: str, *gold: Entity) -> FoldRecord:
    return FoldRecord(number, fold, text, gold, (), ())


RECORDS = [
    record(0, 0, "北京大学在北京", Entity(0, 4, "organization"), Entity(5, 7, "address")),
    record(1, 1, "他去北京", Entity(2, 4, "address")),
    record(2, 1, "北京大学很大,北京也是"),
    record(3, 0, "北京", Entity(0, 2, "name")),
]


def test_surfaces_are_counted_in_the_other_folds() -> None:
    surfaces = Surfaces(RECORDS)
    assert [surfaces.seen("北京", "address", fold) for fold in (0, 1, 2)] == [1, 1, 2]
    assert surfaces.seen("北京", "name", 0) == 0 and surfaces.seen("首尔", "name", 0) == 0
    assert surfaces.unknown_types(0) == ["organization", "name"] and surfaces.unknown_types(1) == []


def test_the_longest_surface_without_a_label_counts() -> None:
    found = Surfaces(RECORDS).unlabelled(RECORDS)
    assert [(o.record.id, o.entity, o.labelled, o.unlabelled) for o in found] == [
        (2, Entity(0, 4, "organization"), 1, 1), (2, Entity(7, 9, "address"), 2, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text, surface, is_one",
    [
        ("AIR", "AI", False), ("AI 기술", "AI", True), ("我用AI写", "AI", True), ("x2019", "2019", False),
        ("서울에서", "서울", True), ("동서울", "서울", False), ("于北京市", "北京", True), ("(서울)", "서울", True),
    ],
)  # fmt: skip
def test_no_part_of_a_word(text: str, surface: str, is_one: bool) -> None:
    start = text.index(surface)
    assert is_word(text, start, start + len(surface)) == is_one


@given(st.lists(st.tuples(st.text("甲乙丙", min_size=1, max_size=8), st.integers(0, 7), st.integers(1, 4)), max_size=6))
def test_occurrences_against_a_search_at_every_place(drawn: list[tuple[str, int, int]]) -> None:
    records = []
    for number, (text, start, width) in enumerate(drawn):
        fits = start + width <= len(text)
        records.append(record(number, number % 2, text, *([Entity(start, start + width, "x")] if fits else [])))
    labelled = {one.text[e.start : e.end] for one in records for e in one.gold}
    expected = []
    for one in records:
        free = [not any(e.start <= place < e.end for e in one.gold) for place in range(len(one.text))]
        for width in range(len(one.text), 1, -1):
            for start in range(len(one.text) - width + 1):
                if all(free[start : start + width]) and one.text[start : start + width] in labelled:
                    free[start : start + width] = [False] * width
                    expected.append((one.id, start, start + width))
    found = [(o.record.id, o.entity.start, o.entity.end) for o in Surfaces(records).unlabelled(records)]
    assert found == sorted(expected)
