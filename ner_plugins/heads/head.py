"""What a model asks of its head: scores, a loss, decoding, and which gold it could predict."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Optional, Sequence

import torch
from allennlp.common import Registrable
from torch import Tensor

from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError
from ner_plugins.heads.decoding import DecodedSpans
from ner_plugins.heads.distributions import DistributionAxis
from ner_plugins.heads.type_axes import Axes, copy_known_entries
from ner_plugins.modules.crf.tagging import Spans
from ner_plugins.modules.losses.weighted_loss import WeightedLoss, divisor, number_on, weighed


class Head(torch.nn.Module, Registrable, ABC):
    """
    From encoded tokens to entities. `NerModel` builds its head with `encoding_dim` and `types`; everything else is an
    option of the head. Register a head of your own with `@Head.register("name")`.

    # Parameters

    encoding_dim : `int`
        Size of the token vectors.
    types : `Sequence[str]`
        The entity types, in order of their ids.
    """

    default_implementation = "tags"
    fixed_options: ClassVar[frozenset[str]] = frozenset({"encoding_dim", "types"})
    """What the model gives; a config that gives one of these is refused."""

    def __init__(self, encoding_dim: int, types: Sequence[str]) -> None:
        super().__init__()
        self.encoding_dim = encoding_dim
        self.types = list(types)

    def forward(self, encoded: Tensor, mask: Tensor) -> Any:
        """Same as `score`."""
        return self.score(encoded, mask)

    @abstractmethod
    def score(self, encoded: Tensor, mask: Tensor) -> Any:
        """
        # Parameters

        encoded : `torch.Tensor`
            Tokens in context, zero at padding. Shape: (batch, tokens, encoding_dim)
        mask : `torch.BoolTensor`
            Which tokens are real. Shape: (batch, tokens)

        # Returns

        `torch.Tensor`, or a `NamedTuple` of tensors
            Whatever `loss` and `decode` of this head take, finite at padding.
        """

    @abstractmethod
    def loss(self, scores: Any, entities: Tensor, mask: Tensor) -> Tensor:
        """
        # Parameters

        scores : `Any`
            As returned by `score`.
        entities : `torch.LongTensor`
            Gold rows of (first token, last token + 1, type id); a padding row is all -1. Shape: (batch, entities, 3)
        mask : `torch.BoolTensor`
            Shape: (batch, tokens)

        # Returns

        `torch.Tensor`
            The training loss, a scalar.
        """

    def weighted_loss(
        self, scores: Any, entities: Tensor, mask: Tensor, weights: Optional[Tensor] = None
    ) -> WeightedLoss:
        """
        `loss` with the weights of sentences, and the number that it is averaged over. Batches that are accumulated, and
        the batches of several processes, count by it. This method is for a `loss` that is a mean over the sentences: a
        head whose loss is another mean, or a sum, overrides it.

        # Parameters

        scores, entities, mask
            As in `loss`.
        weights : `Optional[torch.Tensor]`, optional (default=`None`)
            0 or more; `None` if every sentence has the weight 1. A sentence with the weight 2 counts as if it stood in
            the batch twice. Shape: (batch,)
        """
        if weights is None:
            return WeightedLoss(self.loss(scores, entities, mask), number_on(len(mask), mask.device))
        losses = [self.loss(_rows(scores, row), entities[row], mask[row]) for row in _single_rows(len(mask))]
        number = weights.sum()
        return WeightedLoss(weighed(torch.stack(losses), weights).sum() / divisor(number), number)

    def divergence(
        self, first: Any, second: Any, entities: Tensor, mask: Tensor, weights: Optional[Tensor] = None
    ) -> Tensor:
        """
        How far apart two predictions for the same sentences are, for the callback `r_drop`:
        (KL(P || Q) + KL(Q || P)) / 2 of what they are distributions over, summed over the batch, each sentence with its
        weight.

        # Parameters

        first, second : `Any`
            As returned by `score`, with dropout of their own.
        entities, mask, weights : `torch.Tensor`
            As in `weighted_loss`.

        # Returns

        `torch.Tensor`
            A scalar, differentiable in both.

        # Raises

        `ConfigError` if the head does not define it.
        """
        raise ConfigError(f"the head {type(self).__name__} has no `divergence`, which r_drop needs")

    def distributions(self, scores: Any, mask: Tensor, temperature: float = 1.0) -> Tensor:
        """
        What a prediction is made of, as distributions that a student can learn (`model.distillation`).

        # Parameters

        scores, mask
            As in `loss`.
        temperature : `float`, optional (default=`1.0`)
            All scores are divided by it.

        # Returns

        `torch.Tensor`
            Log-probabilities; 0 where there is no cell. A cell is a token or a span; its parts are distributions of
            their own, of which the mean counts. Differentiable. Shape: (batch, tokens, ..., parts, classes)

        # Raises

        `ConfigError` if the head does not define it.
        """
        raise ConfigError(
            f"the head {type(self).__name__} has no `distributions`, which model.distillation needs: see "
            "ner_plugins.heads.head.Head.distributions"
        )

    def distribution_axis(self) -> DistributionAxis:
        """
        Which axis of `distributions` depends on the types, and what stands there.

        # Raises

        `ConfigError` as `distributions`.
        """
        raise ConfigError(f"the head {type(self).__name__} has no `distribution_axis`, which model.distillation needs")

    @abstractmethod
    def decode(self, scores: Any, mask: Tensor, thresholds: Optional[Tensor] = None) -> DecodedSpans:
        """
        # Parameters

        scores : `Any`
            As returned by `score`.
        mask : `torch.BoolTensor`
            Shape: (batch, tokens)
        thresholds : `Optional[torch.Tensor]`, optional (default=`None`)
            The lowest probability of each type. Shape: (types,)

        # Returns

        `DecodedSpans`
            The predicted spans of the batch, on the device of `mask`.
        """

    def logits_of(self, scores: Any, mask: Tensor) -> tuple[Tensor, ...]:
        """
        All that decoding depends on, as tensors whose means over several heads are scores too: an ensemble averages
        them. `decode` is `decode_logits` of them.

        # Parameters

        scores : `Any`
            As returned by `score`.
        mask : `torch.BoolTensor`
            Shape: (batch, tokens)

        # Raises

        `ConfigError` if the head does not define it.
        """
        raise ConfigError(
            f"the head {type(self).__name__} has no `logits_of`, so its scores cannot be averaged: combine models by "
            "their votes"
        )

    def decode_logits(
        self, logits: tuple[Tensor, ...], mask: Tensor, thresholds: Optional[Tensor] = None
    ) -> DecodedSpans:
        """
        `decode`, of what `logits_of` returns; no parameter of the head has an effect.

        # Raises

        `ConfigError` as `logits_of`.
        """
        raise ConfigError(f"the head {type(self).__name__} has no `decode_logits`")

    def decoding_options(self) -> dict[str, Any]:
        """
        The options that the meaning of logits, and decoding, depend on: heads whose logits are averaged have the same.
        """
        return {}

    def n_best(self, scores: Any, mask: Tensor, number: int) -> list[tuple[list[tuple[int, int, int]], float]]:
        """
        The most probable predictions for one sentence as a whole, for a user to choose from.

        # Parameters

        scores : `Any`
            As returned by `score`.
        mask : `torch.BoolTensor`
            Shape: (1, tokens)
        number : `int`
            How many.

        # Returns

        `list[tuple[list[tuple[int, int, int]], float]]`
            For each, best first: its entities as (first token, last token + 1, type id), and its probability. Fewer
            than `number` if there are fewer.

        # Raises

        `ConfigError` if the head has no probabilities of whole predictions.
        """
        raise ConfigError(
            f"the head {type(self).__name__} has no n-best list: it scores each span by itself, and has no probability "
            "of all entities of a text together, as `tags` has"
        )

    def candidates(self, scores: Any, mask: Tensor, floor: float) -> DecodedSpans:
        """
        Every span and type with a probability of at least `floor`, whether or not `decode` would choose it.

        # Parameters

        scores : `Any`
            As returned by `score`.
        mask : `torch.BoolTensor`
            The tokens of each text are the first ones. Shape: (batch, tokens)
        floor : `float`

        # Returns

        `DecodedSpans`
            Ordered by sentence, start, end and type; they may overlap. A span that `decode` finds has the same
            probability here.

        # Raises

        `ConfigError` if the head does not define it.
        """
        raise ConfigError(f"the head {type(self).__name__} has no `candidates`, which out-of-fold predictions need")

    def span_probabilities(self, scores: Any, mask: Tensor, spans: Spans) -> Tensor:
        """
        The probability of given spans and types; of a span among `candidates` the same as there.

        # Parameters

        scores, mask
            As in `candidates`.
        spans : `Spans`

        # Returns

        `torch.Tensor`
            NaN for a span that the head cannot predict, such as one that is too wide. Shape: (spans,)

        # Raises

        `ConfigError` if the head does not define it.
        """
        raise ConfigError(
            f"the head {type(self).__name__} has no `span_probabilities`, which out-of-fold predictions need"
        )

    def type_axes(self) -> dict[str, Axes]:
        """
        Which parameters depend on the types, so that a model can learn further ones (`from_archive` with
        `new_types: "extend"`).

        # Returns

        `dict[str, Axes]`
            What the entries along each axis stand for, by the parameter's name. All other parameters have the same
            shape and meaning whatever the types.

        # Raises

        `ConfigError` if the head does not define it.
        """
        raise ConfigError(
            f'the head {type(self).__name__} has no `type_axes`, which new_types: "extend" needs; "replace" gives the '
            "encoder a new head"
        )

    def keep_learnt(self, trained: "Head") -> None:
        """
        Take over what a head with the same options has learnt for other types. What belongs to a type that it lacks
        stays as it is.

        # Raises

        `ConfigError` as `type_axes`.
        """
        copy_known_entries(trained, self, trained.type_axes(), self.type_axes())

    @abstractmethod
    def reachable(self, entities: Sequence[Entity]) -> Sequence[Entity]:
        """Those of a sentence's gold entities, in tokens, that the head could predict together."""


def _single_rows(number: int) -> list[slice]:
    return [slice(row, row + 1) for row in range(number)]


def _rows(scores: Any, rows: slice) -> Any:
    """Some sentences of the scores of a batch: a tensor, or a `NamedTuple` of tensors."""
    return scores[rows] if isinstance(scores, Tensor) else type(scores)(*(part[rows] for part in scores))
