from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.data_tools.corrections import Corrections, Decision
from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import DataError
from ner_plugins.files.digests import text_key

TEXT = "刘晓燕去了北京大学"
NAME, SCHOOL, CITY = Entity(0, 3, "name"), Entity(5, 9, "organization"), Entity(5, 7, "address")


def sentence(text: str = TEXT, *entities: Entity) -> Sentence:
    return Sentence(text, entities)


def decide(gold: Sequence[Entity], remove: Sequence[Entity], add: Sequence[Entity], **more: Any) -> Decision:
    given = {"verdict": "accept" if remove or add else "reject", "key": text_key(TEXT), **more}
    return Decision(gold=tuple(sorted(gold)), remove=tuple(remove), add=tuple(add), **given)


def test_several_decisions_about_a_sentence_are_applied_together() -> None:
    data = [
        sentence("北京大学的", SCHOOL),
        sentence(TEXT, NAME, CITY),
        sentence(TEXT, CITY, NAME),
        sentence(TEXT, NAME),
    ]
    gold = [NAME, CITY]
    corrections = Corrections(
        [decide(gold, [CITY], [SCHOOL]), decide(gold, [NAME], [Entity(0, 2, "name")]), decide(gold, [], [])]
    )
    changed = corrections.apply(data)
    assert changed[0] is data[0] and changed[3] is data[3]  # another text, and other labels
    assert [tuple(one.entities or ()) for one in changed[1:3]] == [(Entity(0, 2, "name"), SCHOOL)] * 2
    assert str(corrections.outcome) == (
        "2 decisions applied (2 sentences changed: 4 labels added, 4 removed); 1 rejected suspects left as they are"
    )


def test_applying_twice_changes_nothing_more() -> None:
    decisions = [decide([NAME, CITY], [CITY], [SCHOOL])]
    once = Corrections(decisions).apply([sentence(TEXT, NAME, CITY), sentence("大学", SCHOOL)])
    again = Corrections(decisions)
    assert again.apply(once) == once and (again.outcome.already, again.outcome.applied) == (1, 0)


ERRORS = {
    "no sentence has the text": ([decide([NAME], [NAME], [], key=text_key("x"))], 1),
    "are not those that were decided on": ([decide([CITY], [CITY], []), decide([CITY], [], [])], 2),
    "ends beyond the text, which has 9 characters": ([decide([NAME], [], [Entity(8, 10, "name")])], 1),
    "no label of the data has the type 'nmae'": ([decide([NAME], [NAME], [Entity(0, 3, "nmae")])], 1),
    "decided in two ways, here and at d:2": (
        [decide([NAME], [NAME], [], suspect="1", source="d:1"), decide([NAME], [], [], suspect="1", source="d:2")], 2,
    ),
    "contradicts the decision at d:2": (
        [decide([NAME], [], [Entity(5, 7, "name"), ]), decide([NAME], [], [Entity(6, 9, "name")], source="d:2")], 2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("message", ERRORS)
def test_what_cannot_be_applied_stops_or_is_counted(message: str) -> None:
    decisions, refused = ERRORS[message]
    data = [sentence(TEXT, NAME)]
    with pytest.raises(DataError, match=message):
        Corrections(decisions).apply(data)
    errors: list[DataError] = []
    good = decide([NAME], [], [Entity(5, 7, "name")] if "contradicts" not in message else [Entity(3, 4, "name")])
    corrections = Corrections([*decisions, good], errors.append)
    (changed,) = corrections.apply(data)
    assert set(changed.entities or ()) == {NAME, *good.add}
    assert corrections.outcome.refused == refused and corrections.outcome.applied == 1 and message in str(errors[0])


def test_new_types_and_repetitions() -> None:
    one = decide([NAME], [NAME], [Entity(0, 3, "person")], suspect="1")
    corrections = Corrections([one, one])
    assert corrections.apply([sentence(TEXT, NAME)], ["person"])[0].entities == (Entity(0, 3, "person"),)
    assert (corrections.outcome.applied, corrections.outcome.repeated) == (1, 1)


def test_unlabelled_sentences_stay_unlabelled() -> None:
    unlabelled = Sentence(TEXT)
    errors: list[DataError] = []
    corrections = Corrections([decide([], [], [NAME])], errors.append)
    assert corrections.apply([unlabelled, sentence("刘", NAME)])[0] is unlabelled and corrections.outcome.refused == 1


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[Sentence], list[Decision]]:
    spans = [Entity(start, end, type_) for start in range(4) for end in range(start + 1, 5) for type_ in "ab"]
    texts = draw(st.lists(st.sampled_from(["甲乙丙丁", "戊己庚辛"]), min_size=1, max_size=4))
    data = [Sentence(text, tuple(sorted(draw(st.sets(st.sampled_from(spans), max_size=3))))) for text in texts]
    decisions = []
    for number in range(draw(st.integers(0, 5))):
        about = draw(st.sampled_from(data))
        gold = tuple(about.entities or ())
        remove = tuple(sorted(draw(st.sets(st.sampled_from(gold)) if gold else st.just(set()))))
        add = tuple(sorted(draw(st.sets(st.sampled_from(spans), max_size=1)) - (set(gold) - set(remove))))
        verdict = "accept" if remove or add else "reject"
        decisions.append(Decision(verdict, text_key(about.text), gold, remove, add, f"d:{number}", str(number // 2)))
    return data, decisions


@given(cases())
def test_every_decision_is_counted_once_and_no_sentence_is_lost(case: tuple[list[Sentence], list[Decision]]) -> None:
    data, decisions = case
    corrections = Corrections(decisions, lambda error: None)
    changed = corrections.apply(data, ["a", "b"])
    outcome = corrections.outcome
    counted = outcome.applied + outcome.rejected + outcome.already + outcome.repeated + outcome.refused
    assert counted == len(decisions)
    assert [one.text for one in changed] == [one.text for one in data]
    assert sum(a != b for a, b in zip(changed, data, strict=True)) == outcome.sentences
    for before, after in zip(data, changed, strict=True):
        mine = [d for d in decisions if d.key == text_key(before.text) and d.gold == tuple(before.entities or ())]
        assert set(before.entities or ()) - {e for d in mine for e in d.remove} <= set(after.entities or ())
        assert set(after.entities or ()) <= set(before.entities or ()) | {e for d in mine for e in d.add}
