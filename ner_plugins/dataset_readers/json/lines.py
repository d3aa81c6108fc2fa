"""Parsing records of JSON: an object each, and errors that show what was found."""

import json
from typing import Any, Callable, Optional, Union

from ner_plugins.errors import DataError, shown

LEAST_WEIGHT, MOST_WEIGHT = 1e-6, 1e6


def json_object(
    line: str, bad: Callable[..., DataError], expected: str = 'an object with the key "text"'
) -> dict[str, Any]:
    """
    Parse a line, or an element of an array, as a JSON object.

    # Parameters

    line : `str`
    bad : `Callable[..., DataError]`
        Makes the error, with file and line, from (problem, expected, remedy).
    expected : `str`
        The expected value, if the line is another JSON value.
    """
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        in_escape = error.msg.startswith("Invalid \\uXXXX") and error.pos + 5 > len(line.rstrip())
        if error.pos >= len(line.rstrip()) or error.msg.startswith("Unterminated string") or in_escape:
            remedy = "The file may be truncated: fetch it again, or remove the line"
            raise bad("the line ends in the middle of a JSON value", "a JSON object", remedy) from None
        place = f"character {error.pos}" if error.lineno == 1 else f"line {error.lineno} of the record"
        found = f"no valid JSON at {place} ({line[error.pos : error.pos + 20]!r}): {error.msg}"
        raise bad(found, "one JSON object on each line") from None
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, 100,000 brackets
        raise bad(f"JSON that cannot be read: {error}", "a JSON object") from None
    if not isinstance(value, dict):
        raise bad(f"a JSON {kind(value)}", expected)
    return value


def text_of(value: dict[str, Any], bad: Callable[..., DataError]) -> str:
    """The value of the key `text`; `DataError` if it is missing or no string."""
    if "text" not in value:
        raise bad(f'no "text" among the keys {shown(list(value))}', 'the key "text"')
    text = value["text"]
    if not isinstance(text, str):
        raise bad(f'"text" is a JSON {kind(text)}', "a string")
    return text


def id_of(value: dict[str, Any], bad: Callable[..., DataError]) -> Optional[Union[int, str]]:
    """The value of the key `id`, if there is one; `DataError` if it is neither a whole number nor a string."""
    id_: Union[int, str, None] = value.get("id")
    if id_ is not None and (isinstance(id_, bool) or not isinstance(id_, (int, str))):
        raise bad(f'"id" is a JSON {kind(id_)}', "a whole number or a string")
    return id_


def weight_of(value: dict[str, Any], bad: Callable[..., DataError]) -> float:
    """
    The value of the key `weight`, how much the sentence counts in a loss: 1 if it is missing or null; `DataError` if it
    is no number from a millionth to a million.
    """
    weight = value.get("weight")
    if weight is None:
        return 1.0
    expected = f"a number above 0, from {LEAST_WEIGHT:g} to {MOST_WEIGHT:,.0f}, or no key"
    remedy = "It is how much the sentence counts in training. Correct it, or rename the key if it means something else"
    if isinstance(weight, bool) or not isinstance(weight, (int, float)):
        raise bad(f'"weight" is a JSON {kind(weight)}', expected, remedy)
    if not LEAST_WEIGHT <= weight <= MOST_WEIGHT:  # also if it is NaN
        raise bad(f'"weight" is {shown(weight)}', expected, remedy)
    return float(weight)


def kind(value: Any) -> str:
    """The JSON name of a value's type."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    names = {dict: "object", list: "array", str: "string", int: "number", float: "number"}
    return names[type(value)]
