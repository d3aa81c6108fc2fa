"""The loss of a batch: gold, weights of sentences, sentences without gold, and a teacher."""

from typing import Any, Mapping, Optional, Sequence

import torch
from torch import Tensor

from ner_plugins.errors import ConfigError
from ner_plugins.heads.head import Head
from ner_plugins.models.distillation import Distillation
from ner_plugins.models.sentence_weights import weighted_loss
from ner_plugins.modules.losses.weighted_loss import WeightedLoss, divisor, weighed


class BatchLoss:
    """
    The loss of the scores of one batch: that of the gold, and with a teacher that of `Distillation`.

    # Parameters

    head : `Head`
    entities, mask : `torch.Tensor`
        As in `Head.loss`.
    metadata : `Sequence[Mapping[str, Any]]`
        Of the sentences. One whose gold is `None` has no part in the gold's loss.
    weights : `Optional[torch.Tensor]`
        Of the sentences; `None` if all have the weight 1. Shape: (batch,)
    distillation : `Optional[Distillation]`
        In training alone.

    # Raises

    `ConfigError` if there are sentences without gold in training, and no teacher.
    """

    def __init__(
        self,
        head: Head,
        entities: Tensor,
        mask: Tensor,
        metadata: Sequence[Mapping[str, Any]],
        weights: Optional[Tensor],
        distillation: Optional[Distillation],
    ) -> None:
        self._head, self._entities, self._mask = head, entities, mask
        self._metadata, self._weights, self._distillation = metadata, weights, distillation
        unlabelled = [place for place, one in enumerate(metadata) if is_unlabelled(one)]
        if unlabelled and head.training and distillation is None:
            where = metadata[unlabelled[0]].get("source") or "a sentence"
            raise ConfigError(
                f"{where} has no gold, and nothing is learnt from it: set model.distillation, or leave such sentences "
                "out (without dataset_reader.unlabelled they are refused)"
            )
        self._of_gold = weights
        if unlabelled:
            of_gold = mask.new_ones(len(mask), dtype=torch.float32) if weights is None else weights.clone()
            of_gold[unlabelled] = 0.0
            self._of_gold = of_gold  # Shape: (batch,)

    def __call__(self, scores: Any) -> WeightedLoss:
        """The loss of scores, as `Head.score` returns them."""
        gold = weighted_loss(self._head, scores, self._entities, self._mask, self._of_gold)
        if self._distillation is None:
            return gold
        number, loss = gold.number, gold.loss
        if self._of_gold is not self._weights:  # averaged over the labelled sentences, instead of over all
            with torch.no_grad():
                number = weighted_loss(self._head, scores, self._entities, self._mask, self._weights).number
            loss = loss * divisor(gold.number) / divisor(number)
        divergences = self._distillation.divergences(self._head, scores, self._mask, self._metadata)  # Shape: (batch,)
        taught = weighed(divergences, self._weights).sum() / divisor(number)
        share = self._distillation.weight
        return WeightedLoss((1 - share) * loss + share * taught, number)


def is_unlabelled(sentence: Mapping[str, Any]) -> bool:
    """Whether a sentence, by its metadata, has no gold."""
    return sentence.get("entities", ()) is None
