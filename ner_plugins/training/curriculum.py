"""The callback `curriculum`: sentences with a low weight enter training later than the others."""

from typing import Any, Optional

from allennlp.training.callbacks import TrainerCallback

from ner_plugins.errors import ConfigError
from ner_plugins.training.engine.hooks import StepCallback


@TrainerCallback.register("curriculum")
class CurriculumCallback(StepCallback):
    """
    Trains on certain sentences first: those with a weight below 1, such as pseudo-labelled ones, come in over the
    epochs. In epoch e (counted from 0) the loss counts them with s(e) times their weight, where

        s(e) = min(1, max(0, e - start_epoch + 1) / (full_epoch - start_epoch + 1))

    so s is 0 before `start_epoch`, rises linearly, and is 1 from `full_epoch` on. Sentences with a weight of 1 or more
    always count in full, and so do all of them in the validation loss. s depends on the epoch alone, so a recovered run
    goes on as if it had not been stopped.

        {"type": "curriculum", "start_epoch": 1, "full_epoch": 3}

    # Parameters

    serialization_dir : `str`
    start_epoch : `int`, optional (default=`1`)
        The first epoch in which they count.
    full_epoch : `Optional[int]`, optional (default=`None`)
        The first epoch in which they count with their whole weight; `None` for `start_epoch`.

    # Raises

    `ConfigError` if `start_epoch` is negative or `full_epoch` comes before it; when training starts, also if the model
    knows no weights of sentences.
    """

    def __init__(self, serialization_dir: str, start_epoch: int = 1, full_epoch: Optional[int] = None) -> None:
        super().__init__(serialization_dir)
        if start_epoch < 0:
            raise ConfigError(f"curriculum.start_epoch is {start_epoch}, but has to be 0 or more")
        if full_epoch is not None and full_epoch < start_epoch:
            raise ConfigError(f"curriculum.full_epoch is {full_epoch}, before start_epoch, which is {start_epoch}")
        self.first_epoch = start_epoch
        self.full_epoch = start_epoch if full_epoch is None else full_epoch

    def on_start(self, trainer: Any, is_primary: bool = True, **kwargs: Any) -> None:
        """Check the model."""
        super().on_start(trainer, is_primary=is_primary, **kwargs)
        if not hasattr(trainer.model, "sentence_weights"):
            raise ConfigError("curriculum changes the weights of sentences, and needs a model with them, such as ner")

    def share(self, epoch: int) -> float:
        """s(e)."""
        steps = self.full_epoch - self.first_epoch + 1
        return min(1.0, max(0, epoch - self.first_epoch + 1) / steps)

    def start_epoch(self, trainer: Any, epoch: int) -> None:
        """Set the share of the epoch."""
        trainer.model.sentence_weights.share = self.share(epoch)

    def on_end(self, trainer: Any, is_primary: bool = True, **kwargs: Any) -> None:
        """Count all sentences in full again."""
        super().on_end(trainer, is_primary=is_primary, **kwargs)
        trainer.model.sentence_weights.share = 1.0
