"""What the server measures, in Prometheus' format."""

from typing import Iterable, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ner_plugins.serving.service import Service
from ner_plugins.serving.worker import Answer

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Metrics:
    """
    The metrics of one server, in a registry of their own.

    # Parameters

    service : `Service`
    """

    content_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self, service: Service) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.registry.register(_Waiting(service))
        self._requests = Counter(
            "ner_requests", "Requests that were answered", ["endpoint", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "ner_request_seconds", "Seconds from a request to the end of its answer", ["endpoint"],
            buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self._batches = Histogram(
            "ner_batch_texts", "Texts that a model took at once", ["model"], buckets=_SIZES, registry=self.registry
        )
        self._texts = Counter("ner_texts", "Texts that were answered", ["model"], registry=self.registry)
        self._characters = Counter("ner_characters", "Their characters", ["model"], registry=self.registry)
        self._rejected = Counter(
            "ner_rejected", "Requests and lines that were refused", ["reason"], registry=self.registry
        )

    def request(self, endpoint: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(endpoint, str(status)).inc()
        self._seconds.labels(endpoint).observe(seconds)

    def batch(self, model: str, answers: Sequence[Answer]) -> None:
        """Count the texts of a batch."""
        self._batches.labels(model).observe(len(answers))
        self._texts.labels(model).inc(len(answers))
        self._characters.labels(model).inc(sum(len(answer.waiting.text) for answer in answers))

    def reject(self, reason: str) -> None:
        """Count a refusal: `full`, `timeout`, `too_large`, `invalid`, `unauthorized`, `stopping`, `hung_up`."""
        self._rejected.labels(reason).inc()

    def page(self) -> bytes:
        """All of them, as text."""
        return generate_latest(self.registry)


class _Waiting(Collector):
    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterable[Metric]:
        waiting = GaugeMetricFamily("ner_queue_texts", "Texts that wait for a model", labels=["model"])
        for name, model in list(self._service.models.items()):
            waiting.add_metric([name], len(model.queue))
        yield waiting
        yield GaugeMetricFamily("ner_ready", "Whether requests are accepted", value=float(self._service.ready))
