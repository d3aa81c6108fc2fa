import json
import math
from pathlib import Path
from typing import Any

import pytest

from ner_plugins.data_tools.corpora import make_reader
from ner_plugins.dataset_readers.json.lines import json_object, kind
from ner_plugins.entities import Sentence
from ner_plugins.errors import DataError, shown


def bad(problem: str, expected: str, remedy: str = "Correct the line") -> DataError:
    return DataError(problem, path="f", line=7, expected=expected, remedy=remedy)


def test_an_object() -> None:
    assert json_object(' {"a": [1], "a": {"b": null}} ', bad) == {"a": {"b": None}}


@pytest.mark.parametrize(
    "line, message",
    [
        ("[1]", r"f:7: a JSON array \(expected a thing\)"),
        ("1", "a JSON number"),
        ("true", "a JSON boolean"),
        ('{"a": ', "ends in the middle"),
        ('{"a": "b', "ends in the middle"),
        ('{"a" 1}', r"no valid JSON at character 5 \('1}'\)"),
        ("[" * 100_000, "cannot be read"),
    ],
)
def test_anything_else(line: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        json_object(line, bad, "a thing")


@pytest.mark.parametrize(
    "value, name",
    [({}, "object"), ([], "array"), ("", "string"), (1, "number"), (1.5, "number"), (True, "boolean"), (None, "null")],
)
def test_kinds(value: Any, name: str) -> None:
    assert kind(value) == name


def test_short() -> None:
    assert shown("a\n") == "'a\\n'" and len(shown("字" * 200)) == 80 and shown("字" * 200).endswith("...")


RECORDS: dict[str, dict[str, Any]] = {
    "cluener": {"text": "林晓彤", "label": {}},
    "doccano": {"text": "林晓彤", "label": []},
    "cmeee": {"text": "林晓彤", "entities": []},
    "datasets_ner": {"text": "林晓彤", "entities": []},
}


def read(reader: str, path: Path, **keys: Any) -> list[Sentence]:
    path.write_text(json.dumps({**RECORDS[reader], **keys}) + "\n", encoding="utf-8")
    return list(make_reader(reader, str(path)).sentences(str(path)))


@pytest.mark.parametrize("reader", RECORDS)
def test_a_sentence_has_its_weight(reader: str, tmp_path: Path) -> None:
    assert [read(reader, tmp_path / "a.json", weight=one)[0].weight for one in (0.5, 3, None)] == [0.5, 3.0, 1.0]
    assert read(reader, tmp_path / "a.json")[0].weight == 1.0
    unlabelled = {key: None for key in ("label", "entities") if key in RECORDS[reader]}
    assert read(reader, tmp_path / "a.json", weight=0.5, **unlabelled)[0].weight == 0.5


@pytest.mark.parametrize("weight", [0, -1, math.nan, math.inf, 1e-9, 10**400, "0.5", True, [1]])
@pytest.mark.parametrize("reader", RECORDS)
def test_a_weight_has_to_be_a_number_above_0(reader: str, weight: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'a.json:1: "weight" is .* \(expected a number above 0') as caught:
        read(reader, tmp_path / "a.json", weight=weight)
    assert len(str(caught.value)) < 500


def test_tags_have_weights_too(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"tokens": ["林", "来"], "ner_tags": ["B-PER", "O"], "weight": 0.5}\n', encoding="utf-8")
    assert [one.weight for one in make_reader("datasets_ner", str(path)).sentences(str(path))] == [0.5]
