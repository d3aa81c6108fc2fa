"""The picture of `curves.csv`."""

import io
from typing import Any, Mapping, Sequence

from ner_plugins.plotting import PlotLabels
from ner_plugins.training.watching.curves import column

_MOST_TYPES = 30  # more would not be legible
_LOSSES = {"training_loss": "training", "validation_loss": "dev"}


def draw_curves(rows: Sequence[Mapping[str, str]], file: str) -> bytes:
    """
    The PNG picture of all epochs.

    # Parameters

    rows : `Sequence[Mapping[str, str]]`
        As `row_of` makes them.
    file : `str`
        The picture's file name, for the warning about names that no installed font can draw.
    """
    # A Figure instead of pyplot needs no window system and leaves the user's plots alone.
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(name for row in rows for name in row))
    rates = {name: name.partition("/")[2] for name in names if name.startswith("learning_rate")}
    types = {name: type_of(name) for name in names if name.count("/") >= 2 and name.endswith("/f1")}
    others = [name for name in names[2:] if name not in {*_LOSSES, *rates, *types}]
    labels = PlotLabels([*types.values(), *others, *rates.values()])
    with matplotlib.rc_context({"font.family": labels.fonts, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(8, 11), layout="constrained")
        FigureCanvasAgg(figure)
        losses, rate, averages, per_type = figure.subplots(4, sharex=True, height_ratios=[2, 1, 2, 3])
        _draw(losses, "loss", rows, _LOSSES)
        _draw(rate, "learning rate", rows, {name: labels[part] if part else "" for name, part in rates.items()})
        _draw(averages, "dev", rows, {name: labels[name] for name in others})
        shown = dict(list(types.items())[:_MOST_TYPES])
        _draw(per_type, "dev F1 per type", rows, {name: labels[type_] for name, type_ in shown.items()}, width=1.0)
        per_type.set_xlabel("epoch")
        per_type.xaxis.get_major_locator().set_params(integer=True)
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=90)
    labels.explain(file)
    return stream.getvalue()


def type_of(name: str) -> str:
    """The type in `<metric>/<TYPE>/f1`; a type may contain slashes."""
    return name.partition("/")[2].removesuffix("/f1")


def _draw(
    axes: Any, title: str, rows: Sequence[Mapping[str, str]], names: Mapping[str, str], width: float = 1.5
) -> None:
    """A line for each column, with a mark at each epoch while there are few."""
    styles = ["-", "--", ":"]
    for number, (name, label) in enumerate(names.items()):
        epochs, values = column(rows, name)
        axes.plot(
            epochs, values, styles[number // 10 % 3], color=f"C{number % 10}", label=label or None, linewidth=width,
            marker="." if len(rows) <= 30 else None,
        )  # fmt: skip
    axes.set_ylabel(title)
    axes.grid(alpha=0.3)
    if any(names.values()):
        axes.legend(fontsize=7, ncols=1 + len(names) // 12, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
