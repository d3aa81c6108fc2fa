"""
What corpora contain.

`collect` reads a corpus and counts; it builds on `histogram` (lengths), `overlaps` (pairs of entities) and `digests`
(repeated and shared texts). `tables` and `plots` present the figures.
"""

from ner_plugins.data_tools.statistics.collect import Comparison, CorpusStatistics, collect_statistics
from ner_plugins.data_tools.statistics.plots import check_plot_file, plot_statistics
from ner_plugins.data_tools.statistics.tables import format_columns, format_statistics
from ner_plugins.metrics.report import printable

__all__ = [
    "Comparison", "CorpusStatistics", "check_plot_file", "collect_statistics", "format_columns", "format_statistics",
    "plot_statistics", "printable",
]  # fmt: skip
