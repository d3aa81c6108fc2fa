import json
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from sentence_results import result, results

from ner_plugins.entities import Entity
from ner_plugins.metrics import CluenerMetric, SeqevalMetric, TypedSpanF1
from ner_plugins.reports.collect import Run, SentenceResult
from ner_plugins.reports.figures import errors_of, report_figures

ABOUT = {"archive": "m.tar.gz", "data": "d", "model": "biaffine"}


def run_of(sentences: list[SentenceResult]) -> Run:
    figures = {}
    for metric in (SeqevalMetric(), TypedSpanF1(), CluenerMetric()):
        metric([s.predicted for s in sentences], [s.gold for s in sentences], [s.text for s in sentences])
        figures.update({f"{metric.name}/{key}": value for key, value in metric.get_metric(reset=True).items()})
    return Run(sentences, figures)


@given(st.lists(results(), max_size=3))
def test_figures_agree_with_each_other_and_are_json(sentences: list[SentenceResult]) -> None:
    run = run_of(sentences)
    figures = json.loads(json.dumps(report_figures(run, ABOUT)))
    assert figures["metrics"] == run.metrics and figures["about"] == ABOUT
    kinds = figures["kinds"]
    assert sum(kinds.values()) - kinds["spurious"] == figures["gold"]
    assert sum(kinds.values()) - kinds["missed"] == figures["predicted"]
    assert sum(found["support"] for found in figures["types"].values()) == figures["gold"]
    assert sum(found["predicted"] for found in figures["types"].values()) == figures["predicted"]
    for found in figures["types"].values():
        assert sum(found["gold_kinds"].values()) == found["support"]
        assert sum(found["predicted_kinds"].values()) == found["predicted"]
    wrong = sum(pair["count"] for pair in figures["type_confusions"])
    assert wrong == kinds["type"] + kinds["boundary_and_type"]


def test_types_have_the_figures_of_seqeval_and_cluener() -> None:
    sentence = result("青禾银行青禾", [Entity(0, 2, "ORG", 0.9)], [Entity(0, 2, "ORG"), Entity(4, 6, "ORG")])
    figures = report_figures(run_of([sentence]), ABOUT)
    org = figures["types"]["ORG"]
    assert (org["precision"], org["recall"], org["support"], org["predicted"]) == (1.0, 0.5, 2, 1)
    assert org["cluener_f1"] == 1.0  # one surface, found
    assert org["gold_kinds"]["missed"] == 1 and "spurious" not in org["gold_kinds"]


def test_confusions_come_by_frequency() -> None:
    sentences = [result("01", [Entity(0, 1, "B", 0.5)], [Entity(0, 1, "A")])] * 2
    sentences.append(result("01", [Entity(0, 2, "C", 0.5)], [Entity(0, 1, "A")]))
    assert report_figures(run_of(sentences), ABOUT)["type_confusions"] == [
        {"gold": "A", "predicted": "B", "kind": "type", "count": 2},
        {"gold": "A", "predicted": "C", "kind": "boundary_and_type", "count": 1},
    ]


def test_unreachable_gold_is_counted_by_reason() -> None:
    sentence = result("01", [], [Entity(0, 1, "A"), Entity(1, 2, "A"), Entity(0, 2, "A")])
    sentence.unreachable.extend([(sentence.gold[0], "x"), (sentence.gold[1], "y"), (sentence.gold[2], "y")])
    found = report_figures(run_of([sentence]), ABOUT)["unreachable"]
    assert (found["number"], found["why"], len(found["entities"])) == (3, {"y": 2, "x": 1}, 3)


def test_errors_of_a_sentence() -> None:
    sentence = result("0123", [Entity(0, 1, "A"), Entity(1, 2, "A")], [Entity(0, 1, "A"), Entity(3, 4, "A")])
    assert errors_of(sentence) == 2 and Counter(pair.kind for pair in sentence.pairs)["correct"] == 1
