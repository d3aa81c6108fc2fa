"""The marks on a sentence: its gold and its predictions, in rows without overlaps, cut to an excerpt."""

from typing import Any, Mapping, NamedTuple, Optional, Sequence

from ner_plugins.metrics.confusion import CORRECT
from ner_plugins.reports.collect import SentenceResult

# A longer text is cut to this many characters, beginning a little before the first mistake.
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

Piece = tuple[str, Optional["Mark"]]


class Mark(NamedTuple):
    """A marked stretch of a text: its characters, kind of match, visible label and hover text."""

    start: int
    end: int
    kind: str
    label: str
    title: str


def marked_sentence(sentence: SentenceResult, places: Mapping[str, int]) -> dict[str, Any]:
    """
    A sentence as the page shows it.

    # Parameters

    sentence : `SentenceResult`
    places : `Mapping[str, int]`
        A number for each type, by which the page's filter finds it.

    # Returns

    `dict[str, Any]`
        `name`: its source and id. `lines`: (`gold` or `predicted`, pieces of the text), more than one of a side if
        its entities overlap. `marks`: `KIND:NUMBER OF TYPE` of its entities, separated by spaces.
    """
    start, end = _excerpt(sentence)
    name = " · ".join(str(part) for part in (sentence.source, sentence.id) if part not in ("", None))
    if (start, end) != (0, len(sentence.text)):
        name += f"  (characters {start:,} to {end:,} of {len(sentence.text):,})"
    found = {
        f"{pair.kind}:{places[entity.type]}"
        for pair in sentence.pairs
        for entity in (pair.gold, pair.predicted)
        if entity is not None
    }
    lines = [
        (side, cut(sentence.text, layer, start, end))
        for side, marks in (("gold", _gold_marks(sentence)), ("predicted", _predicted_marks(sentence)))
        for layer in layers(marks)
    ]
    return {"name": name, "lines": lines, "marks": " ".join(sorted(found))}


def cut(text: str, marks: Sequence[Mark], start: int, end: int) -> list[Piece]:
    """The characters `start` to `end` of a text, in marked and unmarked pieces. Marks are sorted, without overlaps."""
    pieces: list[Piece] = []
    at = start
    for mark in marks:
        first, last = max(mark.start, start), min(mark.end, end)
        if first < last:
            pieces += [(text[at:first], None), (text[first:last], mark)]
            at = last
    return [*pieces, (text[at:end], None)]


def layers(marks: Sequence[Mark]) -> list[list[Mark]]:
    """The marks in order of position, in as few rows without overlaps as possible; at least one row."""
    rows: list[list[Mark]] = [[]]
    for mark in sorted(marks, key=lambda mark: (mark.start, -mark.end, mark.label)):
        free = next((row for row in rows if not row or row[-1].end <= mark.start), None)
        if free is None:
            rows.append([mark])
        else:
            free.append(mark)
    return rows


def _gold_marks(sentence: SentenceResult) -> list[Mark]:
    marks = []
    for gold, predicted, kind in sentence.pairs:
        if gold is not None:
            found = "" if predicted is None or kind == CORRECT else f"; predicted: {predicted.type}"
            title = f"{gold.type} ({gold.start}, {gold.end}): {KIND_NAMES[kind]}{found}"
            marks.append(Mark(gold.start, gold.end, kind, gold.type, title))
    return marks


def _predicted_marks(sentence: SentenceResult) -> list[Mark]:
    marks = []
    for gold, predicted, kind in sentence.pairs:
        if predicted is not None:
            score = "" if predicted.score is None else f" {predicted.score:.2f}"
            mistake = "" if kind == CORRECT else f" · {KIND_NAMES[kind]}"
            expected = "" if gold is None or kind == CORRECT else f"; gold: {gold.type}"
            title = f"{predicted.type} ({predicted.start}, {predicted.end}){score}: {KIND_NAMES[kind]}{expected}"
            marks.append(Mark(predicted.start, predicted.end, kind, f"{predicted.type}{score}{mistake}", title))
    return marks


def _excerpt(sentence: SentenceResult) -> tuple[int, int]:
    """The first and the last character shown of a text (half-open)."""
    length = len(sentence.text)
    if length <= EXCERPT:
        return 0, length
    wrong = [pair.gold or pair.predicted for pair in sentence.pairs if pair.kind != CORRECT]
    first = min((entity.start for entity in wrong if entity is not None), default=0)
    start = max(min(first - _BEFORE, length - EXCERPT), 0)
    return start, start + EXCERPT
