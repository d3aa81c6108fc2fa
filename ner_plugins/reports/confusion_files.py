"""The confusion matrix as a CSV file and as pictures."""

import csv
import io
import warnings
from typing import Any, Dict, List, Mapping, Sequence

from ner_plugins.plotting import PlotLabels
from ner_plugins.reports.visible import visible

# What rows and columns that are no type are called; parentheses, since a type could be called "missed".
NAMES: Mapping[str, str] = {
    "boundary": "(wrong edges)",
    "boundary_and_type": "(wrong edges and type)",
    "missed": "(missed)",
    "spurious": "(spurious)",
}
_EXTRA = 3  # rows and columns that are no type
# More rows than this, and numbers in the cells would not be legible.
_MOST_WITH_NUMBERS = 35


def axis_names(names: Sequence[str]) -> List[str]:
    """Types as they are, the last three as in `NAMES`."""
    return [*names[:-_EXTRA], *(NAMES[name] for name in names[-_EXTRA:])]


def shares_of(cells: Sequence[Sequence[int]]) -> List[List[float]]:
    """Each cell as a share: of its gold type's entities; in the rows that are no type, of its column's predictions."""
    types = len(cells) - _EXTRA
    predicted = [sum(column) or 1 for column in zip(*cells, strict=True)]
    return [
        [count / ((sum(row) or 1) if y < types else predicted[x]) for x, count in enumerate(row)]
        for y, row in enumerate(cells)
    ]


def confusion_csv(confusion: Mapping[str, Any]) -> bytes:
    """
    The matrix of `ConfusionMatrix.cells` as CSV in UTF-8, gold types down, predicted types across, with the number of
    gold entities in the column `(gold)` and that of predictions in the row `(predicted)`.
    """
    cells: List[List[int]] = confusion["cells"]
    types = len(cells) - _EXTRA
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["gold \\ predicted", *axis_names(confusion["columns"]), "(gold)"])
    for place, (name, row) in enumerate(zip(axis_names(confusion["rows"]), cells, strict=True)):
        writer.writerow([name, *row, sum(row) if place < types else ""])
    totals = [sum(column) if place < types else "" for place, column in enumerate(zip(*cells, strict=True))]
    writer.writerow(["(predicted)", *totals, ""])
    return stream.getvalue().encode("utf-8", "backslashreplace")


def confusion_png(confusion: Mapping[str, Any], file: str) -> bytes:
    """
    The same as a PNG picture, each cell shaded by its share: see `shares_of`.

    # Parameters

    confusion : `Mapping[str, Any]`
        `rows`, `columns` and `cells`.
    file : `str`
        What the picture will be called, for the message about names that no font here shows.
    """
    labels = PlotLabels([*axis_names(confusion["rows"]), *axis_names(confusion["columns"])])
    picture = _draw(confusion, labels, "png", {"font.family": labels.fonts})
    labels.explain(file)
    return picture


def confusion_svg(confusion: Mapping[str, Any]) -> bytes:
    """The same as an SVG picture, whose names stay text: whatever shows it brings the fonts."""
    names = [*axis_names(confusion["rows"]), *axis_names(confusion["columns"])]
    # Dollars would begin mathematics; what XML cannot hold is escaped.
    labels = {name: visible(name).replace("$", r"\$") for name in names}
    options: Dict[Any, Any] = {"font.family": ["DejaVu Sans", "sans-serif"], "svg.fonttype": "none"}
    options["svg.hashsalt"] = "confusion"  # the same matrix makes the same file
    with warnings.catch_warnings():
        # matplotlib would need the fonts for outlines; here it only guesses widths.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        return _draw(confusion, labels, "svg", options)


def _draw(confusion: Mapping[str, Any], labels: Any, format: str, options: Dict[Any, Any]) -> bytes:
    # A Figure of its own rather than pyplot: no window system, and no state of the user's is touched.
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    cells: List[List[int]] = confusion["cells"]
    rows, columns = axis_names(confusion["rows"]), axis_names(confusion["columns"])
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
        for line in (axes.axhline, axes.axvline):  # between types and the rest
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
