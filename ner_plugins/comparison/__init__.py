"""
Models side by side: the rooms behind `allennlp ner-compare`.

`runs` reads training runs and finds those that are one model; `agreement` checks that they can be compared.
`predictions` runs an archive over labelled data once and keeps what it predicts; `prediction_files` reads other
predictions. `span_counts` counts the entities of each sentence as a metric does, `significance` tests differences, and
`compare` puts the figures together for `tables` and `picture`.
"""

from ner_plugins.comparison.compare import Comparison, compare_counted, compare_recorded
from ner_plugins.comparison.significance import Difference, Significance, holm, significance
from ner_plugins.comparison.span_counts import PredictedSentence, SpanCounts, count_spans

__all__ = [
    "Comparison", "Difference", "PredictedSentence", "Significance", "SpanCounts", "compare_counted",
    "compare_recorded", "count_spans", "holm", "significance",
]  # fmt: skip
