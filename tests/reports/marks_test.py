from collections import defaultdict
from html.parser import HTMLParser

from hypothesis import given
from sentence_results import result, results

from ner_plugins.entities import Entity
from ner_plugins.reports.collect import SentenceResult
from ner_plugins.reports.marks import EXCERPT, Mark, cut, layers, marked_sentence
from ner_plugins.reports.page import environment
from ner_plugins.visible import visible

MACROS = environment().get_template("page.macros.html").module


def sentence_html(sentence: SentenceResult) -> str:
    return str(MACROS.article(marked_sentence(sentence, defaultdict(int))))


class Lines(HTMLParser):
    """The lines of a sentence: side, text, and the marked texts with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.lines: list[tuple[str, str, list[tuple[str, dict]]]] = []
        self._open: list[str] = []
        self._side = self._text = ""
        self._marks: list[tuple[str, dict]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list) -> None:
        assert tag in ("article", "p", "div", "span", "bdi", "mark"), tag
        self._open.append(tag)
        if tag == "mark":
            self._marks.append(("", dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag == "div":
            self.lines.append((self._side, self._text, self._marks))
            self._side, self._text, self._marks = "", "", []

    def handle_data(self, data: str) -> None:
        if "span" in self._open:
            self._side += data
        if "bdi" in self._open:
            self._text += data
        if "mark" in self._open:
            self._marks[-1] = (self._marks[-1][0] + data, self._marks[-1][1])


@given(results(types=["PER", "<b>", '" onclick="x']))
def test_every_line_is_the_text_and_every_entity_is_marked_once(sentence: SentenceResult) -> None:
    lines = Lines(sentence_html(sentence)).lines
    assert {text for _, text, _ in lines} == {visible(sentence.text)}
    for side, entities in (("gold", sentence.gold), ("predicted", sentence.predicted)):
        marks = [mark for where, _, found in lines for mark in found if where == side]
        expected = sorted((visible(sentence.text[e.start : e.end]), e.type) for e in entities)
        # The label begins with the type, also where a score follows.
        assert sorted((text, next(t for t in ["PER", "<b>", '" onclick="x'] if attributes["data-label"].startswith(t)))
                      for text, attributes in marks) == expected  # fmt: skip


def test_kinds_are_classes_and_titles() -> None:
    sentence = result("青禾银行", [Entity(0, 2, "ORG", 0.5)], [Entity(0, 4, "ORG")], "f:1")
    (_, _, [(_, gold)]), (_, _, [(_, predicted)]) = Lines(sentence_html(sentence)).lines
    assert gold == {"class": "boundary", "data-label": "ORG", "title": "ORG (0, 4): wrong edges; predicted: ORG"}
    assert predicted == {
        "class": "boundary",
        "data-label": "ORG 0.50 · wrong edges",
        "title": "ORG (0, 2) 0.50: wrong edges; gold: ORG",
    }


def test_overlapping_entities_are_in_lines_of_their_own() -> None:
    gold = [Entity(0, 4, "A"), Entity(1, 2, "B"), Entity(2, 3, "C"), Entity(3, 6, "D")]
    lines = Lines(sentence_html(result("012345", [], gold))).lines
    assert [[text for text, _ in marks] for side, _, marks in lines if side == "gold"] == [["0123"], ["1", "2", "345"]]
    assert [side for side, _, _ in lines] == ["gold", "gold", "predicted"]


def test_layers_of_none() -> None:
    assert layers([]) == [[]]


def test_a_long_text_is_shown_around_its_first_mistake() -> None:
    text = "一" * 5000
    page = sentence_html(result(text, [Entity(10, 12, "A", 0.9)], [Entity(10, 12, "A"), Entity(4000, 4010, "A")]))
    lines = Lines(page).lines
    assert [len(text) for _, text, _ in lines] == [EXCERPT, EXCERPT]
    assert [[text for text, _ in marks] for _, _, marks in lines] == [["一" * 10], []]
    assert '<p class="source">made:1  (characters 3,000' in page
    assert "characters 3,000 to 5,000 of 5,000" in page


def test_marks_are_cut_at_the_ends_of_an_excerpt() -> None:
    marks = [Mark(0, 2, "missed", "A", "a"), Mark(4, 9, "missed", "A", "a")]
    pieces = cut("0123456789", marks, 1, 6)
    assert [(text, mark) for text, mark in pieces if text] == [("1", marks[0]), ("23", None), ("45", marks[1])]


def test_a_sentence_shows_its_source() -> None:
    for source, id_, expected in (("f:1", 0, "f:1 · 0"), ("", "a<b", "a&lt;b"), ("f:1", None, "f:1")):
        page = sentence_html(result("0", [], [], source, id_))
        assert f'<p class="source">{expected}</p>' in page
