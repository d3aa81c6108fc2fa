"""A model's final metrics as a readable table."""

import unicodedata
from typing import Iterable, Mapping, Optional, Sequence

FIGURES = ("precision", "recall", "f1", "support")
HEADER = ("type", "precision", "recall", "F1", "support")
RATES = ("precision", "recall", "f1", "loss", "accuracy")
WIDEST_NAME = 40
"""The columns of a table that the name of an entity type gets at most."""


def format_table(metrics: Mapping[str, float], prefix: str = "seqeval") -> str:
    """
    A table of one metric's figures: a row per type, then micro and macro. After an empty line follow the other figures,
    one per line, and `unreachable gold: n of m` if the metrics have `unreachable_gold` and `gold`.

    Per-type figures of other metrics are left out; for those, call it with their prefix.

    # Parameters

    metrics : `Mapping[str, float]`
        The flat metrics of a model: `<prefix>/<TYPE>/f1` (also `precision`, `recall`, `support`), `<prefix>/micro_f1`,
        and so on. A type may contain slashes.
    prefix : `str`
        The metric to tabulate.

    # Returns

    `str`
        Lines whose columns align on a terminal, where a Chinese or Korean character is two columns wide. There is no
        newline at the end.
    """
    types: dict[str, dict[str, float]] = {}
    averages: dict[str, dict[str, float]] = {}
    others: dict[str, float] = {}
    for key, value in metrics.items():
        place = _place_in_table(key, prefix)
        if place is not None:
            is_type, row, figure = place
            (types if is_type else averages).setdefault(row, {})[figure] = value
        elif not _is_type_figure(key):
            others[key] = value
    table = _table_lines(types, averages) if types or averages else []
    below = _other_lines(others)
    return "\n".join([*table, *([""] if table and below else []), *below])


def _place_in_table(key: str, prefix: str) -> Optional[tuple[bool, str, str]]:
    """(Whether the row is a type, the row, the figure), or `None` if `key` is not in the table."""
    if not key.startswith(f"{prefix}/"):
        return None
    row, separator, figure = key[len(prefix) + 1 :].rpartition("/")
    if separator and figure in FIGURES:
        return True, row, figure
    row, separator, figure = key[len(prefix) + 1 :].partition("_")
    if row in ("micro", "macro") and figure in FIGURES:
        return False, row, figure
    return None


def _is_type_figure(key: str) -> bool:
    # `<metric>/<TYPE>/<figure>`; the model's own figures, such as `encoder/f1`, have at most one slash.
    return key.count("/") >= 2 and key.rpartition("/")[2] in FIGURES


def _table_lines(types: Mapping[str, Mapping[str, float]], averages: Mapping[str, Mapping[str, float]]) -> list[str]:
    support = sum(figures.get("support", 0.0) for figures in types.values())
    type_rows = [(type_name(type_), *_cells(types[type_])) for type_ in sorted(types)]
    total = {"support": support} if types else {}
    average_rows = [(row, *_cells({**total, **averages[row]})) for row in ("micro", "macro") if row in averages]
    rows: list[Sequence[str]] = [HEADER, *type_rows, *average_rows]
    widths = [max(display_width(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = [_join(row, widths) for row in rows]
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    groups = (lines[:1], lines[1 : 1 + len(type_rows)], lines[1 + len(type_rows) :])
    separated: list[str] = []
    for group in groups:
        separated += [rule, *group] if separated and group else group
    return separated


def _cells(figures: Mapping[str, float]) -> tuple[str, ...]:
    return tuple(_number(figure, figures[figure]) if figure in figures else "" for figure in FIGURES)


def _join(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [row[0] + " " * (widths[0] - display_width(row[0]))]
    cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
    return "  ".join(cells).rstrip()


def _other_lines(others: dict[str, float]) -> list[str]:
    reachable: list[str] = []
    if "unreachable_gold" in others and "gold" in others:
        unreachable, gold = others.pop("unreachable_gold"), others.pop("gold")
        reachable = [f"unreachable gold: {_number('', unreachable)} of {_number('', gold)}"]
    names = {key: printable(key) for key in others}
    width = max(map(display_width, names.values()), default=0)
    lines = [
        name + " " * (width - display_width(name)) + "  " + _number(key, others[key]) for key, name in names.items()
    ]
    return [*lines, *reachable]


def _number(key: str, value: float) -> str:
    """Four decimals for a rate, none for a count."""
    if key.endswith(RATES) or not float(value).is_integer():
        return f"{value:.4f}"
    return f"{value:.0f}"


def printable(name: str) -> str:
    """The name with unprintable characters escaped, since they would break the line."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)
    return shown or "''"


def type_name(name: str) -> str:
    """The printable name of a type, in at most `WIDEST_NAME` columns."""
    return shortened(printable(name), WIDEST_NAME)


def shortened(text: str, columns: int) -> str:
    """A text that fits into so many columns of a terminal: an ellipsis replaces the middle of a wider one."""
    if display_width(text) <= columns:
        return text
    room = columns - 1
    end = _fitting(reversed(text), room // 2)[::-1]
    while end and not _character_width(end[0]):  # combines with a character that is left out
        end = end[1:]
    return f"{_fitting(text, room - room // 2)}…{end}"


def _fitting(characters: Iterable[str], columns: int) -> str:
    """The first characters that fit into so many columns."""
    fitting = ""
    for character in characters:
        columns -= _character_width(character)
        if columns < 0:
            break
        fitting += character
    return fitting


def display_width(text: str) -> int:
    """The columns of `text` on a terminal: 2 for a wide character, 0 for a combining one, else 1."""
    return sum(_character_width(character) for character in text)


def _character_width(character: str) -> int:
    # Vowels and finals of decomposed Hangul combine with the (wide) initial; Unicode does not class them as combining.
    if unicodedata.category(character) in ("Mn", "Me") or "\u1160" <= character <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
