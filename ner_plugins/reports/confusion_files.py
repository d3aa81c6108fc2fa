"""The confusion matrix as a CSV file and as pictures."""

import csv
import io
import warnings
from typing import Any, Mapping, Sequence

from ner_plugins.metrics.report import shortened
from ner_plugins.plotting import PlotLabels
from ner_plugins.visible import csv_text, visible

# Names of the rows and columns that are not types; in parentheses, since a type could be called "missed".
NAMES: Mapping[str, str] = {
    "boundary": "(wrong edges)",
    "boundary_and_type": "(wrong edges and type)",
    "missed": "(missed)",
    "spurious": "(spurious)",
}
# What makes spreadsheets compute a cell, also in the width of East Asian characters.
_EXTRA = 3  # rows and columns that are not types
_WIDEST_NAME = 40  # columns of a terminal
_MOST_WITH_NUMBERS = 35  # with more rows, numbers in the cells would not be legible


def axis_names(names: Sequence[str]) -> list[str]:
    """The names of rows or columns: types unchanged, the last three as in `NAMES`."""
    return [*names[:-_EXTRA], *(NAMES[name] for name in names[-_EXTRA:])]


def shares_of(cells: Sequence[Sequence[int]]) -> list[list[float]]:
    """Each cell as a share of its gold type's entities or, in the last three rows, of its column's predictions."""
    types = len(cells) - _EXTRA
    predicted = [sum(column) or 1 for column in zip(*cells, strict=True)]
    return [
        [count / ((sum(row) or 1) if y < types else predicted[x]) for x, count in enumerate(row)]
        for y, row in enumerate(cells)
    ]


def confusion_csv(confusion: Mapping[str, Any]) -> bytes:
    """
    `ConfusionMatrix.cells` as CSV in UTF-8, with gold types as rows and predicted types as columns. The column `(gold)`
    has the numbers of gold entities, and the row `(predicted)` those of predictions. Names of types are text to a
    spreadsheet: see `csv_text`.
    """
    cells: list[list[int]] = confusion["cells"]
    types = len(cells) - _EXTRA
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["gold \\ predicted", *map(csv_text, axis_names(confusion["columns"])), "(gold)"])
    for place, (name, row) in enumerate(zip(axis_names(confusion["rows"]), cells, strict=True)):
        writer.writerow([csv_text(name), *row, sum(row) if place < types else ""])
    totals = [sum(column) if place < types else "" for place, column in enumerate(zip(*cells, strict=True))]
    writer.writerow(["(predicted)", *totals, ""])
    return stream.getvalue().encode("utf-8", "backslashreplace")


def confusion_png(confusion: Mapping[str, Any], file: str) -> bytes:
    """
    The matrix as a PNG picture, with cells shaded by `shares_of`.

    # Parameters

    confusion : `Mapping[str, Any]`
        `rows`, `columns` and `cells`.
    file : `str`
        The picture's file name, for the warning about names that no installed font can draw.
    """
    labels = PlotLabels([name for names in _tick_names(confusion) for name in names])
    picture = _draw(confusion, labels, "png", {"font.family": labels.fonts})
    labels.explain(file)
    return picture


def confusion_svg(confusion: Mapping[str, Any]) -> bytes:
    """The matrix as an SVG picture. Its names stay text, for the fonts of the viewer."""
    # A dollar sign would begin mathematics. `visible` escapes what XML cannot hold.
    labels = {name: visible(name).replace("$", r"\$") for names in _tick_names(confusion) for name in names}
    options: dict[Any, Any] = {"font.family": ["DejaVu Sans", "sans-serif"], "svg.fonttype": "none"}
    options["svg.hashsalt"] = "confusion"  # makes the file reproducible
    with warnings.catch_warnings():
        # matplotlib needs the glyphs only to guess widths, since it draws no outlines here.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        return _draw(confusion, labels, "svg", options)


def _tick_names(confusion: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The names of rows and columns in a picture, where a longer one would leave no room for the cells."""
    rows, columns = (
        [shortened(name, _WIDEST_NAME) for name in axis_names(confusion[axis])] for axis in ("rows", "columns")
    )
    return rows, columns


def _draw(confusion: Mapping[str, Any], labels: Any, format: str, options: dict[Any, Any]) -> bytes:
    # A Figure instead of pyplot needs no window system and leaves the user's plots alone.
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    cells: list[list[int]] = confusion["cells"]
    rows, columns = _tick_names(confusion)
    shares = shares_of(cells)
    with matplotlib.rc_context(options):
        side = min(3 + 0.5 * len(rows), 18)
        figure = Figure(figsize=(side + 1, side), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(len(columns)), [labels[name] for name in columns], rotation=45, ha="right")
        axes.set_yticks(range(len(rows)), [labels[name] for name in rows])
        axes.set_xlabel("predicted")
        axes.set_ylabel("gold")
        for line in (axes.axhline, axes.axvline):  # between the types and the other rows and columns
            line(len(rows) - _EXTRA - 0.5, color="0.5", linewidth=0.8)
        if len(rows) <= _MOST_WITH_NUMBERS:
            _write_numbers(axes, cells, shares)
        stream = io.BytesIO()
        figure.savefig(stream, format=format, dpi=120, metadata={"Date": None} if format == "svg" else None)
    return stream.getvalue()


def _write_numbers(axes: Any, cells: Sequence[Sequence[int]], shares: Sequence[Sequence[float]]) -> None:
    for y, (row, row_shares) in enumerate(zip(cells, shares, strict=True)):
        for x, (count, share) in enumerate(zip(row, row_shares, strict=True)):
            if count:
                axes.text(x, y, f"{count:,}", ha="center", va="center", fontsize=8, color="w" if share > 0.6 else "k")
