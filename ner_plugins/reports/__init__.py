"""
Predictions against gold: the rooms behind `allennlp ner-report` and `allennlp ner-threshold`.

`collect` runs a model over labelled data. `figures` computes all figures of a report, from `breakdowns` (by width and
length), `calibration` and `mistakes`. `page` renders them as HTML, with the sentences from `marks`; `confusion_files`
draws the confusion matrix; `visible` makes texts safe to show. `thresholds` finds the best threshold of each type.
"""

from ner_plugins.reports.collect import Run, SentenceResult, run_model
from ner_plugins.reports.confusion_files import confusion_csv, confusion_png, confusion_svg
from ner_plugins.reports.figures import report_figures
from ner_plugins.reports.page import report_page
from ner_plugins.reports.thresholds import best_thresholds

__all__ = [
    "Run", "SentenceResult", "best_thresholds", "confusion_csv", "confusion_png", "confusion_svg", "report_figures",
    "report_page", "run_model",
]  # fmt: skip
