from ner_plugins.entities import Entity
from ner_plugins.tagger.backend import Alternative, shown_alternatives

TEXT = " 王芳"


def test_alternatives_that_differ_in_blanks_alone_are_one() -> None:
    alternatives = [
        Alternative([], 0.4),
        Alternative([Entity(0, 3, "PER")], 0.3),
        Alternative([Entity(1, 3, "PER")], 0.2),
        Alternative([Entity(0, 1, "LOC")], 0.1),
    ]
    shown = shown_alternatives(alternatives, TEXT)
    assert [entities for entities, _ in shown] == [[], [Entity(1, 3, "PER")]]
    assert [round(share, 6) for _, share in shown] == [0.5, 0.5]


def test_without_blanks_they_are_as_they_were() -> None:
    alternatives = [Alternative([Entity(1, 3, "PER")], 0.6), Alternative([Entity(1, 3, "PER")], 0.3)]
    assert shown_alternatives(alternatives, TEXT) == alternatives
