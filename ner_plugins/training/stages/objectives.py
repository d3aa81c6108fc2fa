"""What a stage learns: the contrastive loss of an encoder's tokens, or the model's own loss."""

from abc import ABC, abstractmethod
from collections import Counter
from pathlib import Path
from typing import Any, Mapping, Optional

import torch
from allennlp.common import Lazy
from torch import Tensor

from ner_plugins.distributed import broadcast_parameters, sums_over_ranks, world_size
from ner_plugins.errors import ConfigError
from ner_plugins.fields.entities_field import EntitiesField
from ner_plugins.modules.losses.contrastive import ContrastiveLoss
from ner_plugins.training.separation import SENTENCES, report_separation, token_vectors
from ner_plugins.training.stages.batches import Batch, StageBatches
from ner_plugins.training.stages.encoded_batches import encoded
from ner_plugins.training.stages.log import StageLog
from ner_plugins.training.stages.updates import Precision
from ner_plugins.training.trainer_access import validation_metrics, validation_score

_NO_VALIDATION_LOSS = (
    "nerco: no batch of the validation data has two tokens of one entity type, so there is no validation loss to "
    'select on: set select_on to "last", or give more labelled validation data'
)


class Objective(ABC):
    """
    A loss, and the figure by which epochs are compared.

    # Parameters

    trainer : `GradientDescentTrainer`
        Its model learns.
    validation : `Optional[StageBatches]`
    """

    def __init__(self, trainer: Any, validation: Optional[StageBatches]) -> None:
        self.trainer = trainer
        self.model = trainer.model
        self.validation = validation
        self.precision = Precision(trainer)

    @property
    def module(self) -> Optional[torch.nn.Module]:
        """The loss's own parameters, if it has any."""
        return None

    @property
    def watched(self) -> list[str]:
        """Which of `validate`'s figures messages tell."""
        return ["loss"]

    @abstractmethod
    def loss(self, batch: Batch) -> Optional[Tensor]:
        """The loss of a batch, a scalar; `None` if there is nothing in it to learn from."""

    @abstractmethod
    def validate(self) -> dict[str, float]:
        """
        Figures of the validation data, the same on all ranks; the model is in evaluation mode and there is no graph.
        """

    @abstractmethod
    def score(self, figures: Mapping[str, float]) -> tuple[float, ...]:
        """Of `validate`'s figures those by which epochs are compared: more is better, and the first counts most."""

    def end_training_epoch(self) -> None:  # noqa: B027
        """Called when all batches of an epoch are done."""

    def before(self) -> dict[str, Any]:
        """What `after` has to know of the model as it is before the stage: tensors and plain containers."""
        return {}

    def after(self, before: dict[str, Any], log: StageLog, folder: Path) -> None:  # noqa: B027
        """Report what the stage has changed."""


class ContrastiveObjective(Objective):
    """
    A `ContrastiveLoss` over the vectors that the model's `encode_tokens` gives, before the head.

    # Parameters

    trainer : `GradientDescentTrainer`
    validation : `Optional[StageBatches]`
    shown : `StageBatches`
        Sentences whose vectors are compared before and after.
    loss : `Lazy[ContrastiveLoss]`
        Built for the size of the model's vectors.
    pictures : `bool`
        Whether to draw the vectors before and after.

    # Raises

    `ConfigError` if the model has no `encode_tokens`.
    """

    def __init__(
        self,
        trainer: Any,
        validation: Optional[StageBatches],
        shown: StageBatches,
        loss: Lazy[ContrastiveLoss],
        pictures: bool,
    ) -> None:
        super().__init__(trainer, validation)
        if not hasattr(self.model, "encode_tokens"):
            raise ConfigError(
                f"the callback nerco needs a model with encode_tokens, and {type(self.model).__name__} has none: "
                "use a model of this package"
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
        """The loss, with its projection head if it has one."""
        return self.contrastive

    def learns(self, batch: Batch) -> bool:
        """Whether anything on the way to the vectors of a batch has a parameter that learns."""
        with self.precision.autocast():
            vectors, *_ = encoded(self.model, batch)
        return bool(vectors.requires_grad)

    def loss(self, batch: Batch) -> Optional[Tensor]:
        """`None` for a batch without a pair of tokens of one type."""
        with self.precision.autocast():
            loss: Tensor = self.contrastive(*encoded(self.model, batch))
        return loss if self.contrastive.has_pairs else None

    def validate(self) -> dict[str, float]:
        """`loss`, the mean over batches with a pair."""
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
        """The less the loss the better."""
        return (-figures["loss"],)

    def before(self) -> dict[str, Any]:
        """Vectors of some tokens."""
        return self._vectors()

    def after(self, before: dict[str, Any], log: StageLog, folder: Path) -> None:
        """A picture and figures of the same tokens' vectors before and after."""
        report_separation(before, self._vectors(), self.model.types, log, folder, self.pictures)

    def _vectors(self) -> dict[str, Any]:
        return token_vectors(self.model, self._shown.sampled(SENTENCES), self.precision)


class SupervisedObjective(Objective):
    """
    The model's own loss and metrics.

    # Parameters

    trainer : `GradientDescentTrainer`
    validation : `Optional[StageBatches]`
    select_on : `str`
        `metric`, the trainer's validation metric; or `loss`.
    """

    def __init__(self, trainer: Any, validation: Optional[StageBatches], select_on: str) -> None:
        super().__init__(trainer, validation)
        self.select_on = select_on

    @property
    def watched(self) -> list[str]:
        """The loss, and what the trainer's `validation_metric` names."""
        return list(dict.fromkeys(["loss", *validation_metrics(self.trainer)]))

    def loss(self, batch: Batch) -> Optional[Tensor]:
        """With the model's regularization, as in ordinary training."""
        (sentences,) = batch
        with self.precision.autocast():
            loss: Tensor = self.model(**sentences)["loss"]
            penalty = self.model.get_regularization_penalty()
        return loss if penalty is None else loss + penalty

    def end_training_epoch(self) -> None:
        """What was counted in training steps is no part of the validation."""
        self.model.get_metrics(reset=True)

    def validate(self) -> dict[str, float]:
        """The model's figures, and `loss`, the mean over batches."""
        assert self.validation is not None
        losses = []
        for (sentences,) in self.validation:
            with self.precision.autocast():
                output = self.model(**sentences)
            if "loss" in output:  # else there is no gold, of which the metrics complain
                losses.append(float(output["loss"]))
        total, number = sums_over_ranks([sum(losses), len(losses)], self.trainer.cuda_device)
        figures: dict[str, float] = self.model.get_metrics(reset=True)
        return {**figures, "loss": total / max(number, 1.0)}

    def score(self, figures: Mapping[str, float]) -> tuple[float, ...]:
        """
        By the trainer's `validation_metric`, where that is equal (as 0 is while a head finds nothing yet) by the loss;
        or by the loss alone, of which less is better.
        """
        if self.select_on == "loss":
            return (-figures["loss"],)
        return validation_score(self.trainer, figures), -figures["loss"]


def _check_pairs(validation: StageBatches) -> None:
    """`ConfigError` if no batch can have two tokens of one type: better now than after an epoch."""
    tokens: Counter[str] = Counter()
    for instance in validation.instances:
        field = instance.fields.get("entities")
        if not isinstance(field, EntitiesField):
            return  # which `encoded` tells
        for start, end, type_ in field.entities:
            tokens[type_] += end - start
    if world_size() == 1 and all(number < 2 for number in tokens.values()):
        raise ConfigError(_NO_VALIDATION_LOSS)
