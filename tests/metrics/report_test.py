"""The table: its rows, its columns on a terminal, and what stands below it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.entities import Entity
from ner_plugins.metrics import SeqevalMetric, format_table
from ner_plugins.metrics.report import display_width, shortened


def type_figures(type_: str, f1: float = 0.5, support: float = 4.0, prefix: str = "seqeval") -> dict[str, float]:
    figures = {"precision": 0.25, "recall": 1.0, "f1": f1, "support": support}
    return {f"{prefix}/{type_}/{key}": value for key, value in figures.items()}


def averages(prefix: str = "seqeval") -> dict[str, float]:
    return {f"{prefix}/{row}_{key}": 1.0 for row in ("micro", "macro") for key in ("precision", "recall", "f1")}


def test_whole_table() -> None:
    metrics = {
        "loss": 1.5,
        **type_figures("name", f1=0.75, support=12.0),
        **type_figures("address"),
        **averages(),
        "seqeval/overlapping_gold": 2.0,
        **type_figures("name", prefix="cluener"),
        "cluener/macro_f1": 1.0,
        "unreachable_gold": 3.0,
        "gold": 16.0,
    }
    assert format_table(metrics).splitlines() == [
        "type     precision  recall      F1  support",
        "-------------------------------------------",
        "address     0.2500  1.0000  0.5000        4",
        "name        0.2500  1.0000  0.7500       12",
        "-------------------------------------------",
        "micro       1.0000  1.0000  1.0000       16",
        "macro       1.0000  1.0000  1.0000       16",
        "",
        "loss                      1.5000",
        "seqeval/overlapping_gold  2",
        "cluener/macro_f1          1.0000",
        "unreachable gold: 3 of 16",
    ]


@pytest.mark.parametrize("type_", ["PER/NAM", "a/f1", "", "micro_f1", "B-x", "/", "micro"])
def test_types_are_parsed_from_the_right(type_: str) -> None:
    rows = format_table({**type_figures(type_), **averages()}).splitlines()
    assert len(rows) == 6
    assert rows[2].split("  ")[0].strip() == (type_ or "''")
    assert rows[2].split()[-4:] == ["0.2500", "1.0000", "0.5000", "4"]


def test_columns_align_for_wide_names() -> None:
    names = ["name", "人名", "기관명", "\u1100\u1161\u11a8가", "ｆｕｌｌ", "e\u0301", "组织-机构.NAM"]
    metrics = {key: value for name in names for key, value in type_figures(name).items()} | averages()
    rows = [line for line in format_table(metrics).splitlines() if not line.startswith("-")]
    assert len(rows) == 1 + len(names) + 2
    assert len({display_width(row) for row in rows}) == 1


@pytest.mark.parametrize(
    "text, width",
    [("", 0), ("abc", 3), ("人名", 4), ("기관", 4), ("\u1100\u1161\u11a8", 2), ("e\u0301", 1), ("，", 2), ("ｱ", 1)],
)
def test_display_width(text: str, width: int) -> None:
    assert display_width(text) == width


def test_names_that_would_break_a_line_are_escaped() -> None:
    table = format_table({**type_figures("a\nb\tc\ud800"), **averages()})
    assert len(table.splitlines()) == 6
    assert "a\\nb\\tc\\ud800" in table
    table.encode("utf-8")


def test_a_metric_without_micro_has_no_micro_row() -> None:
    table = format_table({**type_figures("人名", prefix="cluener"), "cluener/macro_f1": 0.5}, prefix="cluener")
    assert [line.split()[0] for line in table.splitlines() if line[0] != "-"] == ["type", "人名", "macro"]


def test_running_figures_and_no_figures() -> None:
    rows = format_table({f"seqeval/micro_{key}": 0.5 for key in ("precision", "recall", "f1")}).splitlines()
    assert [row.split()[0] for row in rows if row[0] != "-"] == ["type", "micro"]
    assert format_table({"loss": 0.0, "gold": 5.0}).splitlines() == ["loss  0.0000", "gold  5"]
    assert format_table({}) == ""


def test_tabulates_what_the_metric_reports() -> None:
    metric = SeqevalMetric()
    metric([[Entity(0, 2, "PER/NAM"), Entity(3, 4, "x")]], [[Entity(0, 2, "PER/NAM"), Entity(0, 1, "x")]])
    table = format_table({f"seqeval/{key}": value for key, value in metric.get_metric(reset=True).items()})
    rows = {line.split()[0]: line.split()[1:] for line in table.splitlines() if line}
    assert rows["PER/NAM"] == ["1.0000", "1.0000", "1.0000", "1"]
    assert rows["x"] == ["0.0000", "0.0000", "0.0000", "1"]
    assert rows["micro"] == ["0.5000", "0.5000", "0.5000", "2"]
    assert rows["seqeval/overlapping_gold"] == ["1"]


@pytest.mark.parametrize(
    "text, columns, expected",
    [
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abc…fg"),
        ("机构机构机构", 12, "机构机构机构"),
        ("机构机构机构", 8, "机构…构"),  # a column is left over
        ("abcdefe\u0301", 6, "abc…fe\u0301"),
        ("aaaaaa\u0301bb", 6, "aaa…bb"),
    ],
)
def test_a_wide_text_loses_its_middle(text: str, columns: int, expected: str) -> None:
    assert shortened(text, columns) == expected


@given(st.text("aé机e\u0301\u1100\u1161", max_size=30), st.integers(4, 20))
def test_a_shortened_text_fits_and_has_the_ends_of_the_whole(text: str, columns: int) -> None:
    found = shortened(text, columns)
    assert display_width(found) <= columns and shortened(found, columns) == found
    if found != text:
        start, end = found.split("…")
        assert text.startswith(start) and text.endswith(end) and display_width(text) > columns
        assert display_width(found) >= columns - 2


def test_a_long_type_leaves_the_table_readable() -> None:
    lines = format_table(type_figures("t" * 300) | averages()).splitlines()
    assert max(map(len, lines)) < 80 and f"{'t' * 20}…{'t' * 19}" in lines[2]
