"""Sampling of negative (non-entity) cells."""

from abc import ABC, abstractmethod
from typing import Literal

import torch
from allennlp.common import Registrable
from torch import Tensor

from ner_plugins.errors import ConfigError


class NegativeSampling(torch.nn.Module, Registrable, ABC):
    """
    Draws the negative cells that a loss counts, anew in every training step from torch's random generator. In
    evaluation all count. Cells with gold always count: `CellLoss` sees to that.
    """

    @abstractmethod
    def draw(self, positives: Tensor, negatives: Tensor) -> Tensor:
        """
        # Parameters

        positives : `torch.BoolTensor`
            The cells that are entities. Shape: (batch, ...)
        negatives : `torch.BoolTensor`
            The cells to draw from. Shape: (batch, ...)

        # Returns

        `torch.BoolTensor`
            The drawn cells, a subset of `negatives`. Shape: (batch, ...)
        """

    def forward(self, positives: Tensor, negatives: Tensor) -> Tensor:
        """`draw` in training, all `negatives` in evaluation."""
        return self.draw(positives, negatives) if self.training else negatives


@NegativeSampling.register("ratio")
class RatioNegativeSampling(NegativeSampling):
    """
    Keeps each negative cell with the same probability, independently. (`neg_sample` of Biaffine-BERT-NER, which
    reports 0.3; there it has no effect with the focal loss, here it works with every loss.)

    # Parameters

    probability : `float`
        The probability of keeping a cell.

    # Raises

    `ConfigError` if `probability` is outside (0, 1].
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        if not 0.0 < probability <= 1.0:
            raise ConfigError(f"negative_sampling.probability must be in (0, 1], got {probability}")
        self.probability = probability

    def draw(self, positives: Tensor, negatives: Tensor) -> Tensor:
        """`NegativeSampling.draw`."""
        return negatives & (torch.rand(negatives.shape, device=negatives.device) < self.probability)


@NegativeSampling.register("per_positive")
class PerPositiveNegativeSampling(NegativeSampling):
    """
    Keeps a fixed number of negative cells per entity, drawn uniformly without replacement. (The author of biaffine-ner
    advises about 5 for small data sets: juntaoy/biaffine-ner, issue 6.)

    # Parameters

    negatives : `int`, optional (default=`5`)
        Negatives per entity; all of them if there are fewer.
    at_least : `int`, optional (default=`5`)
        The minimum per scope, so that a text without entities trains too.
    scope : `str`, optional (default=`"sentence"`)
        Where entities are counted and negatives drawn: in each `sentence`, or in the whole `batch`.

    # Raises

    `ConfigError` if `negatives` is below 1 or `at_least` below 0.
    """

    def __init__(self, negatives: int = 5, at_least: int = 5, scope: Literal["sentence", "batch"] = "sentence") -> None:
        super().__init__()
        if negatives < 1:
            raise ConfigError(f"negative_sampling.negatives must be >= 1, got {negatives}")
        if at_least < 0:
            raise ConfigError(f"negative_sampling.at_least must be >= 0, got {at_least}")
        self.negatives, self.at_least, self.scope = negatives, at_least, scope

    def draw(self, positives: Tensor, negatives: Tensor) -> Tensor:
        """`NegativeSampling.draw`."""
        groups = negatives.size(0) if self.scope == "sentence" else 1
        candidates = negatives.reshape(groups, -1)  # Shape of this and the next: (groups, cells)
        # A random order with negatives first; the sort breaks ties, so the number drawn is exact.
        order = torch.rand(candidates.shape, device=candidates.device).masked_fill(~candidates, 2.0).argsort(-1)
        # Shape: (groups, 1)
        quota = (self.negatives * positives.reshape(groups, -1).sum(-1, keepdim=True)).clamp(min=self.at_least)
        first = torch.arange(candidates.size(-1), device=candidates.device) < quota  # Shape: (groups, cells)
        drawn = torch.zeros_like(candidates).scatter_(-1, order, first)
        return (drawn & candidates).view_as(negatives)
