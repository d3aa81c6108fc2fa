"""The callback `two_stage`: new layers first, over a frozen encoder; then everything."""

from typing import Any, Optional, Sequence, Union

from allennlp.common import Lazy
from allennlp.training.callbacks import TrainerCallback
from allennlp.training.learning_rate_schedulers import LearningRateScheduler
from allennlp.training.optimizers import Optimizer

from ner_plugins.errors import ConfigError
from ner_plugins.training.freezing import pretrained_parameters
from ner_plugins.training.stages.options import StageOptions, frozen_by
from ner_plugins.training.stages.stage import Stage
from ner_plugins.training.stages.staged_training import StagedTraining, StageMaker

STAGE = "frozen_encoder"


@TrainerCallback.register("two_stage")
class TwoStageCallback(StagedTraining):
    """
    Trains what is new while the encoder is frozen and in evaluation mode, with an optimizer of its own; then comes the
    trainer's ordinary training of everything, with the trainer's own, fresh optimizer. So new layers do not disturb a
    pretrained encoder while they are still random, and need no learning rate of their own afterwards.

    Defaults are those of the published study (github.com/Brucewuzhang/NER-Research): Adam with 1e-3, 10 epochs,
    patience 1. It stopped on the validation loss and kept the last weights: `select_on: "loss", restore_best: false`.

    # Parameters

    serialization_dir : `str`
    epochs : `int`
        At most; 0 for none.
    freeze : `Optional[Union[str, list[str]]]`
        Regular expressions; the parameters in whose name one is found do not learn. Left out: those of the pretrained
        transformer.
    patience, select_on, restore_best, optimizer, learning_rate_scheduler, batch_size, grad_norm, grad_clipping,
    num_gradient_accumulation_steps, dropout_when_frozen
        See `StageOptions`.
    tensorboard : `Optional[bool]`
        See `StagedTraining`.

    # Raises

    `ConfigError` for options that contradict the model or each other.
    """

    name = "two_stage"

    def __init__(
        self,
        serialization_dir: str,
        epochs: int = 10,
        freeze: Optional[Union[str, list[str]]] = None,
        patience: Optional[int] = 1,
        select_on: Optional[str] = None,
        restore_best: bool = True,
        optimizer: Optional[Lazy[Optimizer]] = None,
        learning_rate_scheduler: Optional[Lazy[LearningRateScheduler]] = None,
        batch_size: Optional[int] = None,
        grad_norm: Optional[float] = None,
        grad_clipping: Optional[float] = None,
        num_gradient_accumulation_steps: int = 1,
        dropout_when_frozen: bool = False,
        tensorboard: Optional[bool] = None,
    ) -> None:
        super().__init__(serialization_dir, tensorboard)
        if epochs < 0:
            raise ConfigError(f"two_stage.epochs is {epochs}; it has to be 0 or more")
        self.epochs = epochs
        self.freeze = freeze
        self.options = StageOptions(
            patience=patience,
            select_on=select_on,
            restore_best=restore_best,
            optimizer=optimizer,
            learning_rate_scheduler=learning_rate_scheduler,
            batch_size=batch_size,
            grad_norm=grad_norm,
            grad_clipping=grad_clipping,
            num_gradient_accumulation_steps=num_gradient_accumulation_steps,
            dropout_when_frozen=dropout_when_frozen,
        )

    def stages(self, trainer: Any) -> Sequence[StageMaker]:
        """The one stage."""

        def make() -> Stage:
            return self.options.make_stage(STAGE, self.epochs, trainer, self._frozen(trainer))

        return [(STAGE, make)] if self.epochs else []

    def _frozen(self, trainer: Any) -> set[str]:
        if self.freeze is not None:
            return frozen_by(self.freeze, trainer, "two_stage.freeze")
        frozen = pretrained_parameters(trainer.model)
        if not frozen:
            raise ConfigError(
                "two_stage freezes a pretrained transformer by default, and the model has none: set two_stage.freeze "
                'to what is to be frozen, for instance "^text_field_embedder"'
            )
        return frozen
