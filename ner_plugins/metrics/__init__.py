"""
Metrics over entities: `seqeval` (strict, flat), `cluener` (the official scorer of CLUENER2020) and `typed_span_f1`
(nested entities allowed). `format_table` prints their figures.
"""

from ner_plugins.metrics.cluener_metric import CluenerMetric
from ner_plugins.metrics.entity_metric import EntityMetric, TypeCounts
from ner_plugins.metrics.report import format_table
from ner_plugins.metrics.seqeval_metric import SeqevalMetric
from ner_plugins.metrics.typed_span_f1 import TypedSpanF1

__all__ = ["CluenerMetric", "EntityMetric", "SeqevalMetric", "TypeCounts", "TypedSpanF1", "format_table"]
