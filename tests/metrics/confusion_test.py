from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentence_results import result, results

from ner_plugins.entities import Entity
from ner_plugins.metrics.confusion import KINDS, ConfusionMatrix, Pair, assign
from ner_plugins.reports.collect import SentenceResult


def by_definition(predicted: list[Entity], gold: list[Entity]) -> list[Pair]:
    """The closest pair of all that are left is taken, until none overlaps."""
    predicted, gold, pairs = sorted(set(predicted)), sorted(set(gold)), []

    def closeness(g: Entity, p: Entity) -> tuple:
        shared = len(set(range(g.start, g.end)) & set(range(p.start, p.end)))
        same_span = (g.start, g.end) == (p.start, p.end)
        kind = {(1, 1): "correct", (1, 0): "type", (0, 1): "boundary", (0, 0): "boundary_and_type"}[
            (same_span, g.type == p.type)
        ]
        return list(KINDS).index(kind), -shared, g, p

    while overlapping := [closeness(g, p) for g in gold for p in predicted if g.overlaps(p)]:
        kind, _, g, p = min(overlapping)
        pairs.append(Pair(g, p, list(KINDS)[kind]))
        gold.remove(g)
        predicted.remove(p)
    return pairs + [Pair(g, None, "missed") for g in gold] + [Pair(None, p, "spurious") for p in predicted]


@given(results())
def test_the_assignment_is_as_defined(sentence: SentenceResult) -> None:
    pairs = assign(sentence.predicted, sentence.gold)
    assert Counter(pairs) == Counter(by_definition(sentence.predicted, sentence.gold))
    assert [(p.gold or p.predicted).start for p in pairs] == sorted((p.gold or p.predicted).start for p in pairs)


@given(results())
def test_each_entity_has_one_place(sentence: SentenceResult) -> None:
    pairs = assign(sentence.predicted, sentence.gold)
    assert sorted(pair.gold for pair in pairs if pair.gold) == sentence.gold
    assert sorted(pair.predicted for pair in pairs if pair.predicted) == sentence.predicted
    exact = set(sentence.gold) & set(sentence.predicted)
    assert {pair.gold for pair in pairs if pair.kind == "correct"} == exact


@pytest.mark.parametrize(
    "predicted, gold, kinds",
    [
        ([Entity(0, 2, "A")], [Entity(0, 2, "A")], ["correct"]),
        ([Entity(0, 2, "B")], [Entity(0, 2, "A")], ["type"]),
        ([Entity(0, 3, "A")], [Entity(0, 2, "A")], ["boundary"]),
        ([Entity(1, 3, "B")], [Entity(0, 2, "A")], ["boundary_and_type"]),
        ([Entity(2, 3, "A")], [Entity(0, 2, "A")], ["missed", "spurious"]),
        ([Entity(0, 4, "A")], [Entity(0, 2, "A"), Entity(2, 4, "A")], ["boundary", "missed"]),
        ([Entity(0, 1, "A"), Entity(1, 4, "A")], [Entity(0, 4, "A")], ["boundary", "spurious"]),
        # The same span goes before the same type.
        ([Entity(0, 2, "B"), Entity(0, 3, "A")], [Entity(0, 2, "A")], ["type", "spurious"]),
    ],
)
def test_examples(predicted: list[Entity], gold: list[Entity], kinds: list[str]) -> None:
    assert sorted(pair.kind for pair in assign(predicted, gold)) == sorted(kinds)


def test_a_prediction_keeps_its_score() -> None:
    (pair,) = assign([Entity(0, 2, "A", 0.7)], [Entity(0, 2, "A")])
    assert pair.predicted is not None and pair.predicted.score == 0.7


@given(st.lists(results(), max_size=4))
def test_rows_sum_up_to_gold_and_columns_to_predictions(sentences: list[SentenceResult]) -> None:
    matrix = ConfusionMatrix()
    for sentence in sentences:
        matrix.add(sentence.pairs)
    rows, columns, cells = matrix.cells()
    gold = Counter(entity.type for sentence in sentences for entity in sentence.gold)
    predicted = Counter(entity.type for sentence in sentences for entity in sentence.predicted)
    assert rows[:-3] == columns[:-3] == matrix.types == sorted({*gold, *predicted})
    assert [sum(row) for row in cells[:-3]] == [gold[type_] for type_ in matrix.types]
    assert [sum(column) for column in zip(*cells, strict=True)][:-3] == [predicted[type_] for type_ in matrix.types]
    assert all(count == 0 for row in cells[-3:] for count in row[-3:])
    for type_ in matrix.types:
        assert matrix.of_gold(type_).total() == gold[type_]
        assert matrix.of_predicted(type_).total() == predicted[type_]


def test_where_a_mistake_is_counted() -> None:
    sentence = result(
        "0123456789",
        [Entity(0, 2, "B"), Entity(3, 5, "A"), Entity(6, 8, "B"), Entity(9, 10, "A")],
        [Entity(0, 2, "A"), Entity(3, 4, "A"), Entity(6, 7, "A")],
    )
    matrix = ConfusionMatrix()
    matrix.add(sentence.pairs)
    rows, columns, cells = matrix.cells()
    assert columns == ["A", "B", "boundary", "boundary_and_type", "missed"]
    assert dict(zip(rows, cells, strict=True)) == {
        "A": [0, 1, 1, 1, 0],
        "B": [0, 0, 0, 0, 0],
        "boundary": [1, 0, 0, 0, 0],
        "boundary_and_type": [0, 1, 0, 0, 0],
        "spurious": [1, 0, 0, 0, 0],
    }
