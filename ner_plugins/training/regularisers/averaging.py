"""What callbacks share that average the weights: the average, its state, and validation with it."""

from contextlib import contextmanager
from typing import Any, Callable, ClassVar, Iterator, Optional

import torch
from torch import Tensor
from torch.nn import Parameter, ParameterList
from torch.optim.swa_utils import AveragedModel

from ner_plugins.errors import ConfigError
from ner_plugins.training.engine.hooks import StepCallback

MultiAverage = Callable[[Any, Any, Any], None]
"""Updates averages in place, given the weights and the number of averaged ones: see `AveragedModel`."""


class WeightAverage(StepCallback):
    """
    Base of the callbacks that validate, select and archive averaged weights. Training goes on with its own weights.

    Only parameters that learn are averaged, in their own precision and on their own device.

    # Raises

    `ConfigError`, when training starts, if there is another average.
    """

    name: ClassVar[str]

    def __init__(self, serialization_dir: str) -> None:
        super().__init__(serialization_dir)
        self._learning: dict[str, Parameter] = {}
        self._average: Optional[AveragedModel] = None
        self._loaded: dict[str, Any] = {}

    def on_start(self, trainer: Any, is_primary: bool = True, **kwargs: Any) -> None:
        """Check that this is the only average."""
        super().on_start(trainer, is_primary=is_primary, **kwargs)
        others = [one.name for one in trainer.hooks if isinstance(one, WeightAverage) and one is not self]
        if trainer.parts.moving_average is not None:
            others.append("moving_average")
        if others:
            raise ConfigError(
                f"trainer has {self.name} and {others[0]}, but only one average can be validated: leave one out"
            )

    def start_epoch(self, trainer: Any, epoch: int) -> None:
        """Start the average, or continue the one of a recovered run."""
        if self._average is not None:
            return
        learning = {id(parameter) for parameter in trainer.updates.parameters}
        self._learning = {name: one for name, one in trainer.model.named_parameters() if id(one) in learning}
        average = AveragedModel(ParameterList(self._learning.values()), multi_avg_fn=self.rule())
        average.requires_grad_(False)
        self._average = average
        if self._loaded:
            self._load(self._loaded)
            self._loaded = {}
        else:
            self.begin()

    def rule(self) -> Optional[MultiAverage]:
        """How weights join the average; `None` for the mean."""
        return None

    def begin(self) -> None:
        """Called when the average is new; it holds the weights before the first update."""

    def add_weights(self) -> None:
        """Add the present weights to the average."""
        assert self._average is not None
        self._average.update_parameters(ParameterList(self._learning.values()))

    @property
    def number(self) -> int:
        """How many weights have been averaged."""
        return 0 if self._average is None else int(self._average.n_averaged)

    @property
    def changes_evaluation_weights(self) -> bool:
        """Whether there is an average yet."""
        return self.number > 0

    @contextmanager
    def evaluation_weights(self, trainer: Any) -> Iterator[None]:
        """A context in which the model has the averaged weights, and the average those of the model."""
        if not self.changes_evaluation_weights:
            yield
            return
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    @torch.no_grad()
    def _exchange(self) -> None:
        for parameter, average in self._pairs():
            kept = parameter.clone()
            parameter.copy_(average)
            average.copy_(kept)

    def _pairs(self) -> Iterator[tuple[Parameter, Tensor]]:
        assert self._average is not None
        yield from zip(self._learning.values(), self._average.module.parameters(), strict=True)

    def state_dict(self) -> dict[str, Any]:
        """The averages by name, and the number of averaged weights."""
        if self._average is None:
            return self._loaded
        averages = {name: average for name, (_, average) in zip(self._learning, self._pairs(), strict=True)}
        return {"averages": {name: one.data for name, one in averages.items()}, "number": self.number}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned, when training continues."""
        self._loaded = state_dict

    @torch.no_grad()
    def _load(self, state: dict[str, Any]) -> None:
        assert self._average is not None
        for name, (_, average) in zip(self._learning, self._pairs(), strict=True):
            average.copy_(state["averages"][name])
        self._average.n_averaged.fill_(state["number"])
