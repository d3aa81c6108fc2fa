import json
from pathlib import Path
from typing import Any

import pytest

from ner_plugins.data_tools.guess import guess_reader
from ner_plugins.dataset_readers import LabelStudioReader
from ner_plugins.entities import Sentence
from ner_plugins.errors import DataError, LeftOut

FIXTURES = Path(__file__).parents[3] / "fixtures" / "label_studio"
TEXT = "阿宝去了白塔书局"


def region(start: Any, end: Any, *labels: str, kind: str = "labels", **value: Any) -> dict[str, Any]:
    text = TEXT[start:end] if isinstance(start, int) else None
    return {"type": kind, "value": {"start": start, "end": end, "text": text, "labels": list(labels), **value}}


def annotation(*results: dict[str, Any], by: Any = 1, **more: Any) -> dict[str, Any]:
    return {"completed_by": by, "result": list(results), **more}


def task(*annotations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": 5, "data": {"text": TEXT}, "annotations": list(annotations), **more}


def read(path: Path, *tasks: Any, **options: Any) -> tuple[list[Sentence], str]:
    path.write_text(json.dumps(tasks, ensure_ascii=False), encoding="utf-8")
    reader: Any = LabelStudioReader(**options)
    heard: list[DataError] = []
    reader.listener = heard.append
    sentences = list(reader.sentences(str(path)))
    assert all(isinstance(error, LeftOut) for error in heard) and len(heard) <= 1
    return sentences, "".join(error.problem for error in heard).removeprefix("left out: ")


def surfaces(sentence: Sentence) -> list[tuple[str, str]]:
    return [(sentence.text[entity.start : entity.end], entity.type) for entity in sentence.entities or ()]


PER, ORG = region(0, 2, "PER"), region(4, 8, "ORG")


def test_the_three_exports() -> None:
    reader: Any = LabelStudioReader()
    heard: list[DataError] = []
    reader.listener = heard.append
    train, dev, test = (list(reader.sentences(f"{FIXTURES}#{split}")) for split in ("train", "dev", "test"))
    assert [surfaces(sentence) for sentence in train] == [
        [("何明远", "PER"), ("云杉影业", "ORG")], [("望月湖大学", "ORG"), ("望月湖", "LOC"), ("青禾市", "LOC")], [],
    ]  # fmt: skip
    assert next(sentence.source.rpartition(":")[2] for sentence in train) == "2"
    assert [surfaces(sentence) for sentence in dev] == [
        [("민준", "PER"), ("서울 시청", "ORG"), ("서울", "LOC")], [("阿宝", "PER"), ("白塔书局", "ORG")], [],
    ]  # fmt: skip
    assert [surfaces(sentence) for sentence in test] == [
        [("Anna Weiss", "PER"), ("Graz", "LOC")], [("서울 시청에서", "ORG")],
    ]  # fmt: skip
    (remark,) = heard
    assert remark.problem == (
        "left out: 1 cancelled annotation, 1 annotation by another annotator, 1 result of the kind relation, "
        "1 result of the kind choices, 1 task without annotation"
    )


def test_several_labels_and_other_results(tmp_path: Path) -> None:
    results = [region(0, 2, "PER", "NAME"), {"type": "choices", "value": {"choices": ["ok"]}}, region(4, 8)]
    results += [region("/p[1]/text()[1]", "/p[1]", kind="hypertextlabels", hypertextlabels=["A"], labels=None)]
    results += [{"type": "labels", "value": {"start": 1.5, "end": 2.5, "labels": ["Speech"]}}]
    results += [region(4, 8, "ORG", "ORG")]
    (sentence,), left_out = read(tmp_path / "f", task(annotation(*results)))
    assert surfaces(sentence) == [("阿宝", "PER"), ("阿宝", "NAME"), ("白塔书局", "ORG")]
    assert left_out == (
        "1 result of the kind choices, 1 region without a label, 1 result of the kind hypertextlabels, "
        "1 region without offsets into the text"
    )


def test_annotators(tmp_path: Path) -> None:
    by_mail = annotation(ORG, by={"id": 3, "email": "b@example.org"})
    tasks = [task(annotation(PER, was_cancelled=True), annotation(PER, by=2), by_mail), task(annotation(ORG, by=2))]
    (first, second), left_out = read(tmp_path / "f", *tasks)
    assert surfaces(first) == [("阿宝", "PER")] and surfaces(second) == [("白塔书局", "ORG")]
    assert left_out == "1 cancelled annotation, 1 annotation by another annotator"
    for annotator in (3, "b@example.org"):
        (first,), left_out = read(tmp_path / "f", *tasks, annotator=annotator)
        assert surfaces(first) == [("白塔书局", "ORG")]
        assert "2 annotations by another annotator" in left_out
        assert "1 task without an annotation by the annotator" in left_out


def test_tasks_without_annotation(tmp_path: Path) -> None:
    cancelled = task(annotation(PER, was_cancelled=True))
    sentences, left_out = read(tmp_path / "f", task(), task(annotation()), cancelled)
    assert [sentence.entities for sentence in sentences] == [()]  # an annotation with an empty result
    assert left_out == (
        "1 task without annotation, 1 cancelled annotation, 1 task with cancelled annotations alone"
    )
    sentences, _ = read(tmp_path / "f", task(), task(annotation(PER)), unannotated="empty")
    assert [len(sentence.entities or ()) for sentence in sentences] == [0, 1]
    sentences, _ = read(tmp_path / "f", task(), {"data": {"text": TEXT}}, unannotated="unlabelled")
    assert [sentence.entities for sentence in sentences] == [None, None]
    with pytest.raises(DataError, match="no sentence"):
        read(tmp_path / "f", task())


def test_predictions_are_gold_only_if_asked_for(tmp_path: Path) -> None:
    guess = {"model_version": "m", "score": 0.5, "result": [{**PER, "score": 0.75}]}
    tasks = [task(predictions=[guess, guess]), task(annotation(ORG), predictions=[guess])]
    sentences, left_out = read(tmp_path / "f", *tasks)
    assert [surfaces(sentence) for sentence in sentences] == [[("白塔书局", "ORG")]]
    assert left_out == "2 predictions, 1 task without annotation"
    sentences, left_out = read(tmp_path / "f", *tasks, use_predictions=True)
    assert [surfaces(sentence) for sentence in sentences] == [[("阿宝", "PER")], [("白塔书局", "ORG")]]
    assert [entity.score for sentence in sentences for entity in sentence.entities or ()] == [0.75, None]
    assert left_out == ""


@pytest.mark.parametrize("predictions", [3, 0.5, "x", True, {"a": 1}, [4], None])
def test_predictions_of_other_forms_are_passed_over(predictions: Any, tmp_path: Path) -> None:
    tasks = [task(predictions=predictions), task(annotation(PER))]
    sentences, left_out = read(tmp_path / "f", *tasks, use_predictions=True)
    assert len(sentences) == 1 and left_out == "1 task without annotation"


def test_scores_that_no_float_holds(tmp_path: Path) -> None:
    scored = [{**PER, "score": score} for score in (10**400, True, "0.5")]
    sentences, _ = read(tmp_path / "f", *(task(annotation(one)) for one in scored))
    assert [sentence.entities[0].score for sentence in sentences if sentence.entities] == [None] * 3


def test_many_kinds_of_results_are_summed_up(tmp_path: Path) -> None:
    others = [region(0, 2, kind=f"kind{number}", labels=None) for number in range(100)]
    _, left_out = read(tmp_path / "f", task(annotation(PER, *others)))
    assert left_out.startswith("1 result of the kind kind0, ") and left_out.endswith(", and 90 of other kinds")


def test_rows_of_json_min(tmp_path: Path) -> None:
    """Rows of one task follow each other; the labels are under the name of the control."""
    def row(id_: int, regions: Any, **more: Any) -> dict[str, Any]:
        labels = {"ner": regions} if regions else {}
        return {"id": id_, "text": TEXT, "annotation_id": 1, "annotator": 1, **labels, **more}

    rows = [row(1, [PER["value"]]), row(1, [ORG["value"]], annotator=2), row(2, None), row(3, None, annotation_id=None)]
    sentences, left_out = read(tmp_path / "f", *rows)
    assert [surfaces(sentence) for sentence in sentences] == [[("阿宝", "PER")], []]
    assert left_out == "1 annotation by another annotator, 1 task without annotation"
    sentences, _ = read(tmp_path / "f", *rows, annotator=2)
    assert [surfaces(sentence) for sentence in sentences] == [[("白塔书局", "ORG")]]
    assert guess_reader(str(tmp_path / "f")).name == "label_studio"


def test_the_key_of_the_text(tmp_path: Path) -> None:
    data = {"review": TEXT, "stars": 3, "id": "r-9"}
    (sentence,), _ = read(tmp_path / "f", {"id": 1, "data": data, "annotations": [annotation(PER)]})
    assert (sentence.text, sentence.id) == (TEXT, "r-9")
    two = {"id": 1, "data": {"title": "x", "review": TEXT}, "annotations": [annotation(PER)]}
    with pytest.raises(DataError, match=r"no text under 'text' among the keys \['title', 'review'\].*text_key"):
        read(tmp_path / "f", two)
    (sentence,), _ = read(tmp_path / "f", two, text_key="review")
    assert sentence.text == TEXT


def test_units_of_offsets(tmp_path: Path) -> None:
    """Older versions counted as JavaScript does; the surface shows it."""
    result = {"type": "labels", "value": {"start": 2, "end": 4, "text": "阿宝", "labels": ["PER"]}}
    one = {"id": 1, "data": {"text": "🐼" + TEXT}, "annotations": [annotation(result)]}
    with pytest.raises(DataError, match=r'f:1: entity 0 .*is .宝去.*set the option offsets to "utf16"'):
        read(tmp_path / "f", one)
    (sentence,), _ = read(tmp_path / "f", one, offsets="utf16")
    assert surfaces(sentence) == [("阿宝", "PER")]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"data": {"text": TEXT}, "annotations": {}}, '"annotations" is {}'),
        ({"data": {"text": TEXT}, "annotations": [{}]}, '"result" of an annotation is a JSON null'),
        ({"data": {"text": TEXT}, "annotations": [annotation(region(0, 9, "PER"))]}, "past the text"),
        ({"data": {"text": TEXT}, "annotations": [annotation(region(None, None, "PER"))]}, "two whole numbers"),
        ({"data": {}, "annotations": []}, "no text under 'text'"),
        ([1], "a JSON array"),
    ],
)
def test_what_cannot_be_read(value: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path / "f", value)


@pytest.mark.parametrize("indent", [None, 2])
def test_tasks_are_recognised(indent: int | None, tmp_path: Path) -> None:
    path = tmp_path / "data"
    long = {"id": 1, "annotations": [annotation(PER)] * 2000, "data": {"text": TEXT}}  # longer than what is examined
    for tasks in ([task()], [task(annotation(PER))], [long], [{"data": {"text": "a"}, "predictions": []}]):
        path.write_text(json.dumps(tasks, indent=indent))
        assert guess_reader(str(path)).name == "label_studio"
