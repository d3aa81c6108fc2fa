"""Callbacks that are called after each batch (`on_batch`), with the figures so far."""

from typing import Any, Sequence

from allennlp.training.callbacks import ConsoleLoggerCallback, TrainerCallback

from ner_plugins.distributed import is_first_rank, world_size
from ner_plugins.training.engine.losses import Losses


class Watchers:
    """
    Those callbacks that have an `on_batch` of their own. They get the losses as numbers, for which a GPU has to finish
    its work; without any such callback nothing waits.

    # Parameters

    trainer : `NerTrainer`
    callbacks : `Sequence[TrainerCallback]`
    """

    def __init__(self, trainer: Any, callbacks: Sequence[TrainerCallback]) -> None:
        self._trainer = trainer
        self._all = [one for one in callbacks if type(one).on_batch is not TrainerCallback.on_batch]
        # AllenNLP's console logger only wants the first batch.
        self._usual = [one for one in self._all if type(one) is not ConsoleLoggerCallback]

    def after_update(self, inputs: list[Any], outputs: list[Any]) -> None:
        """Call `on_batch` after an update, with its batches and the model's outputs."""
        trainer = self._trainer
        watchers = self._all if trainer.epoch == 0 and trainer.updates_in_epoch == 1 else self._usual
        if watchers and outputs:
            norm = trainer.updates.norm
            settings = {"is_training": True, "batch_grad_norm": None if norm is None else float(norm)}
            self._call(watchers, inputs, outputs, trainer.losses, trainer.updates_in_epoch, settings)

    def after_validation_batch(self, batch: Any, outputs: Any, losses: Losses, number: int) -> None:
        """Call `on_batch` after batch `number` of the validation data."""
        if self._usual:
            self._call(self._usual, [batch], [outputs], losses, number, {"is_training": False})

    def _call(
        self, watchers: Sequence[Any], inputs: list[Any], outputs: list[Any], losses: Losses, number: int, settings: Any
    ) -> None:
        losses.read()
        # Metrics of all ranks need all of them, but ranks have different numbers of batches.
        metrics = {} if world_size() > 1 else self._trainer.model.get_metrics()
        metrics = {**metrics, "loss": losses.mean}
        metrics["batch_loss"] = losses.last
        for watcher in watchers:
            watcher.on_batch(
                self._trainer, inputs, outputs, metrics, self._trainer.epoch, number,
                is_primary=is_first_rank(), **settings,
            )  # fmt: skip
