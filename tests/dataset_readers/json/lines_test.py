from typing import Any

import pytest

from ner_plugins.dataset_readers.json.lines import json_object, kind
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
