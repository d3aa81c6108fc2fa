"""A sentence with its gold and its predictions marked, as HTML."""

from typing import List, Mapping, NamedTuple, Sequence, Tuple

from ner_plugins.metrics.confusion import CORRECT
from ner_plugins.reports.collect import SentenceResult
from ner_plugins.reports.markup import Markup, element, escape, join

# Of a long text this many characters are shown, some of them before the first mistake.
EXCERPT = 2000
_BEFORE = 100

KIND_NAMES = {
    "correct": "correct",
    "type": "wrong type",
    "boundary": "wrong edges",
    "boundary_and_type": "wrong edges and type",
    "missed": "missed",
    "spurious": "spurious",
}


class Mark(NamedTuple):
    """A stretch of a text to mark: its characters, a word on what it is, its label, and what hovering over it tells."""

    start: int
    end: int
    kind: str
    label: str
    title: str


def sentence_html(sentence: SentenceResult, places: Mapping[str, int]) -> Markup:
    """
    The text once with its gold and once with its predictions; more often where entities of one side overlap.

    # Parameters

    sentence : `SentenceResult`
    places : `Mapping[str, int]`
        A number for each type, by which the page's filter finds it.
    """
    start, end = _excerpt(sentence)
    name = " · ".join(str(part) for part in (sentence.source, sentence.id) if part not in ("", None))
    if (start, end) != (0, len(sentence.text)):
        name += f"  (characters {start:,} to {end:,} of {len(sentence.text):,})"
    parts = [element("p", name, class_="source")]
    for side, marks in (("gold", _gold_marks(sentence)), ("predicted", _predicted_marks(sentence))):
        for layer in layers(marks):
            line = element("bdi", highlight(sentence.text, layer, start, end))
            parts.append(element("div", Markup(element("span", side, class_="side") + line), class_="line"))
    found = {
        f"{pair.kind}:{places[entity.type]}"
        for pair in sentence.pairs
        for entity in (pair.gold, pair.predicted)
        if entity is not None
    }
    return element("article", join(parts), data_marks=" ".join(sorted(found)))


def highlight(text: str, marks: Sequence[Mark], start: int, end: int) -> Markup:
    """
    The characters `start` to `end` of a text with marks, which must not overlap and be sorted. The labels are in
    attributes, so that the text can be copied as it is.
    """
    pieces: List[str] = []
    at = start
    for mark in marks:
        first, last = max(mark.start, start), min(mark.end, end)
        if first < last:
            pieces.append(escape(text[at:first]))
            attributes = {"class_": mark.kind, "data_label": mark.label, "title": mark.title}
            pieces.append(element("mark", text[first:last], **attributes))
            at = last
    pieces.append(escape(text[at:end]))
    return Markup("".join(pieces))


def layers(marks: Sequence[Mark]) -> List[List[Mark]]:
    """The marks, sorted by position, in as few rows as it takes for none of a row to overlap; at least one row."""
    rows: List[List[Mark]] = [[]]
    for mark in sorted(marks, key=lambda mark: (mark.start, -mark.end, mark.label)):
        free = next((row for row in rows if not row or row[-1].end <= mark.start), None)
        if free is None:
            rows.append([mark])
        else:
            free.append(mark)
    return rows


def _gold_marks(sentence: SentenceResult) -> List[Mark]:
    marks = []
    for gold, predicted, kind in sentence.pairs:
        if gold is not None:
            found = "" if predicted is None or kind == CORRECT else f"; predicted: {predicted.type}"
            title = f"{gold.type} ({gold.start}, {gold.end}): {KIND_NAMES[kind]}{found}"
            marks.append(Mark(gold.start, gold.end, kind, gold.type, title))
    return marks


def _predicted_marks(sentence: SentenceResult) -> List[Mark]:
    marks = []
    for gold, predicted, kind in sentence.pairs:
        if predicted is not None:
            score = "" if predicted.score is None else f" {predicted.score:.2f}"
            said = "" if kind == CORRECT else f" · {KIND_NAMES[kind]}"
            expected = "" if gold is None or kind == CORRECT else f"; gold: {gold.type}"
            title = f"{predicted.type} ({predicted.start}, {predicted.end}){score}: {KIND_NAMES[kind]}{expected}"
            marks.append(Mark(predicted.start, predicted.end, kind, f"{predicted.type}{score}{said}", title))
    return marks


def _excerpt(sentence: SentenceResult) -> Tuple[int, int]:
    """Where what is shown of a text begins and ends."""
    length = len(sentence.text)
    if length <= EXCERPT:
        return 0, length
    wrong = [pair.gold or pair.predicted for pair in sentence.pairs if pair.kind != CORRECT]
    first = min((entity.start for entity in wrong if entity is not None), default=0)
    start = max(min(first - _BEFORE, length - EXCERPT), 0)
    return start, start + EXCERPT
