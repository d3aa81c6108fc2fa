"""The weights that the sentences of a batch have in its loss."""

import inspect
from typing import Any, Mapping, Optional, Sequence

import torch
from torch import Tensor

from ner_plugins.errors import ConfigError
from ner_plugins.heads.head import Head
from ner_plugins.models.parts import moved
from ner_plugins.modules.losses.weighted_loss import WeightedLoss


class SentenceWeights:
    """
    The weights of sentences as the reader gives them, in training changed by a curriculum.

    # Attributes

    share : `float`
        In training, weights below 1 are multiplied by it: see the callback `curriculum`.
    """

    def __init__(self) -> None:
        self.share = 1.0

    def __call__(
        self, metadata: Sequence[Mapping[str, Any]], device: torch.device, training: bool = False
    ) -> Optional[Tensor]:
        """
        # Parameters

        metadata : `Sequence[Mapping[str, Any]]`
            Of the sentences, with `weight` where that is not 1.
        device : `torch.device`
        training : `bool`, optional (default=`False`)
            Whether `share` counts.

        # Returns

        `Optional[torch.Tensor]`
            `None` if all are 1. Shape: (batch,)
        """
        weights = [float(sentence.get("weight", 1.0)) for sentence in metadata]
        if training:
            weights = [weight if weight >= 1.0 else weight * self.share for weight in weights]
        if all(weight == 1.0 for weight in weights):
            return None
        return moved(torch.tensor(weights), device)


def weighted_loss(
    head: Head, scores: Any, entities: Tensor, mask: Tensor, weights: Optional[Tensor] = None
) -> WeightedLoss:
    """
    `Head.weighted_loss`; without weights also of heads that know of none.

    # Raises

    `ConfigError` if there are weights and the head takes none.
    """
    if weights is None:
        return head.weighted_loss(scores, entities, mask)
    if "weights" not in inspect.signature(head.weighted_loss).parameters:
        raise ConfigError(
            f"the data have sentences with a weight, but `weighted_loss` of the head {type(head).__name__} has no "
            "parameter `weights`: see ner_plugins.heads.head.Head.weighted_loss, or remove the weights"
        )
    return head.weighted_loss(scores, entities, mask, weights)
