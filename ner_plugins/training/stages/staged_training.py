"""What callbacks that train in stages before the first epoch share: when stages run, and from where they go on."""

import logging
from abc import abstractmethod
from collections import Counter
from pathlib import Path
from typing import Any, Callable, ClassVar, Optional, Sequence

import torch
from allennlp.training.callbacks import TensorBoardCallback, TrainerCallback

from ner_plugins.distributed import gather_objects, world_size
from ner_plugins.errors import ConfigError
from ner_plugins.training.freezing import gradients_and_modes_kept
from ner_plugins.training.stages.checkpoint import StageCheckpoints, restore_rank
from ner_plugins.training.stages.log import StageLog
from ner_plugins.training.stages.random_states import random_states
from ner_plugins.training.stages.stage import Stage

logger = logging.getLogger(__name__)

StageMaker = tuple[str, Callable[[], Stage]]


class StagedTraining(TrainerCallback):
    """
    Base of the callbacks that run stages before the first epoch of ordinary training.

    Ordinary training is what it would be without them, but for the weights that it begins with: its optimizer and
    schedule are fresh, and which parameters learn, the modules' modes and all random states are put back. A run that
    was killed goes on where it was with `--recover`, in a stage or between two; once the trainer has a checkpoint of
    its own, the stages are left alone.

    In `<serialization_dir>/<name>/` are the checkpoints while they are needed, and `losses.jsonl`.

    # Parameters

    serialization_dir : `str`
    tensorboard : `Optional[bool]`
        Whether figures go to TensorBoard too, in `log/<name>`. Left out: if the callback `tensorboard` is there.
    """

    name: ClassVar[str]

    def __init__(self, serialization_dir: str, tensorboard: Optional[bool] = None) -> None:
        super().__init__(serialization_dir)
        self._tensorboard = tensorboard
        self._checkpoints: Optional[StageCheckpoints] = None

    @abstractmethod
    def stages(self, trainer: Any) -> Sequence[StageMaker]:
        """The stages in order: a name for each, and what makes it when its turn has come."""

    def before_stages(self, trainer: Any) -> bool:
        """Called before the first stage, not when going on; returns whether it has changed the model."""
        return False

    def after_stage(self, name: str, trainer: Any) -> None:
        """Called after each stage, with its best weights in the model."""

    def on_start(self, trainer: Any, is_primary: bool = True, **kwargs: Any) -> None:
        """
        Run the stages, or what is left of them.

        # Raises

        `ConfigError` if the callback is there twice, or the model's parameters are sharded.
        """
        super().on_start(trainer, is_primary=is_primary, **kwargs)
        self._check(trainer)
        folder = Path(trainer._serialization_dir) / self.name
        self._checkpoints = StageCheckpoints(folder)
        if trainer._start_after_epochs_completed or trainer._start_after_batches_in_epoch_completed:
            return
        entry = gather_objects(random_states())
        wants = self._tensorboard
        if wants is None:
            wants = any(isinstance(callback, TensorBoardCallback) for callback in trainer._callbacks)
        log = StageLog(folder, Path(trainer._serialization_dir, "log", self.name) if wants else None)
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
        saved = None if trainer._checkpointer is None else trainer._checkpointer.find_latest_checkpoint()
        if saved is not None and self._checkpoints is not None:
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

    def _run(self, trainer: Any, checkpoints: StageCheckpoints, log: StageLog, entry: list[Any]) -> list[Any]:
        """Run what is left; returns the random states that training goes on with."""
        finished = checkpoints.read_finished()
        if finished is not None:
            logger.info("%s: the stages are done; going on with training", self.name)
            self._load(trainer, finished["model"])
            return list(finished["random"])
        makers = self.stages(trainer)
        resumed = checkpoints.read_progress()
        if resumed is not None:
            entry = list(resumed["entry"])
            names = [name for name, _ in makers]
            if resumed["stage"] not in names:
                raise ConfigError(
                    f"{checkpoints.folder}: holds a checkpoint of the stage {resumed['stage']!r}, which this config "
                    "does not have: go on with the config of that run, or start afresh with --force"
                )
            makers = makers[names.index(resumed["stage"]) :]
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
        self._tell(trainer)
        return entry

    def _load(self, trainer: Any, weights: dict[str, torch.Tensor]) -> None:
        trainer.model.load_state_dict(weights)
        self._tell(trainer)

    @staticmethod
    def _tell(trainer: Any) -> None:
        """A moving average begins with the weights that training begins with."""
        average = trainer._moving_average
        if average is not None:
            for name, parameter in average._parameters:
                average._shadows[name].copy_(parameter.data)

    def _check(self, trainer: Any) -> None:
        if Counter(type(callback) for callback in trainer._callbacks)[type(self)] > 1:
            raise ConfigError(f"trainer.callbacks has {self.name} twice: their checkpoints would be the same")
        wrapped = trainer._ddp_wrapped_model
        if wrapped is not None and wrapped.is_sharded:
            raise ConfigError(f"the callback {self.name} does not work with sharded models: use the accelerator torch")
