"""Predictions of any text at all."""

import json
from pathlib import Path
from typing import Any

import pytest
from allennlp.predictors import Predictor
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.errors import ConfigError, DataError
from ner_plugins.files.output_files import dump_json
from ner_plugins.predictors.ner_predictor import NerPredictor, text_of
from ner_plugins.predictors.output_formats import to_cluener_line

ODD = ["", " ", "\t张三\t", "王\u3000五", "a\u0301e\u0301张三", "\U0001f469\u200d\U0001f467张三在北京", "\ud800张三"]
ODD += ["x" * 5000, "张三" * 600, "\x00\x7f", "İstanbul ﬁ"]


@pytest.fixture(scope="module")
def predictor(trained: Path) -> NerPredictor:
    return Predictor.from_path(str(trained / "model.tar.gz"))


def check(prediction: dict, text: str) -> None:
    assert list(prediction) == ["id", "text", "entities"] and prediction["text"] == text
    places = [(e["start"], e["end"]) for e in prediction["entities"]]
    assert places == sorted(places)
    for entity in prediction["entities"]:
        assert 0 <= entity["start"] < entity["end"] <= len(text)
        assert text[entity["start"] : entity["end"]] == entity["text"]
        assert 0.0 < entity["score"] <= 1.0
    json.loads(dump_json(prediction))


def test_it_is_found_without_being_named(predictor: NerPredictor) -> None:
    assert type(predictor) is NerPredictor


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_odd_texts(predictor: NerPredictor, text: str) -> None:
    check(predictor.predict_json({"text": text}), text)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(st.characters(), max_size=40), min_size=1, max_size=6))
def test_any_texts_in_one_batch(predictor: NerPredictor, texts: list[str]) -> None:
    predictions = predictor.predict_texts(texts, batch_size=4)
    assert [p["id"] for p in predictions] == list(range(len(texts)))
    for prediction, text in zip(predictions, texts, strict=True):
        check(prediction, text)


def test_neighbours_in_the_batch_change_nothing(predictor: NerPredictor) -> None:
    texts = ["张三在北京大学读书", "王五", "北京市朝阳区幸福路12号的张三去了南京" * 3]
    together = predictor.predict_texts(texts)
    alone = [predictor.predict_texts([text])[0] for text in texts]
    for one, other in zip(together, alone, strict=True):
        assert [(e["start"], e["end"], e["type"]) for e in one["entities"]] == [
            (e["start"], e["end"], e["type"]) for e in other["entities"]
        ]


def test_texts_go_by_length_and_come_back_in_order(predictor: NerPredictor, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["张三在北京", "", "王五", "北京市朝阳区幸福路12号的张三去了南京", "王", "李四去了上海"]
    expected = [predictor.predict_json({"text": text, "id": place}) for place, text in enumerate(texts)]
    sizes = []
    backend = predictor.tagger.backend
    find = backend.find

    def record(batch: Any, thresholds: Any) -> Any:
        sizes.append([len(of_text.text) for of_text in batch])
        return find(batch, thresholds)

    monkeypatch.setattr(backend, "find", record)
    predictions = predictor.predict_texts(texts, batch_size=2)
    assert sizes == [[19, 6], [5, 2], [0, 1]]  # an empty text has a token too
    for one, other in zip(predictions, expected, strict=True):
        assert {**one, "entities": 0} == {**other, "entities": 0}
        assert [{**entity, "score": 0} for entity in one["entities"]] == [
            {**entity, "score": 0} for entity in other["entities"]
        ]


def test_what_is_no_list_of_texts_is_refused(predictor: NerPredictor) -> None:
    assert predictor.predict_texts([]) == []
    for arguments in (("张三",), (["张三"], 0)):
        with pytest.raises(ConfigError, match="list of texts"):
            predictor.predict_texts(*arguments)


def test_the_id_is_kept_and_sentence_is_accepted(predictor: NerPredictor) -> None:
    assert predictor.predict_json({"sentence": "张三", "id": "a1"})["id"] == "a1"


@pytest.mark.parametrize(
    "record, message", [([], "list"), ({}, "no `text`"), ({"text": 3}, "`text` is a int"), ("x", "str")]
)
def test_what_has_no_text_is_refused(record, message: str) -> None:
    with pytest.raises(DataError, match=message):
        text_of(record)


def test_an_object_of_many_keys_is_refused_shortly() -> None:
    with pytest.raises(DataError) as told:
        text_of({f"key {number}": 0 for number in range(10_000)})
    assert len(str(told.value)) < 500


def test_the_submission_layout_of_cluener() -> None:
    prediction = {
        "id": 7,
        "text": "张三和张三",
        "entities": [
            {"start": 0, "end": 2, "type": "name", "text": "张三", "score": 0.9},
            {"start": 3, "end": 5, "type": "name", "text": "张三", "score": 0.8},
        ],
    }
    assert json.loads(to_cluener_line(prediction)) == {"id": 7, "label": {"name": {"张三": [[0, 1], [3, 4]]}}}
