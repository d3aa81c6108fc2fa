import base64
import hashlib
import re
from html.parser import HTMLParser
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_results import HOSTILE, result, results

from ner_plugins.entities import Entity
from ner_plugins.metrics import CluenerMetric, SeqevalMetric, TypedSpanF1
from ner_plugins.post_processing.post_processing import CHANGES
from ner_plugins.reports.collect import Run, SentenceResult
from ner_plugins.reports.figures import report_figures
from ner_plugins.reports.page import environment, report_page
from ner_plugins.visible import visible

ELEMENTS = {
    *("html", "head", "meta", "title", "style", "body", "header", "nav", "main", "section", "article", "svg", "rect"),
    *("path", "text", "h1", "h2", "h3", "p", "a", "div", "span", "b", "i", "bdi", "mark"),
    *("table", "thead", "tbody", "tr", "th", "td"),
    *("form", "label", "input", "select", "option", "button", "output", "script"),
}
ATTRIBUTES = {
    *("lang", "charset", "name", "content", "http-equiv", "class", "id", "href", "scope", "style", "title"),
    *("type", "value", "hidden", "autocomplete", "data-marks"),
    *("data-label", "role", "width", "height", "viewbox", "x", "y", "d", "text-anchor", "transform"),
}
STYLE = r"background:rgba\(var\(--[a-z-]+\),[0-9.]+\)|width:[0-9.]+%"
VOID = {"meta", "input"}
SCRIPT = files("ner_plugins.reports").joinpath("page.js").read_text("utf-8")


class Checked(HTMLParser):
    """Fails where there is an element that the page has no need for, or that is not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = self.script = ""
        self.feed(page)
        self.close()
        assert not self.open and self.script == SCRIPT

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ELEMENTS, tag
        for name, value in attrs:
            assert name in ATTRIBUTES, name
            assert name != "href" or (value or "").startswith("#")
            assert name != "style" or re.fullmatch(STYLE, value or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "script" in self.open:
            self.script += data
        elif "style" not in self.open:
            self.text += data


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


def rendered(template: str, **values: object) -> str:
    return environment().from_string(template).render(values)


@given(st.text(max_size=20) | st.sampled_from(HOSTILE))
def test_whatever_it_is_it_stays_text(text: str) -> None:
    page = Reader(rendered('<p title="{{ text }}" data-label="{{ text }}">{{ text }}</p>', text=text))
    assert page.text == visible(text)
    assert page.found == [("p", {"title": visible(text), "data-label": visible(text)})]


def test_the_output_of_macros_is_not_escaped_again() -> None:
    assert rendered("{% macro bold(x) %}<b>{{ x }}</b>{% endmacro %}{{ bold('&') }}{{ '&' }}") == "<b>&amp;</b>&amp;"


def test_numbers() -> None:
    assert [rendered("{{ value }}", value=value) for value in (0.5, 12345, None, "0.5")] == [
        "0.5000", "12,345", "–", "0.5",
    ]  # fmt: skip


def test_a_table() -> None:
    page = rendered(
        """{% from "page.macros.html" import row, table %}
        {% call table(["<type>", "F1"], "rates") %}{{ row(["a&b", 0.25]) }}{{ row(["c", "d"]) }}{% endcall %}"""
    )
    assert '<th scope="col">&lt;type&gt;</th>' in page and '<table class="rates">' in page
    joined = "".join(page.split("\n"))
    assert '<tr><th scope="row">a&amp;b</th><td class="number">0.2500</td></tr>' in joined
    assert '<tr><th scope="row">c</th><td>d</td></tr>' in joined


def page_of(sentences: list[SentenceResult], examples: int = 10, **about: str) -> str:
    metrics = {}
    for metric in (SeqevalMetric(), TypedSpanF1(), CluenerMetric()):
        metric([s.predicted for s in sentences], [s.gold for s in sentences], [s.text for s in sentences])
        metrics.update({f"{metric.name}/{key}": value for key, value in metric.get_metric(reset=True).items()})
    figures = report_figures(Run(sentences, metrics), {"archive": "m", "data": "d", "model": "biaffine", **about})
    return report_page(figures, sentences, examples)


@settings(max_examples=30, deadline=None)
@given(st.lists(results(types=HOSTILE), max_size=3))
def test_nothing_in_the_data_becomes_markup(sentences: list[SentenceResult]) -> None:
    page = page_of(sentences)
    page.encode("utf-8")
    Checked(page)


@pytest.mark.parametrize("name", HOSTILE)
def test_nor_do_names_of_files_ids_and_reasons(name: str) -> None:
    sentence = result(name, [Entity(0, 1, name, 0.5)], [Entity(0, len(name), name)], source=name, id=name)
    sentence.unreachable.append((sentence.gold[0], name))
    Checked(page_of([sentence], archive=name, data=name, model=name)).text.encode("utf-8")


def test_the_page_needs_nothing_else() -> None:
    page = page_of([result("青禾银行", [Entity(0, 2, "ORG", 0.5)], [Entity(0, 4, "ORG")])])
    assert "default-src 'none'" in page and "prefers-color-scheme: dark" in page
    for forbidden in ("http://", "https://", "<link", "url(", "@import", "src="):
        assert forbidden not in page


def test_no_script_but_the_filter_may_run() -> None:
    page = page_of([])
    (script,) = re.findall("<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'\"" in page
    assert script == SCRIPT and not re.search(r"eval|innerHTML|Function\(|document\.write", script)


def test_what_the_filter_looks_at() -> None:
    sentence = result("0123", [Entity(0, 1, "A", 0.5), Entity(2, 3, "A", 0.5)], [Entity(0, 1, "<B>")])
    page = page_of([sentence, result("nothing", [], [])])
    options = dict(re.findall('<option value="([0-9]+)">([^<]*)</option>', page))
    marks = [set(found.split()) for found in re.findall('data-marks="([^"]*)"', page)]
    named = [{tuple(mark.split(":")) for mark in found} for found in marks]
    assert [{(kind, options[place]) for kind, place in found} for found in named] == [
        {("type", "A"), ("type", "&lt;B&gt;"), ("spurious", "A")},
        set(),
    ]


def test_the_figures_stand_in_the_page() -> None:
    predicted = [Entity(0, 4, "기업", 0.9), Entity(5, 7, "기업", 0.97)]
    sentences = [
        result("青禾银行在서울", predicted, [Entity(0, 4, "기업"), Entity(5, 7, "지역")]),
        result("一" * 20, [], [Entity(0, 3, "지역")]),
    ]
    text = re.sub(r"\s+", " ", Checked(page_of(sentences)).text)
    for expected in ("0.4000 micro F1", "2 sentences", "1 wrong type", "1 missed", "青禾银行", "지역: 서울", "0.9700"):
        assert expected.replace(" ", "") in text.replace(" ", ""), expected


def test_the_worst_sentences_come_first_and_no_more_than_asked() -> None:
    good = result("good", [Entity(0, 1, "A", 0.5)], [Entity(0, 1, "A")])
    bad = result("bad!", [Entity(0, 1, "A", 0.5)], [Entity(1, 2, "A")])
    section = page_of([good, bad, good, bad, bad]).split('id="sentences"')[1].split("</section>")[0]
    texts = re.findall(r"<bdi>(.*?)</bdi>", section)
    shown = [re.sub("<[^>]*>", "", text) for text in texts]
    assert shown == ["bad!"] * 6 + ["good"] * 4
    assert page_of([good, bad, good], examples=1).count("<article") == 1
    assert page_of([good], examples=0).count("<article") == 0


def test_a_corpus_without_any_entity() -> None:
    Checked(page_of([result("nothing", [], [])]))


def test_rules_have_a_section_if_there_are_any() -> None:
    sentences = [result("ab", [Entity(0, 1, "A", 0.5)], [Entity(0, 1, "A")])]
    assert 'href="#rules"' not in page_of(sentences)
    metric = SeqevalMetric()
    metric([s.predicted for s in sentences], [s.gold for s in sentences], ["ab"])
    metrics = {f"seqeval/{key}": value for key, value in metric.get_metric(reset=True).items()}
    for name, numbers in (("0_strip", (0.0, 1.0, 12.0)), ("<b>", (2.0, 0.0, 0.0))):
        metrics |= {f"post_processing/{name}/{change}": n for change, n in zip(CHANGES, numbers, strict=True)}
    figures = report_figures(Run(sentences, metrics), {"archive": "m", "data": "d", "model": "biaffine"})
    assert figures["rules"]["0_strip"] == {"added": 0, "removed": 1, "changed": 12}
    page = report_page(figures, sentences, 1)
    joined = "".join(page.split("\n"))
    numbers = "".join(f'<td class="number">{number}</td>' for number in (0, 1, 12))
    assert f'<th scope="row">0_strip</th>{numbers}' in joined
    assert '<th scope="row">&lt;b&gt;</th>' in joined and 'href="#rules"' in page
    Checked(page)
