import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.errors import ConfigError, DataError
from ner_plugins.visible import csv_text, markdown_text, visible


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Zl", "Zp"]), max_size=20))
def test_ordinary_text_is_shown_as_it_is(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    "text, shown",
    [
        ("a\x00b", "a\\x00b"),
        ("a\tb\nc", "a\tb\nc"),
        ("a\rb\u2028", "a\\rb\\u2028"),
        ("\u202eabc", "\\u202eabc"),
        ("\ud800", "\\ud800"),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
    ],
)
def test_what_a_browser_would_drop_is_seen(text: str, shown: str) -> None:
    assert visible(text) == shown
    shown.encode("utf-8")


def test_a_message_about_a_hostile_name_is_one_line() -> None:
    error = DataError("no such file", path="a\nb\x1b[2J\u202e.txt", remedy="Did you mean a\tb?")
    assert str(error) == "a\\nb\\x1b[2J\\u202e.txt: no such file. Did you mean a\\tb?"
    assert error.path == "a\nb\x1b[2J\u202e.txt"


def test_a_message_never_fills_the_screen() -> None:
    error = ConfigError(f"the config has 2 mistakes:\n  1. {'x' * 5000} is no number\n  2. use_amp: set it to false")
    first, second, third = str(error).split("\n")
    assert second.startswith("  1. xxx") and second.endswith("x is no number") and "x...x" in second
    assert len(second) < 2001 and first.endswith("mistakes:") and third == "  2. use_amp: set it to false"
    problem = "ab" * 2000
    refused = DataError(problem, path="f", line=3, remedy="Correct it")
    assert len(str(refused)) < 2001 and str(refused).startswith("f:3: ab") and str(refused).endswith(". Correct it")
    assert pickle.loads(pickle.dumps(refused)).problem == problem
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "＝1"])
def test_no_cell_is_a_formula(name: str) -> None:
    assert csv_text(name).startswith("'")
    assert csv_text(csv_text(name)) == csv_text(name)


def test_markdown_makes_nothing_of_a_name() -> None:
    name = "<script>alert(1)</script>|![x](http://example.org)`a`\\\u202e"
    assert markdown_text(name) == (
        r"\<script>alert(1)\</script>\|!\[x](http://example.org)\`a\`\\\u202e"
    )
    assert markdown_text("crf_tagger v1.0 (浪潮)") == "crf_tagger v1.0 (浪潮)"
