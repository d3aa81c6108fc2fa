"""The loss of a masked language model over the encoder inside a model."""

import logging
import math
from pathlib import Path
from typing import Any, Mapping, Optional

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Module

from ner_plugins.distributed import broadcast_parameters, is_first_rank, sums_over_ranks
from ner_plugins.token_embedders.transformer_embedder import TransformerEmbedder
from ner_plugins.training.engine.batches import Batch
from ner_plugins.training.freezing import gradients_and_modes_kept
from ner_plugins.training.masked_lm.batches import MaskedBatches
from ner_plugins.training.stages.log import StageLog
from ner_plugins.training.stages.objectives import Objective

logger = logging.getLogger(__name__)

_HIGHEST_LOSS = 500.0  # of which the exponential is a float


class MaskedObjective(Objective):
    """
    Cross-entropy of the masked pieces, averaged over those of a batch (Devlin et al. 2019).

    # Parameters

    trainer : `GradientDescentTrainer`
    validation : `Optional[MaskedBatches]`
    embedder : `TransformerEmbedder`
        The embedder in the model; its own encoder learns.
    head : `Module`
        From vectors, (pieces, dim), to logits, (pieces, vocabulary); it learns with the encoder, and is not kept.
    stage : `str`
        The name of the stage in the log.
    """

    nothing_to_learn = "no sentence has a word to mask"

    def __init__(
        self,
        trainer: Any,
        validation: Optional[MaskedBatches],
        embedder: TransformerEmbedder,
        head: Module,
        stage: str,
    ) -> None:
        super().__init__(trainer, validation)
        self.embedder = embedder
        self.head = head
        self._stage = stage
        broadcast_parameters(head)

    @property
    def module(self) -> Optional[Module]:
        """The head."""
        return self.head

    @property
    def watched(self) -> list[str]:
        """The loss, and the perplexity: its exponential."""
        return ["loss", "perplexity"]

    def loss(self, batch: Batch) -> Optional[Tensor]:
        """The mean over the masked pieces; `None` if there is none."""
        if self.weight(batch) == 0:
            return None
        return F.cross_entropy(*self._predicted(batch))

    def weight(self, batch: Batch) -> float:
        """The number of masked pieces."""
        return float(sum(len(part["targets"]) for part in batch))

    def validate(self) -> dict[str, float]:
        """`loss`: the mean over all masked pieces; `perplexity`; and `accuracy`: the share of pieces found."""
        assert self.validation is not None
        self.head.eval()
        loss = right = number = 0.0
        for batch in self.validation:
            logits, targets = self._predicted(batch)
            loss += float(F.cross_entropy(logits, targets, reduction="sum"))
            right += float((logits.argmax(-1) == targets).sum())
            number += len(targets)
        loss, right, number = sums_over_ranks([loss, right, number], self.trainer.cuda_device)
        mean = loss / max(number, 1.0)
        return {"loss": mean, "perplexity": perplexity(mean), "accuracy": right / max(number, 1.0)}

    def score(self, figures: Mapping[str, float]) -> tuple[float, ...]:
        """The negative loss."""
        return (-figures["loss"],)

    def training_figures(self, loss: float) -> dict[str, float]:
        """The perplexity of the training loss."""
        return {"training_perplexity": perplexity(loss)}

    @torch.no_grad()
    def before(self) -> dict[str, Any]:
        """The figures of the validation data."""
        if self.validation is None:
            return {}
        with gradients_and_modes_kept(self.model):
            self.model.eval()
            return dict(self.validate())

    def after(self, before: dict[str, Any], log: StageLog, folder: Path) -> None:
        """Log the perplexity of each epoch in one line, and before the first."""
        name = "training_perplexity" if self.validation is None else "validation_perplexity"
        found = [line[name] for line in log.lines if line.get("stage") == self._stage]
        if before:
            log.add_figures("before", before)
        if is_first_rank() and found:
            start = f"{before['perplexity']:.2f} before the stage, then " if before else ""
            by_epoch = ", ".join(f"{value:.2f}" for value in found)
            logger.info("%s: %s by epoch: %s%s", self._stage, name.replace("_", " "), start, by_epoch)

    def _predicted(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The logits of the masked pieces, (pieces, vocabulary), in float32 at least, and their ids, (pieces,)."""
        (part,) = batch
        with self.precision.autocast():
            vectors = self.embedder.last_layer(part["piece_ids"], part["lengths"], part["known"])
            logits: Tensor = self.head(vectors.flatten(0, 1)[part["places"]])
        dtype = torch.promote_types(logits.dtype, torch.float32)
        return logits.to(dtype), part["targets"]


def perplexity(loss: float) -> float:
    """The exponential of a loss per piece."""
    return math.exp(min(loss, _HIGHEST_LOSS))
