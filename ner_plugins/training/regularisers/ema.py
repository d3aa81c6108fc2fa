"""The callback `ema`: an exponential moving average of the weights is validated and archived."""

from typing import Any, Optional, Sequence

import torch
from allennlp.training.callbacks import TrainerCallback
from torch import Tensor

from ner_plugins.errors import ConfigError
from ner_plugins.training.regularisers.averaging import MultiAverage, WeightAverage


@TrainerCallback.register("ema")
class EmaCallback(WeightAverage):
    """
    After each update the average becomes d average + (1 - d) weights. It starts from the weights before the first
    update, those that stages such as `nerco` have left.

        {"type": "ema", "decay": 0.999, "warm_up": true}

    # Parameters

    serialization_dir : `str`
    decay : `float`
        d.
    warm_up : `bool`
        Whether d is at most (1 + n) / (10 + n) in update n, counted from 1, so that the first weights are soon
        forgotten.

    # Raises

    `ConfigError` if `decay` is outside (0, 1), or there is another average.
    """

    name = "ema"

    def __init__(self, serialization_dir: str, decay: float = 0.999, warm_up: bool = False) -> None:
        super().__init__(serialization_dir)
        if not 0.0 < decay < 1.0:
            raise ConfigError(f"ema.decay is {decay}, but has to be between 0 and 1")
        self.decay, self.warm_up = decay, warm_up

    def begin(self) -> None:
        """The first weights count as the average so far."""
        self.add_weights()

    def after_update(self, trainer: Any) -> None:
        """Add the weights."""
        self.add_weights()

    def decay_in(self, update: int) -> float:
        """d in update `update`, counted from 1."""
        return min(self.decay, (1 + update) / (10 + update)) if self.warm_up else self.decay

    def rule(self) -> Optional[MultiAverage]:
        """The moving average."""
        return self._move

    @torch.no_grad()
    def _move(self, averages: Sequence[Tensor], weights: Sequence[Tensor], number: Any) -> None:
        decay = self.decay_in(int(number))
        torch._foreach_mul_(list(averages), decay)
        torch._foreach_add_(list(averages), list(weights), alpha=1.0 - decay)
