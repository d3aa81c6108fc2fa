"""Which cells that are no entity count in a training step."""

from abc import abstractmethod

import torch
from allennlp.common import Registrable
from torch import Tensor

from ner_plugins.errors import ConfigError


class NegativeSampling(torch.nn.Module, Registrable):
    """
    A choice of the negative cells that a loss counts, drawn anew in every step by torch's generator. In evaluation all
    count. What holds gold always counts; that is the business of `SpanLoss`.
    """

    @abstractmethod
    def draw(self, positives: Tensor, negatives: Tensor) -> Tensor:
        """
        # Parameters

        positives : `torch.BoolTensor`
            The cells that are entities. Shape: (batch, ...)
        negatives : `torch.BoolTensor`
            The cells to choose from. Shape: (batch, ...)

        # Returns

        `torch.BoolTensor`
            Those that count, a subset of `negatives`. Shape: (batch, ...)
        """
        raise NotImplementedError

    def forward(self, positives: Tensor, negatives: Tensor) -> Tensor:
        """`draw` in training, all of `negatives` in evaluation."""
        return self.draw(positives, negatives) if self.training else negatives


@NegativeSampling.register("ratio")
class RatioNegativeSampling(NegativeSampling):
    """
    Keeps each negative cell with the same probability, independently (`neg_sample` of Biaffine-BERT-NER,
    which reports 0.3; there it does nothing beside the focal loss, here it goes with every loss).

    # Parameters

    probability : `float`
        Of being kept.

    # Raises

    `ConfigError` when `probability` does not lie in (0, 1].
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        if not 0.0 < probability <= 1.0:
            raise ConfigError(f"The probability of keeping a negative lies in (0, 1], not {probability}")
        self.probability = probability

    def draw(self, positives: Tensor, negatives: Tensor) -> Tensor:
        """`NegativeSampling.draw`."""
        return negatives & (torch.rand(negatives.shape, device=negatives.device) < self.probability)


@NegativeSampling.register("per_positive")
class PerPositiveNegativeSampling(NegativeSampling):
    """
    Keeps so many negative cells for each entity, drawn uniformly without replacement. (The author of biaffine-ner
    advises about 5 where data are scarce: juntaoy/biaffine-ner, issue 6.)

    # Parameters

    negatives : `int`, optional (default = `5`)
        How many for each entity; all there are, if there are fewer.
    at_least : `int`, optional (default = `5`)
        How many where there are few entities or none, so that a text without one teaches something too.
    scope : `str`, optional (default = `"sentence"`)
        Whether entities are counted, and negatives drawn, in each `sentence` by itself or in the whole `batch`.

    # Raises

    `ConfigError` when `negatives` is below 1, `at_least` below 0, or `scope` another word.
    """

    def __init__(self, negatives: int = 5, at_least: int = 5, scope: str = "sentence") -> None:
        super().__init__()
        if negatives < 1 or at_least < 0:
            raise ConfigError(
                f"Negatives per positive are at least 1, and at_least is 0 or more, not {negatives} and {at_least}"
            )
        if scope not in ("sentence", "batch"):
            raise ConfigError(f"Unknown scope {scope!r} of negative sampling (expected sentence or batch)")
        self.negatives, self.at_least, self.scope = negatives, at_least, scope

    def draw(self, positives: Tensor, negatives: Tensor) -> Tensor:
        """`NegativeSampling.draw`."""
        groups = negatives.size(0) if self.scope == "sentence" else 1
        candidates = negatives.reshape(groups, -1)  # Shape of this and the next two: (groups, cells)
        # In random order, negatives first; where two draws are equal the sort decides, and the number stays exact.
        order = torch.rand(candidates.shape, device=candidates.device).masked_fill(~candidates, 2.0).argsort(-1)
        quota = (self.negatives * positives.reshape(groups, -1).sum(-1, keepdim=True)).clamp(min=self.at_least)
        first = torch.arange(candidates.size(-1), device=candidates.device) < quota
        drawn = torch.zeros_like(candidates).scatter_(-1, order, first)
        return (drawn & candidates).view_as(negatives)
