"""The callback `nerco`: contrastive learning of the encoder before training, after Zhang et al. (IJCAI 2023)."""

import logging
from typing import Any, Optional, Sequence, Union

import torch
from allennlp.common import Lazy, Params
from allennlp.training.callbacks import TrainerCallback
from allennlp.training.learning_rate_schedulers import LearningRateScheduler
from allennlp.training.optimizers import Optimizer

from ner_plugins.archives import weights as safe_load
from ner_plugins.errors import ConfigError
from ner_plugins.modules.losses.contrastive import ContrastiveLoss
from ner_plugins.training import schedules  # noqa: F401  (they are registered)
from ner_plugins.training.freezing import OUTSIDE_HEAD, freeze, gradients_and_modes_kept, pretrained_parameters
from ner_plugins.training.stages.batches import StageBatches
from ner_plugins.training.stages.checkpoint import check_writable, save_weights
from ner_plugins.training.stages.objectives import ContrastiveObjective
from ner_plugins.training.stages.options import (
    StageOptions,
    check_bounds,
    check_choice,
    check_numbers,
    frozen_by,
    make_batches,
    select_by,
)
from ner_plugins.training.stages.stage import Stage, StageSettings
from ner_plugins.training.stages.staged_training import StagedTraining, StageMaker

logger = logging.getLogger(__name__)

CONTRASTIVE = "contrastive"
HEAD_ONLY = "head_only"
PART_SIZE = 8
"""How many sentences go through the encoder together on a CPU."""

_SELECT_ON = ("dev_loss", "last")
_SGD = {"type": "sgd", "lr": 8e-4, "momentum": 0.9, "weight_decay": 0.05}
_ADAMW = {"type": "huggingface_adamw", "lr": 2e-5, "weight_decay": 0.01}
_WARM_UP = {"type": "warmup_inverse_decay", "warmup": 0.1, "decay": 0.0}
_HEAD_ONLY = {
    "type": "sgd", "lr": 4e-4, "momentum": 0.9, "weight_decay": 0.05,
}  # fmt: skip


class HeadOnlyOptions(StageOptions):
    """
    How the head alone learns: by default as published for Weibo, with patience 15, SGD with rate 4e-4, momentum 0.9 and
    weight decay 0.05, each gradient's values clipped at 5, and the encoder's dropout on.

    # Parameters

    patience, optimizer, grad_clipping, dropout_when_frozen, **kwargs
        See `StageOptions`.
    """

    def __init__(
        self,
        patience: Optional[int] = 15,
        optimizer: Optional[Lazy[Optimizer]] = None,
        grad_clipping: Optional[float] = 5.0,
        dropout_when_frozen: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            patience=patience,
            optimizer=optimizer or Lazy(Optimizer, Params(dict(_HEAD_ONLY))),
            grad_clipping=grad_clipping,
            dropout_when_frozen=dropout_when_frozen,
            **kwargs,
        )


@TrainerCallback.register("nerco")
class NercoCallback(StagedTraining):
    """
    Two stages before ordinary training, after "NerCo: A Contrastive Learning Based Two-Stage Chinese NER Method"
    (IJCAI 2023, doi 10.24963/ijcai.2023/587): the encoder learns to tell entity types apart by a contrastive loss over
    tokens; then, if asked for, the head alone learns over the frozen encoder. Ordinary training follows with the best
    weights and a fresh optimizer.

    Defaults are those published for Weibo. Besides what `StagedTraining` writes, `tokens_by_type.png` shows tokens'
    vectors before and after.

    # Parameters

    serialization_dir : `str`
    epochs : `int`
        Of the contrastive stage, at most; 0 for none.
    patience : `Optional[int]`
        It ends after so many epochs without a lower validation loss.
    select_on : `Optional[str]`
        Which epoch's weights are kept: those of the lowest contrastive `dev_loss`, or the `last`. Left out: the
        former, or without validation data the latter.
    batch_size : `int`
        Sentences whose tokens are compared in training; half as many in validation, as published.
    loss : `Optional[Lazy[ContrastiveLoss]]`
        What is minimised: `nerco` or `supcon`, with their temperature and other options.
    freeze : `Optional[Union[str, list[str]]]`
        Regular expressions; the parameters in whose name one is found do not learn in the contrastive stage. Left
        out: those of the pretrained transformer, unless nothing else is between text and vectors; then none.
    dropout_when_frozen : `bool`
        Whether frozen modules keep their dropout, as published.
    optimizer : `Optional[Lazy[Optimizer]]`
        Left out: SGD with rate 8e-4, momentum 0.9 and weight decay 0.05; AdamW with 2e-5 where a pretrained
        transformer learns.
    learning_rate_scheduler : `Optional[Lazy[LearningRateScheduler]]`
        Left out: linear warm-up over a tenth of the steps, then constant.
    grad_clipping, grad_norm : `Optional[float]`
        As the trainer's: the greatest absolute value of a gradient, the greatest norm of all together.
    num_gradient_accumulation_steps : `int`
        Batches per update. Tokens of different batches are not compared.
    head_only_epochs : `int`
        Of the stage in which the head alone learns, at most.
    head_only : `Optional[HeadOnlyOptions]`
        Its other options: see `HeadOnlyOptions`.
    save_to : `Optional[str]`
        A file for the whole model's weights after the contrastive stage.
    load_from : `Optional[str]`
        Such a file, in place of the contrastive stage; of a model with the same head.
    pictures : `bool`
        Whether tokens are drawn.
    tensorboard : `Optional[bool]`
        See `StagedTraining`.

    # Raises

    `ConfigError` for options that contradict the model or each other, and if the training data have no two tokens of
    one entity type in any batch.
    """

    name = "nerco"

    def __init__(
        self,
        serialization_dir: str,
        epochs: int = 100,
        patience: Optional[int] = 10,
        select_on: Optional[str] = None,
        batch_size: int = 40,
        loss: Optional[Lazy[ContrastiveLoss]] = None,
        freeze: Optional[Union[str, list[str]]] = None,
        dropout_when_frozen: bool = True,
        optimizer: Optional[Lazy[Optimizer]] = None,
        learning_rate_scheduler: Optional[Lazy[LearningRateScheduler]] = None,
        grad_clipping: Optional[float] = 5.0,
        grad_norm: Optional[float] = None,
        num_gradient_accumulation_steps: int = 1,
        head_only_epochs: int = 0,
        head_only: Optional[HeadOnlyOptions] = None,
        save_to: Optional[str] = None,
        load_from: Optional[str] = None,
        pictures: bool = True,
        tensorboard: Optional[bool] = None,
    ) -> None:
        super().__init__(serialization_dir, tensorboard)
        check_choice("nerco.select_on", select_on, _SELECT_ON)
        check_numbers(
            patience=patience, batch_size=batch_size, num_gradient_accumulation_steps=num_gradient_accumulation_steps
        )
        check_bounds(grad_norm=grad_norm, grad_clipping=grad_clipping)
        if batch_size is None:
            raise ConfigError("nerco.batch_size is null; it is how many sentences are compared with each other")
        if epochs < 0 or head_only_epochs < 0:
            raise ConfigError("nerco.epochs and nerco.head_only_epochs have to be 0 or more")
        if head_only is not None and not head_only_epochs:
            raise ConfigError("nerco.head_only has no effect without nerco.head_only_epochs: set both, or neither")
        self.epochs = epochs
        self.patience = patience
        self.select_on = select_on
        self.batch_size = batch_size
        self.loss = loss or Lazy(ContrastiveLoss)
        self.freeze = freeze
        self.dropout_when_frozen = dropout_when_frozen
        self.optimizer = optimizer
        self.learning_rate_scheduler = learning_rate_scheduler or Lazy(LearningRateScheduler, Params(dict(_WARM_UP)))
        self.grad_clipping = grad_clipping
        self.grad_norm = grad_norm
        self.num_gradient_accumulation_steps = num_gradient_accumulation_steps
        self.head_only_epochs = head_only_epochs
        self.head_only = head_only or HeadOnlyOptions()
        if save_to is not None and (not epochs or load_from is not None):
            raise ConfigError("nerco.save_to is for what the contrastive stage has learnt, and there is no such stage")
        self.save_to = save_to
        self.load_from = load_from
        self.pictures = pictures

    def stages(self, trainer: Any) -> Sequence[StageMaker]:
        """Contrastive, and head-only, so far as they are asked for."""

        def contrastive() -> Stage:
            return self._contrastive_stage(trainer)

        def head_only() -> Stage:
            frozen = frozen_by(OUTSIDE_HEAD, trainer, "nerco")
            return self.head_only.make_stage(HEAD_ONLY, self.head_only_epochs, trainer, frozen)

        stages: list[StageMaker] = []
        if self.epochs and self.load_from is None:
            stages.append((CONTRASTIVE, contrastive))
        if self.head_only_epochs:
            stages.append((HEAD_ONLY, head_only))
        return stages

    def before_stages(self, trainer: Any) -> bool:
        """Load the weights of an earlier contrastive stage."""
        if self.load_from is None:
            return False
        try:
            weights = safe_load.load(self.load_from, map_location="cpu")
        except OSError as error:
            raise ConfigError(f"nerco.load_from: {self.load_from} cannot be read ({error.strerror})") from error
        _check_weights(trainer.model.state_dict(), weights, self.load_from)
        trainer.model.load_state_dict(weights)
        logger.info("nerco: weights of %s in place of the contrastive stage", self.load_from)
        return True

    def after_stage(self, name: str, trainer: Any) -> None:
        """Save the weights where they are asked for."""
        if name == CONTRASTIVE and self.save_to is not None:
            save_weights(trainer.model.state_dict(), self.save_to)

    def _contrastive_stage(self, trainer: Any) -> Stage:
        if self.save_to is not None:
            check_writable(self.save_to, "nerco.save_to")
        # A GPU would rather have few large steps.
        part_size = PART_SIZE if torch.device(trainer.cuda_device).type == "cpu" else None
        training = make_batches(trainer, self.batch_size, part_size)
        validation = None
        if select_by(self.select_on, "dev_loss", trainer, self.name) != "last":
            loader = trainer._validation_data_loader
            number = max(self.batch_size // 2, 1)
            validation = StageBatches(loader, trainer.model.vocab, trainer.cuda_device, number, part_size=part_size)
        objective = ContrastiveObjective(trainer, validation, validation or training, self.loss, self.pictures)
        frozen = self._frozen(trainer, objective, training)
        optimizer = self.optimizer
        if optimizer is None:
            whole = pretrained_parameters(trainer.model) - frozen
            optimizer = Lazy(Optimizer, Params(dict(_ADAMW if whole else _SGD)))
        settings = StageSettings(
            name=CONTRASTIVE,
            epochs=self.epochs,
            optimizer=optimizer,
            schedule=self.learning_rate_scheduler,
            patience=self.patience,
            dropout_when_frozen=self.dropout_when_frozen,
            grad_norm=self.grad_norm,
            grad_clipping=self.grad_clipping,
            num_gradient_accumulation_steps=self.num_gradient_accumulation_steps,
        )
        return Stage(settings, trainer, objective, training, frozen)

    def _frozen(self, trainer: Any, objective: ContrastiveObjective, training: StageBatches) -> set[str]:
        model = trainer.model
        if self.freeze is not None:
            frozen = frozen_by(self.freeze, trainer, "nerco.freeze")
        else:
            frozen = pretrained_parameters(model)
        batch = next(training.sampled(1))
        with gradients_and_modes_kept(model):
            freeze(model, frozen)
            if objective.learns(batch):
                return frozen
        if self.freeze is not None:
            raise ConfigError(
                "nerco.freeze leaves nothing to learn between the text and the vectors that are compared: freeze less"
            )
        logger.info("nerco: nothing but the pretrained transformer makes the vectors, so it is not frozen")
        return set()


def _check_weights(own: dict[str, torch.Tensor], given: dict[str, torch.Tensor], path: str) -> None:
    """`ConfigError` unless the weights are of a model with the same names and shapes."""
    if not isinstance(given, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in given.values()):
        raise ConfigError(f"nerco.load_from: {path} holds no weights of a model: give a file that save_to has written")
    missing, unknown = own.keys() - given.keys(), given.keys() - own.keys()
    other = [name for name in own.keys() & given.keys() if own[name].shape != given[name].shape]
    problems = [
        f"{what} {', '.join(sorted(names)[:3])}{', …' if len(names) > 3 else ''}"
        for what, names in (("it lacks", missing), ("the model lacks", unknown), ("of another shape are", other))
        if names
    ]
    if problems:
        raise ConfigError(
            f"nerco.load_from: {path} is of another model: {'; '.join(problems)}. Use the configuration and the "
            "training data that it was saved with"
        )
