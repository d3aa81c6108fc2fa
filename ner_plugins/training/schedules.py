"""A learning-rate schedule: linear warm-up, and inverse decay by epochs."""

from typing import Optional, Union

import torch
from allennlp.training.learning_rate_schedulers import LearningRateScheduler

from ner_plugins.errors import ConfigError


@LearningRateScheduler.register("warmup_inverse_decay")
class WarmupInverseDecay(LearningRateScheduler):
    """
    The learning rate of each group is its base rate times a factor. For update t (from 1) in epoch e (from 0) it is

        min(1, t / W) / (1 + decay · e)

    with W warm-up updates, as described for FLAT (Li et al., ACL 2020). In FLAT's released code warm-up and decay both
    set the rate, and warm-up, which does so before each update, overrides decay: the rate decays only without warm-up.
    That is `legacy`.

        "learning_rate_scheduler": {"type": "warmup_inverse_decay", "warmup": 0.1, "decay": 0.05}

    # Parameters

    optimizer : `torch.optim.Optimizer`
        Not from a config.
    num_epochs : `int`
        Not from a config.
    num_steps_per_epoch : `Optional[int]`
        Not from a config; `None` if the loader streams its data.
    warmup : `Union[int, float]`, optional (default=`0.1`)
        The number of updates, or below 1 their share of all updates. 0: no warm-up.
    decay : `float`, optional (default=`0.05`)
        0: no decay.
    legacy : `bool`, optional (default=`False`)
        The effective schedule of the released code: linear warm-up, then a constant rate; without warm-up the decay.
    last_epoch : `int`
        Not from a config.

    # Raises

    `ConfigError` for negative numbers, and for a share of an unknown number of updates.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        num_epochs: int,
        num_steps_per_epoch: Optional[int] = None,
        warmup: Union[int, float] = 0.1,
        decay: float = 0.05,
        legacy: bool = False,
        last_epoch: int = -1,
    ) -> None:
        if warmup < 0 or decay < 0:
            raise ConfigError(f"learning_rate_scheduler: warmup ({warmup}) and decay ({decay}) have to be 0 or more")
        if 0 < warmup < 1 and num_steps_per_epoch is None:
            raise ConfigError(
                f"learning_rate_scheduler.warmup is {warmup}, a share of all updates, whose number is not known for "
                "streamed data. Give a number of updates"
            )
        super().__init__(optimizer, last_epoch)
        self.warmup_steps = float(warmup if warmup >= 1 else warmup * num_epochs * (num_steps_per_epoch or 0))
        self.decay = 0.0 if legacy and self.warmup_steps > 0 else decay
        self.last_step = 0
        self._set()

    def get_values(self) -> list[float]:
        """The rate of each group for the current update."""
        warm = min(1.0, max(self.last_step, 1) / self.warmup_steps) if self.warmup_steps > 0 else 1.0
        factor = warm / (1.0 + self.decay * (self.last_epoch + 1))
        return [base * factor for base in self.base_values]

    def step_batch(self, batch_num_total: Optional[int] = None) -> None:
        """Called before each update, with its number from 1."""
        self.last_step = self.last_step + 1 if batch_num_total is None else batch_num_total
        self._set()

    def _set(self) -> None:
        for group, value in zip(self.optimizer.param_groups, self.get_values(), strict=True):
            group[self.param_group_field] = value
