"""The option `metrics` of every model."""

from typing import Optional

from allennlp.training.metrics import Metric

from ner_plugins.errors import ConfigError
from ner_plugins.metrics import EntityMetric, SeqevalMetric


def entity_metrics(metrics: Optional[list[Metric]]) -> list[EntityMetric]:
    """
    The metrics of a model: those given, or `seqeval`.

    # Raises

    `ConfigError` for a metric that is not over entities.
    """
    checked: list[EntityMetric] = []
    for metric in [SeqevalMetric()] if metrics is None else metrics:
        if not isinstance(metric, EntityMetric):
            raise ConfigError(
                f"model.metrics has {type(metric).__name__}, which is not a metric over entities: use seqeval, cluener "
                "or typed_span_f1"
            )
        checked.append(metric)
    return checked
