"""The base of callbacks that run stages before the first epoch: it runs them, and resumes them after a kill."""

import logging
from abc import ABC, abstractmethod
from collections import Counter
from pathlib import Path
from typing import Any, Callable, ClassVar, Optional, Sequence

from allennlp.training.callbacks import TensorBoardCallback, TrainerCallback

from ner_plugins.distributed import gather_objects, world_size
from ner_plugins.errors import ConfigError
from ner_plugins.training.engine.random_states import random_states
from ner_plugins.training.engine.recovery import misfit
from ner_plugins.training.freezing import gradients_and_modes_kept
from ner_plugins.training.stages.checkpoint import StageCheckpoints, State, restore_rank
from ner_plugins.training.stages.log import StageLog
from ner_plugins.training.stages.stage import Stage
from ner_plugins.training.trainer_access import (
    callbacks_of,
    ddp_wrapper,
    has_checkpoint,
    is_resumed,
    output_folder,
    reset_moving_average,
)

logger = logging.getLogger(__name__)

StageMaker = tuple[str, Callable[[], Stage]]
"""A stage's name, and a function that builds the stage when it is due."""


class StagedTraining(TrainerCallback, ABC):
    """
    Base of the callbacks that run stages before the first epoch of ordinary training.

    Stages change nothing but the weights that ordinary training starts from: its optimizer and schedule are fresh, and
    trainable parameters, the modules' modes and all random states are restored. With `--recover` a killed run resumes
    where it was, within a stage or between two. Once the trainer has a checkpoint of its own, no stage runs again.

    `<serialization_dir>/<name>/` holds checkpoints while they are needed, and `losses.jsonl`.

    # Parameters

    serialization_dir : `str`
    tensorboard : `Optional[bool]`
        Whether figures are written for TensorBoard, to `log/<name>`. Left out: if there is the callback `tensorboard`.
    """

    name: ClassVar[str]

    def __init__(self, serialization_dir: str, tensorboard: Optional[bool] = None) -> None:
        super().__init__(serialization_dir)
        self._tensorboard = tensorboard
        self._checkpoints: Optional[StageCheckpoints] = None

    @abstractmethod
    def stages(self, trainer: Any) -> Sequence[StageMaker]:
        """The stages in order."""

    def check(self, trainer: Any) -> None:
        """
        Called before training, and by `--dry-run`: find what the stages would stumble over.

        # Raises

        `ConfigError` or `DataError`.
        """

    def before_stages(self, trainer: Any) -> bool:
        """Called before the first stage, but not when resuming; returns whether it has changed the model."""
        return False

    def after_stage(self, name: str, trainer: Any) -> None:
        """Called after each stage, with its best weights in the model."""

    def on_start(self, trainer: Any, is_primary: bool = True, **kwargs: Any) -> None:
        """
        Run the stages, or the rest of them.

        # Raises

        `ConfigError` if there are two such callbacks, or the model's parameters are sharded.
        """
        super().on_start(trainer, is_primary=is_primary, **kwargs)
        self._check(trainer)
        folder = output_folder(trainer) / self.name
        self._checkpoints = StageCheckpoints(folder)
        if is_resumed(trainer):
            return
        entry = gather_objects(random_states())
        tensorboard = self._tensorboard
        if tensorboard is None:
            tensorboard = any(isinstance(callback, TensorBoardCallback) for callback in callbacks_of(trainer))
        log = StageLog(folder, output_folder(trainer) / "log" / self.name if tensorboard else None)
        with gradients_and_modes_kept(trainer.model):
            try:
                entry = self._run(trainer, self._checkpoints, log, entry)
            finally:
                log.close()
        restore_rank(entry)

    def on_epoch(
        self, trainer: Any, metrics: dict[str, Any], epoch: int, is_primary: bool = True, **kwargs: Any
    ) -> None:
        """Delete the checkpoints of the stages once the trainer has its own."""
        if self._checkpoints is not None and has_checkpoint(trainer):
            self._checkpoints.remove()

    def on_end(
        self,
        trainer: Any,
        metrics: Optional[dict[str, Any]] = None,
        epoch: Optional[int] = None,
        is_primary: bool = True,
        **kwargs: Any,
    ) -> None:
        """Delete the checkpoints of the stages, unless training has failed."""
        if metrics is not None and self._checkpoints is not None:
            self._checkpoints.remove()

    def _run(self, trainer: Any, checkpoints: StageCheckpoints, log: StageLog, entry: list[State]) -> list[State]:
        """Run the remaining stages; returns the random states that ordinary training starts from."""
        finished = checkpoints.read_finished()
        if finished is not None:
            logger.info("%s: all stages are finished; resuming with ordinary training", self.name)
            try:
                trainer.model.load_state_dict(finished["model"])
                entry = list(finished["random"])
            except (AttributeError, KeyError, RuntimeError, TypeError) as error:
                raise misfit(checkpoints.folder, error) from error
            reset_moving_average(trainer)
            return entry
        makers = self.stages(trainer)
        resumed = checkpoints.read_progress()
        if resumed is not None:
            try:
                entry, stage = list(resumed["entry"]), str(resumed["stage"])
            except (KeyError, TypeError) as error:
                raise misfit(checkpoints.folder, error) from error
            makers = self._remaining(makers, stage, checkpoints.folder)
        elif not self.before_stages(trainer) and not makers:
            return entry
        for name, make in makers:
            make().run(checkpoints, log, entry, resumed)
            resumed = None
            self.after_stage(name, trainer)
        checkpoints.finish(trainer.model.state_dict(), entry)
        if world_size() > 1:  # buffers may differ between ranks
            finished = checkpoints.read_finished()
            assert finished is not None
            trainer.model.load_state_dict(finished["model"])
        reset_moving_average(trainer)
        return entry

    @staticmethod
    def _remaining(makers: Sequence[StageMaker], current: str, folder: Path) -> Sequence[StageMaker]:
        """The stages from the one that was running."""
        names = [name for name, _ in makers]
        if current not in names:
            raise ConfigError(
                f"{folder}: has a checkpoint of the stage {current!r}, which this config lacks. Resume with the "
                "config of that run, or start again with --force"
            )
        return makers[names.index(current) :]

    def _check(self, trainer: Any) -> None:
        if Counter(type(callback) for callback in callbacks_of(trainer))[type(self)] > 1:
            raise ConfigError(f"trainer.callbacks has {self.name} twice, but their checkpoints have the same names")
        wrapper = ddp_wrapper(trainer)
        if wrapper is not None and wrapper.is_sharded:
            raise ConfigError(f"the callback {self.name} does not work with sharded models: use the accelerator torch")
