"""Plots of statistics."""

import os
from typing import Any, Sequence

from ner_plugins.data_tools.statistics.collect import CorpusStatistics
from ner_plugins.data_tools.statistics.histogram import Histogram
from ner_plugins.errors import ConfigError
from ner_plugins.metrics.report import display_width
from ner_plugins.plotting import PlotLabels

FORMATS = (".png", ".svg", ".pdf")


def check_plot_file(file: str) -> None:
    """
    Check the output before a long run rather than after it.

    # Raises

    `ConfigError` if a picture cannot be written to `file`, or matplotlib is missing.
    """
    if not file.lower().endswith(FORMATS):
        raise ConfigError(f"--plot {file}: the name must end in {', '.join(FORMATS)}")
    if not os.path.isdir(os.path.dirname(os.path.abspath(file))):
        raise ConfigError(f"--plot: there is no folder {os.path.dirname(os.path.abspath(file))}")
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        raise ConfigError("--plot needs matplotlib: pip install matplotlib") from None


def plot_statistics(corpora: Sequence[CorpusStatistics], file: str) -> None:
    """
    Draw a row of three panels for each dataset: text lengths, entity widths and types, each by split.

    # Parameters

    corpora : `Sequence[CorpusStatistics]`
    file : `str`
        Its suffix, one of `FORMATS`, determines the format.
    """
    # A Figure instead of pyplot needs no window system and leaves the user's plots alone.
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    datasets: dict[str, list[CorpusStatistics]] = {}
    for corpus in corpora:
        datasets.setdefault(corpus.dataset, []).append(corpus)
    rows = list(datasets.values())
    types = max(len(_types_of(row)) for row in rows)
    labels = PlotLabels([corpus.name for corpus in corpora] + [type_ for row in rows for type_ in _types_of(row)])
    with matplotlib.rc_context({"font.family": labels.fonts, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(11 + min(0.35 * types, 12), 4.2 * len(rows)), layout="constrained")
        FigureCanvasAgg(figure)
        ratios = [1, 1, 1 + min(types, 40) / 12]
        panels = figure.subplots(len(rows), 3, squeeze=False, gridspec_kw={"width_ratios": ratios})
        for row, (lengths, widths, bars) in zip(rows, panels, strict=True):
            _draw_distribution(lengths, row, "text_lengths", "characters of a text", "sentences", labels)
            _draw_distribution(widths, row, "widths", "characters of an entity", "entities", labels)
            _draw_types(bars, row, labels)
            if any(len(corpus.text_lengths) for corpus in row):
                lengths.legend(frameon=False)
        figure.savefig(file, dpi=120)
    labels.explain(file)


def _types_of(corpora: Sequence[CorpusStatistics]) -> list[str]:
    """The types of all splits, the most frequent first."""
    counts = {type_: sum(corpus.types[type_] for corpus in corpora) for corpus in corpora for type_ in corpus.types}
    return sorted(counts, key=lambda type_: (-counts[type_], type_))


def _draw_distribution(
    axes: Any, corpora: Sequence[CorpusStatistics], key: str, title: str, unit: str, labels: PlotLabels
) -> None:
    """The share of texts or entities in about 40 bins of length; the last includes the longest 0.5 %."""
    histograms: list[Histogram] = [getattr(corpus, key) for corpus in corpora]
    limit = max((histogram.quantile(995) for histogram in histograms if len(histogram)), default=1)
    size = -(-max(limit, 1) // 40)
    lowest = 0 if key == "text_lengths" else 1
    bins = max(limit - lowest, 0) // size + 1
    edges = [lowest - 0.5 + number * size for number in range(bins + 1)]
    for number, (corpus, histogram) in enumerate(zip(corpora, histograms, strict=True)):
        shares = [0.0] * bins
        for value, count in histogram.items():
            shares[min(max(value - lowest, 0) // size, bins - 1)] += count / len(histogram)
        if len(histogram):
            axes.stairs(shares, edges, label=labels[corpus.name], color=f"C{number % 10}", linewidth=1.6)
    longest = max((histogram.quantile(1000) for histogram in histograms if len(histogram)), default=0)
    axes.set_xlabel(title + (f" (the last bin: up to {longest:,})" if longest > edges[-1] else ""))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_ylabel(f"share of the {unit}")
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}" if share >= 0.02 or not share else f"{share:.1%}")
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(bottom=0)


def _draw_types(axes: Any, corpora: Sequence[CorpusStatistics], labels: PlotLabels) -> None:
    """The share of each type among the entities of each split, as bars side by side."""
    types = _types_of(corpora)
    labelled = [(number, corpus) for number, corpus in enumerate(corpora) if corpus.entities]
    width = 0.8 / max(len(labelled), 1)
    for place, (number, corpus) in enumerate(labelled):
        at = [i - 0.4 + (place + 0.5) * width for i in range(len(types))]
        shares = [corpus.types[type_] / corpus.entities for type_ in types]
        axes.bar(at, shares, width, color=f"C{number % 10}", label=labels[corpus.name])
    names = [labels[type_] for type_ in types]
    turned = len(names) * max(map(display_width, names), default=0) > 50 or len(names) > 12
    axes.set_xticks(range(len(types)), names, rotation=45 if turned else 0, ha="right" if turned else "center")
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel("share of the entities")
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
