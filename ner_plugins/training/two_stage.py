"""The callback `two_stage`: train new layers over a frozen encoder first, then everything."""

from typing import Any, Optional, Sequence, Union

from allennlp.training.callbacks import TrainerCallback

from ner_plugins.errors import ConfigError
from ner_plugins.training.freezing import pretrained_parameters
from ner_plugins.training.stages.building import frozen_by, supervised_stage
from ner_plugins.training.stages.callback import StagedTraining, StageMaker
from ner_plugins.training.stages.options import SupervisedOptions, takes_options
from ner_plugins.training.stages.stage import Stage

STAGE = "frozen_encoder"


@TrainerCallback.register("two_stage")
class TwoStageCallback(StagedTraining):
    """
    Trains new layers while the encoder is frozen and in evaluation mode, with an optimizer of their own. The trainer's
    ordinary training of everything follows, with a fresh optimizer. So random new layers do not disturb a pretrained
    encoder, and need no learning rate of their own later.

    Defaults are those of the published study (github.com/Brucewuzhang/NER-Research): Adam with 1e-3, 10 epochs,
    patience 1. It stopped on the validation loss and kept the last weights: `select_on: "loss", restore_best: false`.

    # Parameters

    serialization_dir : `str`
    epochs : `int`
        The most epochs; 0: no stage.
    freeze : `Optional[Union[str, list[str]]]`
        Regular expressions; parameters whose name contains a match do not learn. Left out: the parameters of the
        pretrained transformer.
    tensorboard : `Optional[bool]`
        See `StagedTraining`.
    **options
        The fields of `SupervisedOptions`.

    # Raises

    `ConfigError` for options that contradict the model or each other.
    """

    name = "two_stage"

    @takes_options(SupervisedOptions)
    def __init__(
        self,
        serialization_dir: str,
        epochs: int = 10,
        freeze: Optional[Union[str, list[str]]] = None,
        tensorboard: Optional[bool] = None,
        **options: Any,
    ) -> None:
        super().__init__(serialization_dir, tensorboard)
        if epochs < 0:
            raise ConfigError(f"two_stage.epochs is {epochs}, but has to be 0 or more")
        self.epochs = epochs
        self.freeze = freeze
        self.options = SupervisedOptions(**options)

    def stages(self, trainer: Any) -> Sequence[StageMaker]:
        """The one stage."""

        def make() -> Stage:
            return supervised_stage(STAGE, self.epochs, self.options, trainer, self._frozen(trainer))

        return [(STAGE, make)] if self.epochs else []

    def _frozen(self, trainer: Any) -> set[str]:
        if self.freeze is not None:
            return frozen_by(self.freeze, trainer, "two_stage.freeze")
        frozen = pretrained_parameters(trainer.model)
        if not frozen:
            raise ConfigError(
                "two_stage freezes a pretrained transformer by default, and the model has none. Set two_stage.freeze "
                'to the parameters to freeze, for example "^text_field_embedder"'
            )
        return frozen
