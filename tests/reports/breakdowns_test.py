from hypothesis import given
from hypothesis import strategies as st
from sentence_results import result, results

from ner_plugins.entities import Entity
from ner_plugins.metrics import TypedSpanF1
from ner_plugins.metrics.entity_metric import TypeCounts
from ner_plugins.reports.breakdowns import by_length, by_width
from ner_plugins.reports.collect import SentenceResult


@given(st.lists(results(), max_size=4))
def test_bins_sum_up_to_the_metric(sentences: list[SentenceResult]) -> None:
    metric = TypedSpanF1()
    metric([s.predicted for s in sentences], [s.gold for s in sentences])
    for bins in (by_width(sentences), by_length(sentences)):
        total = TypeCounts()
        for bin in bins:
            total.add(bin.counts)
        assert total.f1 == metric.get_metric()["micro_f1"]
        assert total.gold == sum(len(sentence.gold) for sentence in sentences)
    assert sum(bin.sentences or 0 for bin in by_length(sentences)) == len(sentences)


def test_where_widths_go() -> None:
    sentence = result("x" * 80, [Entity(0, 7, "A"), Entity(10, 12, "A")], [Entity(0, 7, "A"), Entity(20, 80, "A")])
    bins = {(bin.first, bin.last): bin.to_json() for bin in by_width([sentence])}
    assert list(bins) == [(2, 2), (6, 7), (51, None)]
    assert bins[6, 7] == {
        "first": 6, "last": 7, "precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1, "predicted": 1
    }  # fmt: skip
    assert (bins[2, 2]["predicted"], bins[2, 2]["support"], bins[51, None]["recall"]) == (1, 0, 0.0)


def test_where_lengths_go() -> None:
    sentences = [result("x" * length, [], [Entity(0, 1, "A")]) for length in (15, 16, 31, 5000)]
    found = [(bin.first, bin.last, bin.sentences, bin.counts.gold) for bin in by_length(sentences)]
    assert found == [(0, 15, 1, 1), (16, 31, 2, 2), (1024, None, 1, 1)]
