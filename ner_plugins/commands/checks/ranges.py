"""Numbers of a config that are out of range."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Optional

from allennlp.common.from_params import remove_optional
from allennlp.data import DataLoader, DatasetReader
from allennlp.data.data_loaders import MultiProcessDataLoader
from allennlp.data.samplers import BatchSampler
from allennlp.training.checkpointer import Checkpointer
from allennlp.training.gradient_descent_trainer import GradientDescentTrainer
from allennlp.training.learning_rate_schedulers import LearningRateScheduler
from allennlp.training.optimizers import Optimizer

from ner_plugins.commands.checks.mistakes import Mistake
from ner_plugins.commands.checks.parameter_groups import groups_of
from ner_plugins.commands.checks.walk import ConfigObject, Walk, parameters_of
from ner_plugins.compat.plugins import is_ours
from ner_plugins.options import written
from ner_plugins.training.layerwise_decay import LayerwiseDecay


@dataclass(frozen=True)
class Range:
    """
    The values that a number can have.

    # Parameters

    low : `float`
    high : `float`, optional (default=`math.inf`)
    without_low, without_high : `bool`, optional (default=`False`)
        Whether the bound itself is out of range.
    off : `Optional[str]`, optional (default=`None`)
        What to give instead of a number for no limit, for the message.
    """

    low: float
    high: float = math.inf
    without_low: bool = False
    without_high: bool = False
    off: Optional[str] = None

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.without_low else value >= self.low
        return above and (value < self.high if self.without_high else value <= self.high)

    @property
    def text(self) -> str:
        """The range in words."""
        low = f"more than {self.low:g}" if self.without_low else f"{self.low:g} or more"
        off = f"; {self.off}" if self.off else ""
        if self.high == math.inf:
            return low + off
        high = f"less than {self.high:g}" if self.without_high else f"at most {self.high:g}"
        if self.without_low or self.without_high:
            return f"{low} and {high}{off}"
        return f"from {self.low:g} to {self.high:g}{off}"


COUNT = Range(1)
NOT_NEGATIVE = Range(0)
POSITIVE = Range(0, without_low=True)
SHARE = Range(0, 1)
_NO_LIMIT = Range(0, without_low=True, off="leave it out for no bound")
_PATIENCE = Range(1, off="leave it out to train all epochs")

_TRAINER = {
    "num_epochs": COUNT, "patience": _PATIENCE, "grad_norm": _NO_LIMIT, "grad_clipping": _NO_LIMIT,
    "num_gradient_accumulation_steps": COUNT,
}  # fmt: skip
_OPTIMIZER = {
    "lr": NOT_NEGATIVE, "weight_decay": NOT_NEGATIVE, "momentum": NOT_NEGATIVE, "eps": NOT_NEGATIVE,
    "betas": Range(0, 1, without_high=True),
}  # fmt: skip
_BY_CLASS: Mapping[type, Mapping[str, Range]] = {
    LayerwiseDecay: {"decay": Range(0, 1, without_low=True)},
    GradientDescentTrainer: _TRAINER,
    Checkpointer: {"save_every_num_seconds": POSITIVE, "save_every_num_batches": COUNT},
    Optimizer: _OPTIMIZER,
    LearningRateScheduler: {
        "cut_frac": Range(0, 1, without_high=True), "ratio": POSITIVE, "decay_factor": POSITIVE,
        "warmup_steps": NOT_NEGATIVE, "warmup": NOT_NEGATIVE, "decay": NOT_NEGATIVE, "power": NOT_NEGATIVE,
    },
    DataLoader: {
        "batch_size": COUNT, "batches_per_epoch": COUNT, "max_instances_in_memory": COUNT, "num_workers": NOT_NEGATIVE,
    },
    BatchSampler: {
        "batch_size": COUNT, "max_tokens": COUNT, "budget": COUNT, "max_sentences": COUNT,
        "noise": Range(0, 1, without_high=True), "max_padding": Range(0, 1, without_high=True),
    },
}  # fmt: skip
# Of any class of this package, such as the stages and the models.
_OURS: Mapping[str, Range] = {
    **{name: bounds for name, bounds in _TRAINER.items() if name != "num_epochs"},
    "batch_size": COUNT, "max_span_width": COUNT, "epochs": NOT_NEGATIVE, "head_only_epochs": NOT_NEGATIVE,
    "dev_fraction": Range(0, 1, without_low=True, without_high=True), "temperature": POSITIVE,
    "max_length": COUNT, "save_every_num_seconds": POSITIVE,
    "mlm_probability": Range(0, 1, without_low=True, without_high=True),
}  # fmt: skip


def out_of_range(walk: Walk) -> Iterator[Mistake]:
    """The numbers out of range, in the options of this package's and of AllenNLP's classes, in the order of `walk`."""
    for place in walk.objects:
        if place.is_known:
            for option, value in place.options.items():
                bounds = _range_of(place, option)
                if bounds is not None:
                    yield from _check(place.place(option), value, bounds)
            if issubclass(place.cls, Optimizer):
                for group in groups_of(place):
                    for option in group.options.keys() & _OPTIMIZER.keys():
                        yield from _check(f"{group.key}.1.{option}", group.options[option], _OPTIMIZER[option])
            if issubclass(place.cls, MultiProcessDataLoader):
                yield from _batching(place)


def _range_of(place: ConfigObject, option: str) -> Optional[Range]:
    for base, ranges in _BY_CLASS.items():
        if issubclass(place.cls, base) and option in ranges:
            return ranges[option]
    if option.endswith("dropout"):
        parameter = parameters_of(place).get(option)
        return SHARE if parameter is not None and remove_optional(parameter.annotation) is float else None
    if option == "max_instances" and issubclass(place.cls, DatasetReader) and is_ours(place.cls):
        return COUNT
    return _OURS.get(option) if is_ours(place.cls) else None


def _check(key: str, value: Any, bounds: Range) -> Iterator[Mistake]:
    if isinstance(value, list):
        for one in value:
            yield from _check(key, one, bounds)
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and value not in bounds:
        yield Mistake(key, f"{key} is {written(value)}, but has to be {bounds.text}")


def _batching(place: ConfigObject) -> Iterator[Mistake]:
    """Options of AllenNLP's loader that exclude each other."""
    given = place.options
    if given.get("batch_sampler") is None:
        if given.get("batch_size") is None:
            yield Mistake(place.key, f"{place.key} has neither batch_sampler nor batch_size: set one of them")
        return
    for option in ("batch_size", "drop_last", "shuffle"):
        if given.get(option):
            yield Mistake(place.key, f"{place.place(option)} has no meaning beside batch_sampler: remove one of them")
