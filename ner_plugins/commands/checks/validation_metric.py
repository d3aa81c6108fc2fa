"""Whether the model produces the figures that `validation_metric` names."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Optional

from allennlp.common import Params
from allennlp.training.gradient_descent_trainer import GradientDescentTrainer

from ner_plugins.commands.checks.mistakes import Mistake
from ner_plugins.commands.checks.walk import ConfigObject, Walk
from ner_plugins.compat.plugins import is_ours
from ner_plugins.metrics.entity_metric import EntityMetric
from ner_plugins.models.ner_model import NerModel
from ner_plugins.options import written

PER_TYPE = ("f1", "precision", "recall", "support")
"""The figures `<metric>/<TYPE>/<figure>` of each entity type."""


def tracked(value: Any) -> list[str]:
    """The entries of `validation_metric`, one or a list."""
    return [value] if isinstance(value, str) else list(value) if isinstance(value, list) else []


def unknown_figures(config: Mapping[str, Any], walk: Walk) -> Iterator[Mistake]:
    """
    Entries of `validation_metric` without a sign, and those that the model will not produce.

    The figures of other models than `NerModel`, and of metrics of other packages, are not known, and nothing is
    reported about them. Nor is it without validation data, where none is needed.
    """
    trainer = walk.at("trainer")
    if trainer is None or not issubclass(trainer.cls, GradientDescentTrainer):
        return
    key, entries = "trainer.validation_metric", tracked(trainer.options.get("validation_metric", "-loss"))
    figures = None if config.get("validation_data_path") is None else figures_of(walk)
    for entry in entries:
        if not isinstance(entry, str) or not entry.startswith(("+", "-")):
            signs = '"+" if higher is better, or "-" if lower is better'
            yield Mistake(key, f"{key} is {written(entry)}, but has to begin with {signs}")
        elif figures is not None and not _is_produced(entry[1:], figures):
            near = get_close_matches(entry[1:], figures, n=1, cutoff=0.5)
            hint = f"did you mean {entry[0]}{near[0]}? " if near else ""
            listed = ", ".join(name for name in figures if not name.endswith("/"))
            problem = f"{key} is {written(entry)}, but the model does not produce {entry[1:]!r}: {hint}"
            per_type = f"for each entity type <metric>/<TYPE>/{', '.join(PER_TYPE)}"
            yield Mistake(key, f"{problem}It produces {listed}, and {per_type}")


def figures_of(walk: Walk) -> Optional[list[str]]:
    """
    The validation figures of a config's model.

    # Returns

    `Optional[list[str]]`
        `<metric>/<figure>`, `loss` and the like; `<metric>/` if all figures of a metric are possible. `None` if they
        are not known.
    """
    model = walk.at("model")
    if model is None or not issubclass(model.cls, NerModel) or model.cls.get_metrics is not NerModel.get_metrics:
        return None
    if model.cls.__init__ is not model.constructor:  # such as `from_archive`
        return None
    figures: list[str] = []
    given = model.options.get("metrics")
    for number, _ in enumerate(given if isinstance(given, list) else ["seqeval"]):
        place = walk.at(f"model.metrics.{number}") if given is not None else None
        found = _figures(place)
        if found is None:
            return None
        figures += found
    regularized = ["reg_loss"] if model.options.get("regularizer") is not None else []
    return [*figures, "loss", *regularized, "gold", "unreachable_gold"]


def _figures(place: Optional[ConfigObject]) -> Optional[list[str]]:
    """The figures of one metric, by default `seqeval`; `None` if they are not known."""
    from ner_plugins.metrics import SeqevalMetric

    cls: Any = SeqevalMetric if place is None else place.cls
    if not issubclass(cls, EntityMetric):
        return None  # the model will refuse it
    if not is_ours(cls):
        return [f"{cls.name}/"]
    metric: EntityMetric = cls() if place is None else cls.from_params(Params(dict(place.options)))
    return [f"{cls.name}/{figure}" for figure in metric.get_metric(reset=False)]


def _is_produced(name: str, figures: Sequence[str]) -> bool:
    metric, _, figure = name.partition("/")
    if name in figures or f"{metric}/" in figures:
        return True
    # Types are known after reading only, and may contain slashes.
    metrics = {known.partition("/")[0] for known in figures if "/" in known}
    return metric in metrics and "/" in figure and figure.rpartition("/")[2] in PER_TYPE
