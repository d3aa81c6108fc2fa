import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.dataset_readers.json.cluener import parse_record
from ner_plugins.dataset_readers.json.rows import parse_row
from ner_plugins.dataset_readers.json.spans import RawEntity, SpanChecker, to_utf16, utf16_places
from ner_plugins.entities import Entity
from ner_plugins.errors import DataError

TEXT = "🐼🐼林晓彤来了"


def bad(problem: str, expected: str, remedy: str = "Correct the line") -> DataError:
    return DataError(problem, expected=expected, remedy=remedy)


def entity(start: Any, end: Any, surface: Any = None, offsets: Any = None, text: str = TEXT, **options: Any) -> Entity:
    return SpanChecker(text, bad, "FORM", offsets, **options).entity(RawEntity(3, start, end, "PER", surface))


@given(st.text(st.sampled_from("a中🐼𠮷\u0301"), min_size=1, max_size=12), st.data())
def test_utf16_offsets_are_those_of_the_encoding(text: str, data: Any) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    first, last = (len(text[:at].encode("utf-16-le")) // 2 for at in (start, end))
    assert (to_utf16(text, start), to_utf16(text, end)) == (first, last)
    surface = text[start:end]
    assert entity(first, last, surface, "utf16", text) == Entity(start, end, "PER")
    assert entity(first, last - 1, surface, "utf16", text, inclusive=True) == Entity(start, end, "PER")
    assert entity(start, end, surface, None, text) == entity(start, end, surface, "characters", text)
    assert len(utf16_places(text)) == len(text) + 1
    row = {"text": text, "entities": [{"start": first, "end": last, "type": "PER", "text": surface}]}
    assert parse_row(json.dumps(row), "f", 1, "", None, "utf16").entities == (Entity(start, end, "PER"),)
    record = {"text": text, "label": {"PER": {surface: [[first, last - 1]]}}}
    assert parse_record(json.dumps(record), "f", 1, "utf16").entities == (Entity(start, end, "PER"),)
    if (first, last) != (start, end):
        for parse in (
            lambda: parse_row(json.dumps(row), "f", 1, ""),
            lambda: parse_record(json.dumps(record), "f", 1),
        ):
            try:
                parse()
            except DataError as error:
                assert 'set the option offsets to "utf16"' in str(error)
            else:  # the same characters by chance
                assert surface in text[start + 1 :]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("0", 1), r"entity 3 has the offsets \['0', 1\] \(expected FORM, two whole numbers\)"),
        ((True, 1), "two whole numbers"),
        ((2, 2), r"\[2, 2\] \(expected 0 <= START < END; END is the first character after"),
        ((-1, 2), "expected 0 <= START"),
        ((2, 8), r"ends at 8, past the text \(expected at most 7\).*utf16"),
        ((2, 80), r"ends at 80, past the text \(expected at most 7\)\. Correct"),
        ((4, 7, "林晓彤"), r'the text at \[4, 7\] is .彤来了.*option offsets to "utf16"'),
        ((2, 4, "林晓彤"), "seem to be inclusive.*add 1"),
        ((3, 6, "林晓彤"), r"It occurs at \[2, 5\]"),
        ((3, 6, "云杉"), "does not contain it"),
        ((1, 7, None, "utf16"), "which cut a character in two"),
    ],
)
def test_what_is_wrong_with_offsets(arguments: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        entity(*arguments)


def test_inclusive_ends() -> None:
    assert entity(2, 4, "林晓彤", inclusive=True) == Entity(2, 5, "PER")
    assert entity(6, 6, inclusive=True) == Entity(6, 7, "PER")
    with pytest.raises(DataError, match="Set ends"):
        entity(2, 5, "林晓彤", inclusive=True, ends_option="Set ends")
    with pytest.raises(DataError, match="at most 6"):
        entity(6, 7, inclusive=True)
    with pytest.raises(DataError, match="START <= END; END is the last character"):
        entity(6, 5, inclusive=True)


def test_line_breaks_of_a_surface_may_be_written_in_several_ways() -> None:
    for surface in ("a\nb", "a\r\nb", "a\\nb"):
        assert entity(0, 4, surface, text="a\r\nbc") == Entity(0, 4, "PER")
    with pytest.raises(DataError):
        entity(0, 4, "a b", text="a\r\nbc")


def test_scores() -> None:
    for value, score in ((0.5, 0.5), (1, 1.0), (True, None), ("0.5", None), (None, None)):
        raw = RawEntity(0, 0, 1, "PER", None, value)
        assert SpanChecker("ab", bad, "", None).entity(raw).score == score
