"""The metrics of a run: of the last epoch and the best one, as AllenNLP names them."""

import datetime
from typing import Any, Mapping, Optional

from allennlp.common.util import peak_cpu_memory, peak_gpu_memory

from ner_plugins.training.trainer_access import tracker_state


class Records:
    """
    What a run writes to `metrics_epoch_{epoch}.json` and `metrics.json`, and which epoch is the best.

    # Parameters

    tracker : `MetricTracker`
        AllenNLP's tracker of `validation_metric` and `patience`.
    """

    def __init__(self, tracker: Any) -> None:
        self.tracker = tracker
        self.metrics: dict[str, Any] = {"best_epoch": None}
        self.scores: list[Optional[float]] = []
        """`validation_metric` after each epoch."""
        self.seconds = 0.0

    @property
    def last_score(self) -> Optional[float]:
        """`validation_metric` after the last epoch."""
        return self.scores[-1] if self.scores else None

    def add(
        self, epoch: int, training: Mapping[str, float], validation: Optional[Mapping[str, float]], seconds: float
    ) -> bool:
        """
        Add an epoch.

        # Parameters

        epoch : `int`
        training, validation : `Mapping[str, float]`
            Its figures; `None` if it was not validated.
        seconds : `float`
            How long it took.

        # Returns

        `bool`
            Whether it is the best so far. Without any validation every epoch is.
        """
        self.seconds += seconds
        score = None
        if validation is not None:
            score = float(self.tracker.combined_score(validation))
            self.tracker.add_metrics(dict(validation))
        self.scores.append(score)
        is_best = bool(self.tracker.is_best_so_far()) and (validation is not None or self.tracker.best_epoch is None)
        self._add_memory()
        self.metrics["training_duration"] = str(datetime.timedelta(seconds=self.seconds))
        self.metrics["epoch"] = epoch
        self._replace("training_", training, keep=("training_duration",))
        if validation is not None:
            self._replace("validation_", validation)
        if is_best:
            self.metrics["best_epoch"] = epoch
            self._replace("best_validation_", validation or {})
            self.tracker.best_epoch_metrics = dict(validation or {})
        return is_best

    def _add_memory(self) -> None:
        found = {f"worker_{worker}": memory for worker, memory in peak_cpu_memory().items()}
        found |= {f"gpu_{gpu}": memory for gpu, memory in peak_gpu_memory().items()}
        for name, memory in found.items():
            key = f"peak_{name}_memory_MB"
            self.metrics[key] = max(self.metrics.get(key, 0.0), memory / (1 << 20))

    def _replace(self, prefix: str, figures: Mapping[str, float], keep: tuple[str, ...] = ()) -> None:
        for name in [name for name in self.metrics if name.startswith(prefix) and name not in keep]:
            del self.metrics[name]
        self.metrics.update({prefix + name: value for name, value in figures.items()})

    def state_dict(self) -> dict[str, Any]:
        """The state for a checkpoint."""
        return {
            "tracker": tracker_state(self.tracker),
            "metrics": dict(self.metrics),
            "scores": list(self.scores),
            "seconds": self.seconds,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.tracker.load_state_dict(state["tracker"])
        self.metrics, self.scores, self.seconds = state["metrics"], state["scores"], state["seconds"]
