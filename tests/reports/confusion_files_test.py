import csv
import io
import logging
from xml.etree import ElementTree

import pytest
from sentence_results import HOSTILE, result

from ner_plugins.entities import Entity
from ner_plugins.metrics.confusion import ConfusionMatrix
from ner_plugins.reports.confusion_files import confusion_csv, confusion_png, confusion_svg, shares_of
from ner_plugins.visible import csv_text, visible


def confusion(types: list[str]) -> dict:
    """Each type right once, and taken for the next one once."""
    matrix = ConfusionMatrix()
    for number, type_ in enumerate(types):
        following = types[(number + 1) % len(types)]
        gold = [Entity(0, 1, type_), Entity(2, 3, type_)]
        matrix.add(result("0123", [Entity(0, 1, type_), Entity(2, 3, following)], gold).pairs)
    return dict(zip(("rows", "columns", "cells"), matrix.cells(), strict=True))


def test_the_csv_has_every_cell_and_the_totals() -> None:
    rows = list(csv.reader(io.StringIO(confusion_csv(confusion(["A", "B", "기관"])).decode())))
    extra = ["(wrong edges)", "(wrong edges and type)"]
    assert rows[0] == ["gold \\ predicted", "A", "B", "기관", *extra, "(missed)", "(gold)"]
    assert rows[1] == ["A", "1", "1", "0", "0", "0", "0", "2"]
    assert rows[6] == ["(spurious)", "0", "0", "0", "0", "0", "0", ""]
    assert rows[7] == ["(predicted)", "2", "2", "2", "", "", "", ""]
    assert len({len(row) for row in rows}) == 1


def test_hostile_types_come_back_from_the_csv() -> None:
    types = [*HOSTILE, 'a,"b"\nc']
    rows = list(csv.reader(io.StringIO(confusion_csv(confusion(types)).decode(), newline="")))
    expected = sorted(types)
    assert [row[0] for row in rows[1 : 1 + len(types)]] == [visible(name) for name in expected]


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =cmd|' /C calc'!A0", "＝1", "－1"]


def test_no_type_is_a_formula_of_a_spreadsheet() -> None:
    rows = list(csv.reader(io.StringIO(confusion_csv(confusion(FORMULAS)).decode(), newline="")))
    names = [row[0] for row in rows[1 : 1 + len(FORMULAS)]]
    assert names == [f"'{name}" for name in sorted(FORMULAS)] == rows[0][1 : 1 + len(FORMULAS)]
    cells = [cell for row in rows for cell in row]
    assert not [cell for cell in cells if cell.strip()[:1] in ("=", "+", "-", "@", "＝", "＋", "－", "＠")]


def test_what_is_no_formula_stays() -> None:
    for name in ("PER", "a=b", "B-PER", "1-2", "기관", "'quoted'"):
        assert csv_text(name) == name


def test_shares() -> None:
    assert shares_of([[3, 1, 0, 0], [2, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]) == [
        [0.75, 0.25, 0.0, 0.0],
        [2 / 6, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0],
        [1 / 6, 0.0, 0.0, 0.0],
    ]


@pytest.mark.parametrize("types", [["A", "B"], ["인물", "公司", "$x"], ["A"], [f"T{n}" for n in range(40)]])
def test_a_picture(types: list[str], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert confusion_png(confusion(types), "p.png").startswith(b"\x89PNG")


def test_names_stay_text_in_the_drawing(recwarn: pytest.WarningsRecorder) -> None:
    types = ["인물", "公司", "$x_1$", "a<b", "\x00"]
    drawing = confusion_svg(confusion(types))
    root = ElementTree.fromstring(drawing)
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    for name in [*types[:4], "\\x00", "(missed)"]:
        assert name in texts
    assert texts.count("1") == 10 and not recwarn.list
    assert confusion_svg(confusion(types)) == drawing


def test_long_names_lose_their_middle(recwarn: pytest.WarningsRecorder) -> None:
    types = ["A" * 300 + "1", "A" * 300 + "2", "人" * 150, "B"]
    assert confusion_png(confusion(types), "p.png").startswith(b"\x89PNG")
    root = ElementTree.fromstring(confusion_svg(confusion(types)))
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"A" * 20 + "…" + "A" * 18 + "2", "人" * 10 + "…" + "人" * 9, "B"} <= texts
    assert not recwarn.list


def test_a_picture_of_nothing() -> None:
    rows, columns, cells = ConfusionMatrix().cells()
    nothing = {"rows": rows, "columns": columns, "cells": cells}
    assert confusion_png(nothing, "p.png").startswith(b"\x89PNG")
    assert ElementTree.fromstring(confusion_svg(nothing)).tag.endswith("svg")
