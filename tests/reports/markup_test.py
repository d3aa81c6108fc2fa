from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentence_results import HOSTILE

from ner_plugins.reports.markup import Markup, element, escape, join, table, visible


class Reader(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text(max_size=20) | st.sampled_from(HOSTILE))
def test_whatever_it_is_it_stays_text(text: str) -> None:
    page = Reader(element("p", text, title=text, data_label=text))
    assert page.text == visible(text)
    assert page.found == [("p", {"title": visible(text), "data-label": visible(text)})]


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
def test_what_a_browser_would_swallow_is_seen(text: str, shown: str) -> None:
    assert visible(text) == shown
    shown.encode("utf-8")


def test_markup_is_not_escaped_again() -> None:
    assert escape(Markup("<b>")) == "<b>" and escape("<b>") == "&lt;b&gt;"
    assert join([element("b", "&"), "&"]) == "<b>&amp;</b>\n&amp;"
    assert element("i", "x", lang=None) == "<i>x</i>"


def test_numbers() -> None:
    assert [escape(value) for value in (0.5, 12345, None, "0.5")] == ["0.5000", "12,345", "–", "0.5"]


def test_a_table() -> None:
    page = table(["<type>", "F1"], [["a&b", 0.25], ["c", Markup('<td class="bar"></td>')]], "rates")
    assert "<th scope=\"col\">&lt;type&gt;</th>" in page and '<table class="rates">' in page
    assert '<tr><th scope="row">a&amp;b</th><td class="number">0.2500</td></tr>' in page
    assert '<tr><th scope="row">c</th><td class="bar"></td></tr>' in page
