"""The callback `nerco`: contrastive learning of the encoder before training, after Zhang et al. (IJCAI 2023)."""

import logging
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Mapping, Optional, Sequence, Union

import torch
from allennlp.common import Lazy, Params
from allennlp.training.callbacks import TrainerCallback
from allennlp.training.learning_rate_schedulers import LearningRateScheduler
from allennlp.training.optimizers import Optimizer

from ner_plugins.archives import weights as safe_load
from ner_plugins.errors import ConfigError
from ner_plugins.modules.losses.contrastive import ContrastiveLoss
from ner_plugins.training.engine.batches import EpochBatches
from ner_plugins.training.freezing import OUTSIDE_HEAD, freeze, gradients_and_modes_kept, pretrained_parameters
from ner_plugins.training.stages.building import (
    frozen_by,
    select_by,
    supervised_stage,
    training_batches,
    validation_batches,
)
from ner_plugins.training.stages.callback import StagedTraining, StageMaker
from ner_plugins.training.stages.checkpoint import check_writable, save_weights
from ner_plugins.training.stages.objectives import ContrastiveObjective
from ner_plugins.training.stages.options import StageOptions, SupervisedOptions, check_counts, takes_options
from ner_plugins.training.stages.stage import Stage

logger = logging.getLogger(__name__)

CONTRASTIVE = "contrastive"
HEAD_ONLY = "head_only"
PART_SIZE = 8
"""The number of sentences that go through the encoder together on a CPU."""

_SGD = {"type": "sgd", "lr": 8e-4, "momentum": 0.9, "weight_decay": 0.05}
_ADAMW = {"type": "huggingface_adamw", "lr": 2e-5, "weight_decay": 0.01}
_WARM_UP = {"type": "warmup_inverse_decay", "warmup": 0.1, "decay": 0.0}


@dataclass(eq=False)
class ContrastiveOptions(StageOptions):
    """
    How the contrastive stage trains; defaults are those published for Weibo.

    # Parameters

    select_on : `Optional[Literal["dev_loss", "last"]]`
        The epoch whose weights are kept: the one with the lowest contrastive `dev_loss`, or the `last`. Left out: the
        former, or the latter without validation data.
    batch_size : `int`
        The number of sentences whose tokens are compared in training; half as many in validation, as published.
    loss : `Optional[Lazy[ContrastiveLoss]]`
        `nerco` or `supcon`, with a temperature and other options. Left out: `nerco`.
    optimizer : `Optional[Lazy[Optimizer]]`
        Left out: SGD with rate 8e-4, momentum 0.9 and weight decay 0.05; AdamW with rate 2e-5 where a pretrained
        transformer learns.
    learning_rate_scheduler : `Optional[Lazy[LearningRateScheduler]]`
        Left out: linear warm-up over a tenth of the steps, then a constant rate.
    patience, grad_norm, grad_clipping, dropout_when_frozen
        See `StageOptions`.
    num_gradient_accumulation_steps : `int`
        Batches per update. Tokens of different batches are not compared.
    """

    patience: Optional[int] = 10
    select_on: Optional[Literal["dev_loss", "last"]] = None
    batch_size: int = 40
    loss: Optional[Lazy[ContrastiveLoss]] = None
    grad_clipping: Optional[float] = 5.0
    dropout_when_frozen: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch_size is None:
            raise ConfigError("nerco.batch_size is null, but has to be a number of sentences to compare")
        check_counts(batch_size=self.batch_size)
        self.loss = self.loss or Lazy(ContrastiveLoss)
        schedule = self.learning_rate_scheduler or Lazy(LearningRateScheduler, Params(dict(_WARM_UP)))
        self.learning_rate_scheduler = schedule


@dataclass(eq=False)
class HeadOnlyOptions(SupervisedOptions):
    """
    How the head alone trains. Defaults are those published for Weibo: patience 15, SGD with rate 4e-4, momentum 0.9 and
    weight decay 0.05, each gradient clipped at 5, and dropout in the encoder.

    # Parameters

    patience, grad_clipping, dropout_when_frozen, ...
        The fields of `SupervisedOptions`.
    """

    default_optimizer: ClassVar[Mapping[str, Any]] = {"type": "sgd", "lr": 4e-4, "momentum": 0.9, "weight_decay": 0.05}

    patience: Optional[int] = 15
    grad_clipping: Optional[float] = 5.0
    dropout_when_frozen: bool = True


@TrainerCallback.register("nerco")
class NercoCallback(StagedTraining):
    """
    Two stages before ordinary training, after "NerCo: A Contrastive Learning Based Two-Stage Chinese NER Method"
    (IJCAI 2023, doi 10.24963/ijcai.2023/587): the encoder learns to separate entity types with a contrastive loss over
    tokens; then, optionally, the head alone learns over the frozen encoder. Ordinary training follows with the best
    weights and a fresh optimizer.

    Besides the files of `StagedTraining` it writes `tokens_by_type.png`, a plot of token vectors before and after.

    # Parameters

    serialization_dir : `str`
    epochs : `int`
        The most epochs of the contrastive stage; 0: no such stage.
    freeze : `Optional[Union[str, list[str]]]`
        Regular expressions; parameters whose name contains a match do not learn in the contrastive stage. Left out:
        the parameters of the pretrained transformer, or none if nothing else between text and vectors can learn.
    head_only_epochs : `int`
        The most epochs of the stage in which the head alone learns; 0: no such stage.
    head_only : `Optional[HeadOnlyOptions]`
        The options of that stage.
    save_to : `Optional[str]`
        A file for the weights of the whole model after the contrastive stage.
    load_from : `Optional[str]`
        Such a file, loaded instead of running the contrastive stage; from a model with the same head.
    pictures : `bool`
        Whether to plot token vectors.
    tensorboard : `Optional[bool]`
        See `StagedTraining`.
    **contrastive
        The fields of `ContrastiveOptions`.

    # Raises

    `ConfigError` for options that contradict the model or each other, and if no batch of the training data has two
    tokens of one entity type.
    """

    name = "nerco"

    @takes_options(ContrastiveOptions)
    def __init__(
        self,
        serialization_dir: str,
        epochs: int = 100,
        freeze: Optional[Union[str, list[str]]] = None,
        head_only_epochs: int = 0,
        head_only: Optional[HeadOnlyOptions] = None,
        save_to: Optional[str] = None,
        load_from: Optional[str] = None,
        pictures: bool = True,
        tensorboard: Optional[bool] = None,
        **contrastive: Any,
    ) -> None:
        super().__init__(serialization_dir, tensorboard)
        if epochs < 0 or head_only_epochs < 0:
            raise ConfigError("nerco.epochs and nerco.head_only_epochs have to be 0 or more")
        if head_only is not None and not head_only_epochs:
            raise ConfigError("nerco.head_only has no effect without nerco.head_only_epochs: set both or neither")
        if save_to is not None and (not epochs or load_from is not None):
            raise ConfigError("nerco.save_to saves the weights after the contrastive stage, but there is no such stage")
        self.contrastive = ContrastiveOptions(**contrastive)
        self.epochs = epochs
        self.freeze = freeze
        self.head_only_epochs = head_only_epochs
        self.head_only = head_only or HeadOnlyOptions()
        self.save_to = save_to
        self.load_from = load_from
        self.pictures = pictures

    def stages(self, trainer: Any) -> Sequence[StageMaker]:
        """The contrastive stage and the head-only stage, if they are enabled."""

        def contrastive() -> Stage:
            return self._contrastive_stage(trainer)

        def head_only() -> Stage:
            frozen = frozen_by(OUTSIDE_HEAD, trainer, "nerco")
            return supervised_stage(HEAD_ONLY, self.head_only_epochs, self.head_only, trainer, frozen)

        stages: list[StageMaker] = []
        if self.epochs and self.load_from is None:
            stages.append((CONTRASTIVE, contrastive))
        if self.head_only_epochs:
            stages.append((HEAD_ONLY, head_only))
        return stages

    def before_stages(self, trainer: Any) -> bool:
        """Load the weights of an earlier contrastive stage from `load_from`."""
        if self.load_from is None:
            return False
        try:
            weights = safe_load.load(self.load_from, map_location="cpu")
        except OSError as error:
            raise ConfigError(f"nerco.load_from: {self.load_from} cannot be read ({error.strerror})") from error
        _check_weights(trainer.model.state_dict(), weights, self.load_from)
        trainer.model.load_state_dict(weights)
        logger.info("nerco: loaded the weights of %s instead of running the contrastive stage", self.load_from)
        return True

    def after_stage(self, name: str, trainer: Any) -> None:
        """Save the weights to `save_to`."""
        if name == CONTRASTIVE and self.save_to is not None:
            save_weights(trainer.model.state_dict(), self.save_to)

    def _contrastive_stage(self, trainer: Any) -> Stage:
        if self.save_to is not None:
            check_writable(self.save_to, "nerco.save_to")
        options = self.contrastive
        # Small parts need less padding, which costs time on a CPU; a GPU is faster with few large steps.
        part_size = PART_SIZE if torch.device(trainer.cuda_device).type == "cpu" else None
        training = training_batches(trainer, options.batch_size, part_size)
        validation = None
        if select_by(options.select_on, "dev_loss", trainer, self.name) != "last":
            validation = validation_batches(trainer, max(options.batch_size // 2, 1), part_size)
        assert options.loss is not None
        objective = ContrastiveObjective(trainer, validation, validation or training, options.loss, self.pictures)
        frozen = self._frozen(trainer, objective, training)
        if options.optimizer is None:
            tunes_transformer = bool(pretrained_parameters(trainer.model) - frozen)
            default = Lazy(Optimizer, Params(dict(_ADAMW if tunes_transformer else _SGD)))
            options = replace(options, optimizer=default)
        return Stage(CONTRASTIVE, self.epochs, options, trainer, objective, training, frozen)

    def _frozen(self, trainer: Any, objective: ContrastiveObjective, training: EpochBatches) -> set[str]:
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
            raise ConfigError("nerco.freeze leaves nothing to learn between text and compared vectors: freeze less")
        logger.info("nerco: only the pretrained transformer computes the vectors, so it is not frozen")
        return set()


def _check_weights(own: dict[str, torch.Tensor], given: dict[str, torch.Tensor], path: str) -> None:
    """`ConfigError` unless the weights belong to a model with the same names and shapes."""
    if not isinstance(given, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in given.values()):
        raise ConfigError(f"nerco.load_from: {path} does not hold a model's weights: give a file written by save_to")
    missing, unknown = own.keys() - given.keys(), given.keys() - own.keys()
    other = [name for name in own.keys() & given.keys() if own[name].shape != given[name].shape]
    problems = [
        f"{what} {', '.join(sorted(names)[:3])}{', …' if len(names) > 3 else ''}"
        for what, names in (("it lacks", missing), ("the model lacks", unknown), ("shapes differ for", other))
        if names
    ]
    if problems:
        raise ConfigError(
            f"nerco.load_from: {path} is from another model: {'; '.join(problems)}. Use the configuration and the "
            "training data that it was saved with"
        )
