"""The callback `swa`: from some epoch on, the mean of the weights is validated and archived."""

from typing import Any, Optional

from allennlp.training.callbacks import TrainerCallback

from ner_plugins.errors import ConfigError
from ner_plugins.training.regularisers.averaging import WeightAverage
from ner_plugins.training.trainer_access import number_of_epochs


@TrainerCallback.register("swa")
class SwaCallback(WeightAverage):
    """
    Stochastic weight averaging (Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima and Better
    Generalization"), by `torch.optim.swa_utils.AveragedModel`. Epochs before `start_epoch` are validated with the
    model's own weights; the best of all epochs is archived.

        {"type": "swa", "start_epoch": 3}

    A schedule that decays to 0 leaves little to average. A rate that stays up from epoch 3 on is, for 5 epochs,

        {"type": "combined", "schedulers": [[3, {"type": "linear_with_warmup", "num_epochs": 5}], [2, "constant"]]}

    # Parameters

    serialization_dir : `str`
    start_epoch : `Optional[int]`
        The first epoch, counted from 0, whose weights are averaged. Left out: after three quarters of the epochs.
    every_num_updates : `Optional[int]`
        Average the weights after every so many updates of the run; left out: at the end of each epoch, as published.

    # Raises

    `ConfigError` if an option is out of range, `start_epoch` is never reached, or there is another average.
    """

    name = "swa"

    def __init__(
        self, serialization_dir: str, start_epoch: Optional[int] = None, every_num_updates: Optional[int] = None
    ) -> None:
        super().__init__(serialization_dir)
        if start_epoch is not None and start_epoch < 0:
            raise ConfigError(f"swa.start_epoch is {start_epoch}, but has to be 0 or more")
        if every_num_updates is not None and every_num_updates < 1:
            raise ConfigError(f"swa.every_num_updates is {every_num_updates}, but has to be 1 or more")
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

    def start_epoch(self, trainer: Any, epoch: int) -> None:
        """Note the epoch."""
        super().start_epoch(trainer, epoch)
        self._epoch = epoch

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
