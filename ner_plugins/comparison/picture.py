"""The picture of a comparison."""

import io
from typing import Any

from ner_plugins.comparison.compare import Comparison
from ner_plugins.metrics.report import shortened
from ner_plugins.plotting import PlotLabels

_WIDEST_NAME = 40  # columns of a terminal
_MOST_TYPES = 40  # more would not be legible


def draw_comparison(comparison: Comparison, file: str) -> bytes:
    """
    A PNG picture: micro F1 of each model with its interval and a mark for each run, and below it F1 of each type, with
    the standard deviation.

    # Parameters

    comparison : `Comparison`
    file : `str`
        The picture's file name, for the warning about names that no installed font can draw.
    """
    # A Figure instead of pyplot needs no window system and leaves the user's plots alone.
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    types = list(comparison.support)[:_MOST_TYPES]
    names = [shortened(model.name, _WIDEST_NAME) for model in comparison.models]
    labels = PlotLabels([*names, *(shortened(type_, _WIDEST_NAME) for type_ in types)])
    heights = [0.8 + 0.35 * len(names), 0.8 + len(types) * (0.2 + 0.1 * len(names))]
    with matplotlib.rc_context({"font.family": labels.fonts, "axes.spines.top": False, "axes.spines.right": False}):
        rows = 2 if types else 1
        figure = Figure(figsize=(8, min(sum(heights[:rows]) + 0.6, 40)), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, 1, height_ratios=heights[:rows], squeeze=False)[:, 0]
        _draw_models(axes[0], comparison, [labels[name] for name in names])
        if types:
            _draw_types(axes[1], comparison, types, [labels[shortened(type_, _WIDEST_NAME)] for type_ in types])
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=100)
    labels.explain(file)
    return stream.getvalue()


def _draw_models(axes: Any, comparison: Comparison, labels: list[str]) -> None:
    for place, model in enumerate(comparison.models):
        values = [100 * value for value in model.averages["micro_f1"].values]
        interval = comparison.interval(model)
        if interval is not None:
            axes.hlines(place, 100 * interval[0], 100 * interval[1], color=f"C{place % 10}", linewidth=2)
        axes.plot(values, [place] * len(values), "|", color=f"C{place % 10}", markersize=10)
        axes.plot(100 * model.averages["micro_f1"].mean, place, "o", color=f"C{place % 10}")
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.margins(y=0.5 / len(labels) + 0.05)
    kind = "over runs" if comparison.significance is None else "over sentences"
    axes.set_xlabel(f"micro F1 in percent: mean, runs (|), {comparison.level:.0%} interval {kind}")
    axes.grid(axis="x", alpha=0.3)


def _draw_types(axes: Any, comparison: Comparison, types: list[str], labels: list[str]) -> None:
    step = 0.7 / len(comparison.models)
    for number, model in enumerate(comparison.models):
        found = [(place, model.types[type_]) for place, type_ in enumerate(types) if type_ in model.types]
        axes.errorbar(
            [100 * spread.mean for _, spread in found],
            [place + step * (number - (len(comparison.models) - 1) / 2) for place, _ in found],
            xerr=[100 * (spread.std or 0.0) for _, spread in found],
            fmt="o", color=f"C{number % 10}", markersize=4,
        )  # fmt: skip
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.set_xlabel("F1 of each type in percent: mean ± standard deviation over runs, colours as above")
    axes.grid(axis="x", alpha=0.3)
