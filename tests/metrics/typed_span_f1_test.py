"""Exact typed spans: equal to seqeval where nothing overlaps, and to plain counting everywhere."""

from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.entities import Entity, resolve_overlaps
from ner_plugins.metrics import CluenerMetric, EntityMetric, SeqevalMetric, TypedSpanF1

offsets = st.tuples(st.integers(0, 7), st.integers(1, 8)).filter(lambda pair: pair[0] < pair[1])
sentences = st.lists(st.builds(lambda pair, type_: Entity(*pair, type_), offsets, st.sampled_from("abc")), max_size=6)
corpora = st.lists(st.tuples(sentences, sentences), max_size=5)


def measure(metric: EntityMetric, corpus: list[tuple[list[Entity], list[Entity]]]) -> dict[str, float]:
    metric([predicted for predicted, _ in corpus], [gold for _, gold in corpus])
    return metric.get_metric(reset=True)


@given(corpora)
def test_equals_seqeval_on_flat_data(corpus: list[tuple[list[Entity], list[Entity]]]) -> None:
    flat = [(resolve_overlaps(predicted), resolve_overlaps(gold)) for predicted, gold in corpus]
    expected = measure(SeqevalMetric(), flat)
    assert expected.pop("overlapping_gold") == 0.0
    assert measure(TypedSpanF1(), flat) == expected


@given(corpora)
def test_equals_plain_counting_on_nested_data(corpus: list[tuple[list[Entity], list[Entity]]]) -> None:
    def triples(side: int, type_: str) -> set[tuple[int, int, int]]:
        return {(index, e.start, e.end) for index, pair in enumerate(corpus) for e in pair[side] if e.type == type_}

    final = measure(TypedSpanF1(), corpus)
    f1s = []
    for type_ in "abc":
        predicted, gold = triples(0, type_), triples(1, type_)
        if not predicted and not gold:
            assert f"{type_}/f1" not in final
            continue
        hits = len(predicted & gold)
        assert final[f"{type_}/precision"] == (hits / len(predicted) if predicted else 0.0)
        assert final[f"{type_}/recall"] == (hits / len(gold) if gold else 0.0)
        assert abs(final[f"{type_}/f1"] - 2 * hits / (len(predicted) + len(gold))) < 1e-12
        assert final[f"{type_}/support"] == len(gold)
        f1s.append(final[f"{type_}/f1"])
    assert abs(final["macro_f1"] - (sum(f1s) / len(f1s) if f1s else 0.0)) < 1e-12


def test_nested_entities_are_found() -> None:
    nest = [Entity(0, 6, "org"), Entity(0, 2, "address"), Entity(0, 2, "org"), Entity(1, 3, "name")]
    assert measure(TypedSpanF1(), [(nest, nest)])["micro_f1"] == 1.0
    assert measure(SeqevalMetric(), [(nest, nest)])["micro_f1"] == 0.25


def test_differs_from_cluener_where_the_position_is_wrong() -> None:
    metrics = (CluenerMetric(), SeqevalMetric(), TypedSpanF1())
    for metric in metrics:
        metric([[Entity(0, 2, "address")]], [[Entity(4, 6, "address")]], ["北京人在北京"])
    assert [metric.get_metric(reset=True)["macro_f1"] for metric in metrics] == [1.0, 0.0, 0.0]
