"""Counts of sentences against the metrics of whole corpora, and against seqeval itself."""

from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_results import results
from seqeval.metrics import classification_report
from seqeval.scheme import IOB2

from ner_plugins.comparison.span_counts import METRICS, PredictedSentence, count_spans
from ner_plugins.entities import Entity, resolve_overlaps
from ner_plugins.tag_schemes import spans_to_tags


@settings(max_examples=60)
@given(st.lists(results(), max_size=6), st.sampled_from(sorted(METRICS)))
def test_the_figures_are_those_of_the_metric(sentences: list[Any], name: str) -> None:
    counts = count_spans([PredictedSentence(one.text, one.gold, one.predicted) for one in sentences], name)
    metric = METRICS[name]()
    metric([one.predicted for one in sentences], [one.gold for one in sentences], [one.text for one in sentences])
    by_type = metric.counts()
    assert counts.by_type == by_type
    sums = [[getattr(one, key) for one in by_type.values()] for key in ("true_positives", "predicted", "gold")]
    assert counts.by_sentence.sum(axis=0).tolist() == [sum(row) for row in sums]
    figures = metric.get_metric(reset=True)
    figures.pop("overlapping_gold", None)
    assert counts.figures() == figures  # to the last bit


@given(st.lists(results(types=("PER", "LOC")), min_size=1, max_size=5))
def test_flat_entities_count_as_in_seqeval(sentences: list[Any]) -> None:
    flat = [
        PredictedSentence(one.text, resolve_overlaps(one.gold), resolve_overlaps(one.predicted)) for one in sentences
    ]

    def tags(entities: list[Entity], text: str) -> list[str]:
        return spans_to_tags([(one.start, one.end, one.type) for one in entities], len(text), "BIO")

    if not any(one.gold or one.predicted for one in flat):
        return
    report = classification_report(
        [tags(list(one.gold), one.text) for one in flat],
        [tags(list(one.predicted), one.text) for one in flat],
        mode="strict", scheme=IOB2, output_dict=True, zero_division=0,
    )  # fmt: skip
    found = count_spans(flat).figures()
    assert found["micro_f1"] == report["micro avg"]["f1-score"]
    assert found["macro_f1"] == report["macro avg"]["f1-score"]
    assert found["micro_recall"] == report["micro avg"]["recall"]


def test_no_sentences() -> None:
    counts = count_spans([])
    assert counts.by_sentence.shape == (0, 3) and counts.figures()["micro_f1"] == 0.0


def test_the_counts_of_a_sentence() -> None:
    gold = [Entity(0, 2, "PER"), Entity(3, 5, "LOC")]
    predicted = [Entity(0, 2, "PER"), Entity(3, 4, "LOC"), Entity(4, 5, "LOC")]
    counts = count_spans([PredictedSentence("张三在北京", gold, predicted), PredictedSentence("好", (), ())])
    assert numpy.array_equal(counts.by_sentence, [[1, 3, 2], [0, 0, 0]])
    assert counts.figures()["micro_f1"] == pytest.approx(2 / 5)
