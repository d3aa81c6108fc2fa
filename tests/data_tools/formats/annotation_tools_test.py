import json
import logging
from pathlib import Path
from typing import Any

import pytest
from generated_sentences import CHARACTERS, gold, sentences
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.data_tools.corpora import make_reader
from ner_plugins.data_tools.formats import reader_for, write_corpus
from ner_plugins.data_tools.guess import guess_reader
from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import ConfigError

TOOLS = ("doccano", "label_studio")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("written")


@pytest.mark.parametrize("format", TOOLS)
@settings(max_examples=100, deadline=None)
@given(made=st.lists(sentences(characters=[*CHARACTERS, "\n", "🐼"]), min_size=1, max_size=4))
def test_round_trip_in_units_of_utf16(folder: Path, format: str, made: list[Sentence]) -> None:
    path = folder / "corpus"
    write_corpus(made, path, format, offsets="utf16", force=True)
    back = list(make_reader(reader_for(format, offsets="utf16"), str(path)).sentences(str(path)))
    assert list(map(gold, back)) == list(map(gold, made)) and [s.id for s in back] == [s.id for s in made]
    lines = path.read_text(encoding="utf-8").split("\n")
    for sentence, line in zip(made, lines[format == "label_studio" :], strict=False):
        units = sentence.text.encode("utf-16-le")
        record = json.loads(line.rstrip(","))
        if format == "doccano":
            spans = record["label"]
        else:
            values = [result["value"] for result in record["predictions"][0]["result"]]
            spans = [(value["start"], value["end"], value["labels"][0]) for value in values]
        found = sorted({(units[2 * start : 2 * end].decode("utf-16-le"), type_) for start, end, type_ in spans})
        assert found == sorted({(sentence.text[e.start : e.end], e.type) for e in sentence.entities or ()})


def test_pre_annotations_of_predictions(tmp_path: Path) -> None:
    """What `predict` writes becomes tasks with scores, and comes back with them."""
    predicted = [
        {"id": 0, "text": "阿宝在青禾", "entities": [
            {"start": 0, "end": 2, "type": "PER", "text": "阿宝", "score": 0.9},
            {"start": 3, "end": 5, "type": "LOC", "text": "青禾", "score": 0.25},
        ]},
        {"id": 1, "text": "下雨了", "entities": []},
    ]  # fmt: skip
    source, tasks = tmp_path / "predicted.jsonl", tmp_path / "tasks.json"
    source.write_text("".join(json.dumps(row) + "\n" for row in predicted))
    read = list(make_reader(None, str(source)).sentences(str(source)))
    write_corpus(read, tasks, "label_studio")
    found = json.loads(tasks.read_text(encoding="utf-8"))
    assert found[0] == {
        "data": {"id": 0, "text": "阿宝在青禾"},
        "predictions": [{"model_version": "ner_plugins", "score": 0.25, "result": [
            {"id": "e0", "from_name": "label", "to_name": "text", "type": "labels",
             "value": {"start": 0, "end": 2, "text": "阿宝", "labels": ["PER"]}, "score": 0.9},
            {"id": "e1", "from_name": "label", "to_name": "text", "type": "labels",
             "value": {"start": 3, "end": 5, "text": "青禾", "labels": ["LOC"]}, "score": 0.25},
        ]}],
    }  # fmt: skip
    assert found[1] == {
        "data": {"id": 1, "text": "下雨了"}, "predictions": [{"model_version": "ner_plugins", "result": []}],
    }  # fmt: skip
    assert guess_reader(str(tasks)).name == "label_studio"
    back = list(make_reader(reader_for("label_studio"), str(tasks)).sentences(str(tasks)))
    assert [(s.text, s.entities, s.id) for s in back] == [(s.text, s.entities, s.id) for s in read]
    assert [entity.score for entity in back[0].entities or ()] == [0.9, 0.25]


def test_a_corrected_task_comes_back_as_people_left_it(tmp_path: Path) -> None:
    """As Label Studio exports it: the prediction is still there, and the annotation counts."""
    path = tmp_path / "tasks.json"
    write_corpus([Sentence("阿宝在青禾", (Entity(0, 2, "ORG", 0.4),), "a7")], path, "label_studio")
    task: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))[0]
    result = dict(task["predictions"][0]["result"][0])
    result["value"] = {**result["value"], "labels": ["PER"]}
    path.write_text(json.dumps([{"id": 31, **task, "annotations": [{"id": 8, "completed_by": 1, "result": [result]}]}]))
    (sentence,) = make_reader("label_studio", str(path)).sentences(str(path))
    assert (sentence.id, sentence.entities) == ("a7", (Entity(0, 2, "PER"),))


def test_doccano_lines_and_the_warning_about_its_page(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "f"
    made = [Sentence("阿宝🐼青禾", (Entity(0, 2, "PER"),), 3, "s:1")]
    made += [Sentence("🐼青禾", (Entity(1, 3, "LOC"),), None, "s:2")]
    with caplog.at_level(logging.WARNING):
        write_corpus([*made, made[1]], path, "doccano")
    assert path.read_text(encoding="utf-8").split("\n")[:2] == [
        '{"id": 3, "text": "阿宝🐼青禾", "label": [[0, 2, "PER"]]}', '{"text": "🐼青禾", "label": [[1, 3, "LOC"]]}',
    ]  # fmt: skip
    assert caplog.text.count("s:2: an entity comes after a character") == 1 and "--offsets utf16" in caplog.text


def test_offsets_of_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--offsets utf16: cluener counts characters"):
        write_corpus([Sentence("a", ())], tmp_path / "f.json", offsets="utf16")
