"""What a stage minimises: a contrastive loss of the encoder's token vectors, or the model's own loss."""

from abc import ABC, abstractmethod
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar, Iterable, Mapping, Optional

import torch
from allennlp.common import Lazy
from torch import Tensor

from ner_plugins.distributed import broadcast_parameters, sums_over_ranks, world_size
from ner_plugins.errors import ConfigError
from ner_plugins.fields.entities_field import EntitiesField
from ner_plugins.modules.losses.contrastive import ContrastiveLoss
from ner_plugins.training.engine.batches import Batch, EpochBatches
from ner_plugins.training.engine.gradients import Weight
from ner_plugins.training.engine.losses import Losses
from ner_plugins.training.engine.updates import Precision
from ner_plugins.training.separation import SENTENCES, report_separation, token_vectors
from ner_plugins.training.stages.encoded_batches import encoded
from ner_plugins.training.stages.log import StageLog
from ner_plugins.training.trainer_access import validation_metrics, validation_score

_NO_VALIDATION_LOSS = (
    "nerco: no batch of the validation data has two tokens of one entity type, so there is no validation loss to "
    'select on: set select_on to "last", or give more labelled validation data'
)


class Objective(ABC):
    """
    A loss, and the figures that epochs are compared by.

    # Parameters

    trainer : `GradientDescentTrainer`
        The trainer of the model.
    validation : `Optional[Iterable[Batch]]`
    """

    nothing_to_learn: ClassVar[str] = "no batch of the training data has a loss"
    """Why no batch may have a loss, for a message."""

    def __init__(self, trainer: Any, validation: Optional[Iterable[Batch]]) -> None:
        self.trainer = trainer
        self.model = trainer.model
        self.validation = validation
        self.precision = Precision(trainer)

    @property
    def module(self) -> Optional[torch.nn.Module]:
        """The module of the loss, if it has parameters of its own."""
        return None

    @property
    def watched(self) -> list[str]:
        """The names of the figures of `validate` to log."""
        return ["loss"]

    @abstractmethod
    def loss(self, batch: Batch) -> Optional[Tensor]:
        """The loss of a batch, a scalar; `None` if the batch has nothing to learn from."""

    def weight(self, batch: Batch) -> Weight:
        """What the batch's last `loss` is averaged over: see `WeightedLoss`. Without an override all count alike."""
        return 1.0

    def penalty(self) -> Optional[Tensor]:
        """A loss of the parameters alone, which is added to that of the batches."""
        return None

    @abstractmethod
    def validate(self) -> dict[str, float]:
        """The figures of the validation data, the same on all ranks. The caller sets evaluation mode and no_grad."""

    @abstractmethod
    def score(self, figures: Mapping[str, float]) -> tuple[float, ...]:
        """The figures that epochs are compared by: higher is better, and later ones break ties."""

    def end_training_epoch(self) -> None:  # noqa: B027
        """Called after the last training batch of an epoch."""

    def training_figures(self, loss: float) -> dict[str, float]:
        """Figures of an epoch besides its mean training loss."""
        return {}

    def before(self) -> dict[str, Any]:
        """Called before the stage; returns what `after` needs: tensors and plain containers."""
        return {}

    def after(self, before: dict[str, Any], log: StageLog, folder: Path) -> None:  # noqa: B027
        """Called after the stage, to report its effect."""


class ContrastiveObjective(Objective):
    """
    A `ContrastiveLoss` over the vectors of the model's `encode_tokens`, which the head would get.

    # Parameters

    trainer : `GradientDescentTrainer`
    validation : `Optional[EpochBatches]`
    shown : `EpochBatches`
        The sentences whose vectors are compared before and after the stage.
    loss : `Lazy[ContrastiveLoss]`
        It is constructed with the size of the model's vectors.
    pictures : `bool`
        Whether to plot the vectors before and after.

    # Raises

    `ConfigError` if the model has no `encode_tokens`.
    """

    nothing_to_learn = "no batch of the training data has two tokens of one entity type"

    def __init__(
        self,
        trainer: Any,
        validation: Optional[EpochBatches],
        shown: EpochBatches,
        loss: Lazy[ContrastiveLoss],
        pictures: bool,
    ) -> None:
        super().__init__(trainer, validation)
        if not hasattr(self.model, "encode_tokens"):
            raise ConfigError(
                f"the callback nerco needs a model with encode_tokens, but {type(self.model).__name__} has none. "
                "Use a model of this package"
            )
        if "input_dim" in loss._params:
            raise ConfigError("nerco.loss.input_dim is the size of the model's vectors: leave it out")
        self.contrastive: ContrastiveLoss = loss.construct(input_dim=self.model.encoding_dim).to(trainer.cuda_device)
        broadcast_parameters(self.contrastive)
        self.pictures = pictures
        self._shown = shown
        if validation is not None:
            _check_pairs(validation)

    @property
    def module(self) -> Optional[torch.nn.Module]:
        """The loss, whose projection head may have parameters."""
        return self.contrastive

    def learns(self, batch: Batch) -> bool:
        """Whether the vectors of a batch depend on a parameter that learns."""
        with self.precision.autocast():
            vectors, *_ = encoded(self.model, batch)
        return bool(vectors.requires_grad)

    def loss(self, batch: Batch) -> Optional[Tensor]:
        """`None` for a batch without a pair of tokens of one type."""
        with self.precision.autocast():
            loss: Tensor = self.contrastive(*encoded(self.model, batch))
        return loss if self.contrastive.has_pairs else None

    def validate(self) -> dict[str, float]:
        """`loss`: the mean over batches with a pair."""
        assert self.validation is not None
        self.contrastive.eval()
        losses = [loss for loss in map(self.loss, self.validation) if loss is not None]
        total, number = sums_over_ranks(
            [float(sum(float(loss) for loss in losses)), len(losses)], self.trainer.cuda_device
        )
        if number == 0:
            raise ConfigError(_NO_VALIDATION_LOSS)
        return {"loss": total / number}

    def score(self, figures: Mapping[str, float]) -> tuple[float, ...]:
        """The negative loss."""
        return (-figures["loss"],)

    def before(self) -> dict[str, Any]:
        """The vectors of some tokens."""
        return self._vectors()

    def after(self, before: dict[str, Any], log: StageLog, folder: Path) -> None:
        """Figures and a plot of the same tokens' vectors before and after."""
        report_separation(before, self._vectors(), self.model.types, log, folder, self.pictures)

    def _vectors(self) -> dict[str, Any]:
        return token_vectors(self.model, self._shown.sampled(SENTENCES), self.precision)


class SupervisedObjective(Objective):
    """
    The model's own loss and metrics.

    # Parameters

    trainer : `GradientDescentTrainer`
    validation : `Optional[EpochBatches]`
    select_on : `str`
        `metric` (the trainer's validation metric) or `loss`.
    """

    def __init__(self, trainer: Any, validation: Optional[EpochBatches], select_on: str) -> None:
        super().__init__(trainer, validation)
        self.select_on = select_on
        self._weight: Weight = 1.0

    @property
    def watched(self) -> list[str]:
        """The loss, and the figures in the trainer's `validation_metric`."""
        return list(dict.fromkeys(["loss", *validation_metrics(self.trainer)]))

    def loss(self, batch: Batch) -> Optional[Tensor]:
        """The model's loss."""
        (sentences,) = batch
        with self.precision.autocast():
            output = self.model(**sentences)
        self._weight = output.get("loss_weight", 1.0)
        loss: Tensor = output["loss"]
        return loss

    def weight(self, batch: Batch) -> Weight:
        """The model's `loss_weight`."""
        return self._weight

    def penalty(self) -> Optional[Tensor]:
        """The model's regularization."""
        penalty: Optional[Tensor] = self.model.get_regularization_penalty()
        return penalty

    def end_training_epoch(self) -> None:
        """Reset the metrics, so that training batches do not count in the validation."""
        self.model.get_metrics(reset=True)

    def validate(self) -> dict[str, float]:
        """The model's figures and `loss`, as the trainer computes them."""
        assert self.validation is not None
        losses = Losses(self.trainer.cuda_device, self.precision.scales)
        for batch in self.validation:
            (sentences,) = batch
            with self.precision.autocast():
                output = self.model(**sentences)
            if "loss" in output:  # without gold there is none, and the metrics raise
                losses.add(output["loss"], batch, "validation", weight=output.get("loss_weight"))
        figures: dict[str, float] = self.model.get_metrics(reset=True)
        return {**figures, "loss": losses.weighted_mean()}

    def score(self, figures: Mapping[str, float]) -> tuple[float, ...]:
        """
        The trainer's `validation_metric`, then the negative loss to break ties (a head that finds nothing yet has an F1
        of 0 in each epoch); with `select_on="loss"` the negative loss alone.
        """
        if self.select_on == "loss":
            return (-figures["loss"],)
        return validation_score(self.trainer, figures), -figures["loss"]


def _check_pairs(validation: EpochBatches) -> None:
    """`ConfigError` if no batch can have two tokens of one type; checked before the first epoch rather than after."""
    tokens: Counter[str] = Counter()
    for instance in validation.instances:
        field = instance.fields.get("entities")
        if not isinstance(field, EntitiesField):
            return  # `encoded` raises for unlabelled data
        for start, end, type_ in field.entities:
            tokens[type_] += end - start
    if world_size() == 1 and all(number < 2 for number in tokens.values()):
        raise ConfigError(_NO_VALIDATION_LOSS)
