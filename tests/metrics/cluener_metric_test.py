"""The CLUENER metric against the official scorer, written again from its description on CLUENER's own layout."""

import logging
from typing import Any

import pytest
from allennlp.common import Params
from allennlp.training.metrics import Metric
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError, NerError
from ner_plugins.metrics import CluenerMetric, SeqevalMetric

TYPES = ["address", "book", "company"]
texts = st.text(alphabet="京沪人a", min_size=6, max_size=6)  # few characters, so that surfaces repeat
offsets = st.tuples(st.integers(0, 5), st.integers(1, 6)).filter(lambda pair: pair[0] < pair[1])
entities = st.lists(st.builds(lambda pair, type_: Entity(*pair, type_), offsets, st.sampled_from(TYPES)), max_size=6)
corpora = st.lists(st.tuples(texts, entities, entities), min_size=1, max_size=5)


def cluener_line(text: str, sentence: list[Entity]) -> dict[str, Any]:
    label: dict[str, dict[str, list[list[int]]]] = {}
    for entity in sentence:
        surfaces = label.setdefault(entity.type, {})
        surfaces.setdefault(text[entity.start : entity.end], []).append([entity.start, entity.end - 1])
    return {"text": text, "label": label}


def official_scores(predicted: list[dict[str, Any]], gold: list[dict[str, Any]]) -> dict[str, float]:
    scores = {}
    for label in TYPES:
        right = wrong = missed = 0
        for predicted_line, gold_line in zip(predicted, gold, strict=True):
            found = list(predicted_line["label"].get(label, {}))
            wanted = list(gold_line["label"].get(label, {}))
            right += sum(surface in wanted for surface in found)
            wrong += sum(surface not in wanted for surface in found)
            missed += sum(surface not in found for surface in wanted)
        precision = right / (right + wrong) if right + wrong else 0.0
        recall = right / (right + missed) if right + missed else 0.0
        scores[label] = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return scores | {"macro": sum(scores.values()) / len(scores)}


@given(corpora)
def test_equals_the_official_scorer(corpus: list[tuple[str, list[Entity], list[Entity]]]) -> None:
    metric = CluenerMetric(types=TYPES)
    for text, predicted, gold in corpus:
        metric([predicted], [gold], [text])
    running, final = metric.get_metric(), metric.get_metric(reset=True)
    expected = official_scores(
        [cluener_line(text, predicted) for text, predicted, _ in corpus],
        [cluener_line(text, gold) for text, _, gold in corpus],
    )
    assert final["macro_f1"] == pytest.approx(expected["macro"], abs=1e-12)
    assert {type_: final[f"{type_}/f1"] for type_ in TYPES} == {type_: expected[type_] for type_ in TYPES}
    assert running == {key: final[key] for key in ("macro_precision", "macro_recall", "macro_f1")}


def test_surfaces_are_sets_within_a_sentence_and_blind_to_position() -> None:
    text = "北京人爱北京"
    gold = [Entity(0, 2, "address"), Entity(4, 6, "address")]
    predicted = [Entity(4, 6, "address"), Entity(2, 3, "name")]
    metrics = (CluenerMetric(), SeqevalMetric())
    for metric in metrics:
        metric([predicted], [gold], [text])
    cluener, seqeval = (metric.get_metric(reset=True) for metric in metrics)
    assert (cluener["address/f1"], cluener["address/support"], cluener["macro_f1"]) == (1.0, 1.0, 0.5)
    assert (seqeval["address/f1"], seqeval["address/support"], seqeval["macro_f1"]) == (2 / 3, 2.0, 1 / 3)


def test_the_same_surface_in_another_sentence_is_another() -> None:
    metric = CluenerMetric()
    metric([[], [Entity(0, 2, "address")]], [[Entity(0, 2, "address")], []], ["北京", "北京"])
    assert metric.get_metric(reset=True)["address/f1"] == 0.0


def test_types_without_entities_enter_the_mean_where_they_are_listed() -> None:
    entity = [[Entity(0, 2, "address")]]
    listed, seen = CluenerMetric(types=["address", "book"]), CluenerMetric()
    for metric in (listed, seen):
        metric(entity, entity, ["北京"])
    assert (listed.get_metric()["macro_f1"], seen.get_metric()["macro_f1"]) == (0.5, 1.0)
    assert listed.get_metric(reset=True)["book/support"] == 0.0


def test_types_outside_the_list_do_not_count_and_are_said(caplog: pytest.LogCaptureFixture) -> None:
    metric = Metric.from_params(Params({"type": "cluener", "types": ["address"]}))
    right = Entity(0, 2, "address")
    metric([[right, Entity(1, 2, "game")]], [[right, Entity(0, 1, "zoo")]], ["北京"])
    with caplog.at_level(logging.WARNING):
        final = metric.get_metric(reset=True)
    assert final["macro_f1"] == 1.0 and "zoo/f1" not in final
    [record] = caplog.records
    assert "1 gold and 1 predicted surfaces" in record.getMessage() and "'game', 'zoo'" in record.getMessage()


def test_needs_texts() -> None:
    metric = CluenerMetric()
    with pytest.raises(NerError, match="call it with the texts"):
        metric([[]], [[]])


@pytest.mark.parametrize("types", [[], ["book", "book"]])
def test_types_that_make_no_mean_are_refused(types: list[str]) -> None:
    with pytest.raises(ConfigError, match="`types` of the metric"):
        CluenerMetric(types=types)
