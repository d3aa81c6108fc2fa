"""The callback `swa`: from some epoch on, the mean of the weights is validated and archived."""

import math
from typing import Any, Literal, Optional

from allennlp.training.callbacks import TrainerCallback

from ner_plugins.errors import ConfigError
from ner_plugins.training.regularisers.averaging import WeightAverage
from ner_plugins.training.regularisers.perturbation import positive
from ner_plugins.training.trainer_access import number_of_epochs


@TrainerCallback.register("swa")
class SwaCallback(WeightAverage):
    """
    Stochastic weight averaging (Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima and Better
    Generalization"), by `torch.optim.swa_utils.AveragedModel`. Epochs before `start_epoch` are validated with the
    model's own weights; the best of all epochs is archived.

        {"type": "swa", "start_epoch": 3, "learning_rate_factor": 0.5}

    A schedule that decays to 0 leaves little to average. With `learning_rate_factor` f, the rates no longer follow it
    from epoch `start_epoch` on: in update u of these they are, as those of `torch.optim.swa_utils.SWALR`,

        a f (full rate) + (1 - a) (rate before),    a = (1 - cos(pi u / U)) / 2, or u / U if linear; 1 for u > U

    in each parameter group, whose full rate is that of the config.

    # Parameters

    serialization_dir : `str`
    start_epoch : `Optional[int]`
        The first epoch, counted from 0, whose weights are averaged. Left out: after three quarters of the epochs.
    every_num_updates : `Optional[int]`
        Average the weights after every so many updates of the run; left out: at the end of each epoch, as published.
    learning_rate_factor : `Optional[float]`
        f. Left out: the rates follow the trainer's schedule.
    anneal_updates : `Optional[int]`
        U. Left out: those of one epoch.
    anneal_strategy : `Literal["cos", "linear"]`

    # Raises

    `ConfigError` if an option is out of range, `start_epoch` is never reached, there is another average, or
    `anneal_updates` is needed for streamed data.
    """

    name = "swa"

    def __init__(
        self,
        serialization_dir: str,
        start_epoch: Optional[int] = None,
        every_num_updates: Optional[int] = None,
        learning_rate_factor: Optional[float] = None,
        anneal_updates: Optional[int] = None,
        anneal_strategy: Literal["cos", "linear"] = "cos",
    ) -> None:
        super().__init__(serialization_dir)
        if start_epoch is not None and start_epoch < 0:
            raise ConfigError(f"swa.start_epoch is {start_epoch}, but has to be 0 or more")
        if every_num_updates is not None and every_num_updates < 1:
            raise ConfigError(f"swa.every_num_updates is {every_num_updates}, but has to be 1 or more")
        if learning_rate_factor is None and (anneal_updates, anneal_strategy) != (None, "cos"):
            raise ConfigError("swa.anneal_updates and anneal_strategy go with learning_rate_factor, which is left out")
        if learning_rate_factor is not None:
            positive(self.name, learning_rate_factor=learning_rate_factor)
        if anneal_updates is not None and anneal_updates < 1:
            raise ConfigError(f"swa.anneal_updates is {anneal_updates}, but has to be 1 or more")
        self.learning_rate_factor = learning_rate_factor
        self.anneal_updates = anneal_updates
        self.anneal_strategy = anneal_strategy
        self._before: Optional[dict[str, Any]] = None
        self._hook: Any = None
        self._asked = start_epoch
        self.first_epoch = 0
        self.every_num_updates = every_num_updates
        self._epoch = 0

    def on_start(self, trainer: Any, is_primary: bool = True, **kwargs: Any) -> None:
        """Find the first epoch."""
        super().on_start(trainer, is_primary=is_primary, **kwargs)
        epochs = number_of_epochs(trainer)
        self.first_epoch = epochs * 3 // 4 if self._asked is None else self._asked
        if self.first_epoch >= epochs:
            raise ConfigError(
                f"swa.start_epoch is {self.first_epoch}, but there are {epochs} epochs, counted from 0: set it lower"
            )
        if self.learning_rate_factor is not None:
            updates = self.anneal_updates or trainer.updates_per_epoch
            if updates is None:
                raise ConfigError("the data are streamed, so swa.anneal_updates has to be given")
            # Schedules set the rates right before this, in each update or after each epoch.
            self._hook = trainer.optimizer.register_step_pre_hook(lambda *_: self._set_rates(trainer, updates))

    def on_end(self, trainer: Any, **kwargs: Any) -> None:
        """Remove the hook from the optimizer."""
        if self._hook is not None:
            self._hook.remove()

    def start_epoch(self, trainer: Any, epoch: int) -> None:
        """Note the epoch, and the rates before the first one that is averaged."""
        super().start_epoch(trainer, epoch)
        self._epoch = epoch
        if self._before is not None and self._before["epoch"] != self.first_epoch:  # resumed with more epochs
            self._before = None
        if epoch >= self.first_epoch and self._before is None:
            rates = [float(group["lr"]) for group in trainer.optimizer.param_groups]
            self._before = {"epoch": self.first_epoch, "updates": trainer.updates.steps, "rates": rates}

    def _set_rates(self, trainer: Any, updates: int) -> None:
        if self._before is None or self._epoch < self.first_epoch:
            return
        assert self.learning_rate_factor is not None
        share = self.share((trainer.updates.steps - self._before["updates"]) / updates)
        for group, before in zip(trainer.optimizer.param_groups, self._before["rates"], strict=True):
            full = float(group.get("initial_lr", before))
            group["lr"] = share * self.learning_rate_factor * full + (1 - share) * before

    def share(self, done: float) -> float:
        """a, given u / U."""
        done = min(done, 1.0)
        return done if self.anneal_strategy == "linear" else (1 - math.cos(math.pi * done)) / 2

    def after_update(self, trainer: Any) -> None:
        """Average the weights after every `every_num_updates` updates."""
        if self.every_num_updates is None or self._epoch < self.first_epoch:
            return
        if trainer.updates.steps % self.every_num_updates == 0:
            self.add_weights()

    def end_epoch(self, trainer: Any, epoch: int) -> None:
        """Average the weights of the epoch."""
        if self.every_num_updates is None and epoch >= self.first_epoch:
            self.add_weights()

    def state_dict(self) -> dict[str, Any]:
        """The average, and the rates before it."""
        return {**super().state_dict(), "before": self._before}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned, when training continues."""
        average = dict(state_dict)
        self._before = average.pop("before", None)
        super().load_state_dict(average)
