"""Contrastive losses over tokens: they pull tokens of one entity type together and push other tokens away."""

from abc import ABC, abstractmethod
from typing import Any, Literal, NamedTuple, Optional

import torch
import torch.nn.functional as F
from allennlp.common import Registrable
from torch import Tensor

from ner_plugins.distributed import gather_rows, rank, world_size
from ner_plugins.errors import ConfigError, NerError

_ZERO = 1e-12  # a vector whose coordinates are all at most this counts as zero: normalising it would give NaN
_SENTENCES = 2**32  # more than a batch has, so that sentence numbers of two ranks differ


class Pairs(NamedTuple):
    """
    The anchors of a batch (tokens of entities, or all of them) and the tokens that they are compared with.

    # Parameters

    similarity : `torch.Tensor`
        Cosine of two anchors over the temperature. Shape: (anchors, anchors)
    positive : `torch.BoolTensor`
        [i, j]: j is a positive of anchor i. Shape: (anchors, anchors)
    types : `torch.LongTensor`
        The type of each anchor; -1, outside of entities, is a type like any other. Shape: (anchors,)
    others : `int`
        The number of tokens that are not anchors. They are negatives of every anchor.
    log_others : `torch.Tensor`
        The logarithm of each anchor's sum of exp(similarity) over those tokens; half the lowest number of its type if
        there are none (not -inf, whose gradient would be NaN). Shape: (anchors,)
    """

    similarity: Tensor
    positive: Tensor
    types: Tensor
    others: int
    log_others: Tensor

    @property
    def same_type(self) -> Tensor:
        """[i, j]: whether the two have the same type. Shape: (anchors, anchors)"""
        return self.types.unsqueeze(1) == self.types

    def log_sum(self, left_out: Tensor) -> Tensor:
        """
        The logarithm of each anchor's sum of exp(similarity) over all tokens but some anchors.

        # Parameters

        left_out : `torch.BoolTensor`
            [i, j]: whether the sum of anchor i leaves out anchor j. Shape: (anchors, anchors)

        # Returns

        `torch.Tensor`
            Shape: (anchors,)
        """
        kept = self.similarity.masked_fill(left_out, _lowest(self.similarity.dtype))  # Shape: (anchors, anchors)
        return torch.logaddexp(kept.logsumexp(1), self.log_others)


class ContrastiveLoss(torch.nn.Module, Registrable, ABC):
    """
    A loss over pairs of tokens from all sentences of a batch. The positives j of an anchor i are the tokens of its
    type, its negatives k the tokens of other types and outside of entities. s_ij is the cosine of their vectors divided
    by the temperature; the loss is small where s_ij is large compared with the s_ik. With P entity tokens and N others
    it needs O(P² + PN) memory. It is computed in float32 or float64, also under autocast.

    A zero vector has similarity 0 to all vectors, and no gradient. Padding is ignored.

    # Parameters

    temperature : `float`, optional (default=`0.07`)
        The divisor of the cosines.
    positives : `Literal["same_type", "same_type_other_entity"]`, optional (default=`"same_type"`)
        With `same_type_other_entity` the tokens of one entity are neither positives nor negatives of each other.
    anchors_include_o : `bool`, optional (default=`False`)
        Whether tokens outside of entities are anchors too, with a type of their own; each counts as one entity.
    max_o_negatives : `Optional[int]`, optional (default=`None`)
        The most tokens outside of entities in a training step (on each rank), sampled with torch's generator. `None`,
        and in evaluation: all.
    projection_head : `Literal["none", "mlp"]`, optional (default=`"none"`)
        A network that vectors go through before they are compared: `mlp` has two layers with a ReLU between them (Chen
        et al. 2020, "A Simple Framework for Contrastive Learning of Visual Representations", section 2.1). The caller
        trains its parameters.
    projection_dim : `int`, optional (default=`128`)
        The output size of `mlp`.
    input_dim : `Optional[int]`, optional (default=`None`)
        The size of the vectors; `mlp` needs it. The owner of the encoder passes it, not the config.
    gather_across_ranks : `bool`, optional (default=`False`)
        Whether training steps of distributed training compare the tokens of all ranks. Each rank then has the loss of
        the joint batch, and the gradients that DistributedDataParallel averages equal those of one process with that
        batch. All ranks have to make the step together.

    # Raises

    `ConfigError` if a number is out of range or `mlp` lacks `input_dim`; `NerError` from `forward` if shapes differ.
    """

    default_implementation = "nerco"

    def __init__(
        self,
        temperature: float = 0.07,
        positives: Literal["same_type", "same_type_other_entity"] = "same_type",
        anchors_include_o: bool = False,
        max_o_negatives: Optional[int] = None,
        projection_head: Literal["none", "mlp"] = "none",
        projection_dim: int = 128,
        input_dim: Optional[int] = None,
        gather_across_ranks: bool = False,
    ) -> None:
        super().__init__()
        if not 0.0 < temperature < float("inf"):
            raise ConfigError(f"temperature of a contrastive loss has to be finite and more than 0, not {temperature}")
        if projection_dim < 1:
            raise ConfigError(f"projection_dim of a contrastive loss has to be 1 or more, not {projection_dim}")
        if max_o_negatives is not None and max_o_negatives < 0:
            raise ConfigError(f"max_o_negatives has to be 0 or more, not {max_o_negatives}; leave it out to keep all")
        self.temperature = float(temperature)
        self.positives = positives
        self.anchors_include_o = anchors_include_o
        self.max_o_negatives = max_o_negatives
        self.gather_across_ranks = gather_across_ranks
        self.projection = _mlp(input_dim, projection_dim) if projection_head == "mlp" else None
        self._pairs = torch.zeros((), dtype=torch.int64)

    @property
    def has_pairs(self) -> bool:
        """Whether the last batch had a pair to learn from. Without one the loss and its gradients are 0."""
        return bool(self._pairs)

    def forward(self, z: Tensor, mask: Tensor, types: Tensor, entity_ids: Optional[Tensor] = None) -> Tensor:
        """
        # Parameters

        z : `torch.Tensor`
            The tokens' vectors. Shape: (batch, tokens, dim)
        mask : `torch.BoolTensor`
            False for padding. Shape: (batch, tokens)
        types : `torch.LongTensor`
            The type id of each token, -1 outside of entities. Shape: (batch, tokens)
        entity_ids : `Optional[torch.LongTensor]`
            The number of each token's entity in its sentence, -1 for none; `positives="same_type_other_entity"` needs
            them. Shape: (batch, tokens)

        # Returns

        `torch.Tensor`
            A scalar; without a pair 0, with a graph.
        """
        self._check_shapes(z, mask, types, entity_ids)
        with torch.autocast(z.device.type, enabled=False):
            entity_tokens = (mask & (types >= 0)).flatten().nonzero().squeeze(1)  # Shape: (entity tokens,)
            outside = self._sampled((mask & (types < 0)).flatten().nonzero().squeeze(1))  # Shape: (others,)
            if self.anchors_include_o:
                entity_tokens, outside = torch.cat([entity_tokens, outside]), outside[:0]
            anchors, others = self._directions(z, entity_tokens), self._directions(z, outside)
            labels = _labels(entity_tokens, types, entity_ids)  # Shape: (anchors, 3)
            if self.gather_across_ranks and self.training and world_size() > 1:
                labels[:, 1] += rank() * _SENTENCES
                anchors, others, labels = (gather_rows(rows) for rows in (anchors, others, labels))
            loss, pairs = self.of_pairs(self._compare(anchors, others, labels))
        self._pairs = pairs.detach()
        return loss

    @abstractmethod
    def of_pairs(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """
        The loss, and the number of pairs in it.

        # Parameters

        pairs : `Pairs`

        # Returns

        loss : `torch.Tensor`
            A scalar.
        number : `torch.LongTensor`
            A scalar.
        """

    def _check_shapes(self, z: Tensor, mask: Tensor, types: Tensor, entity_ids: Optional[Tensor]) -> None:
        needs_entities = self.positives == "same_type_other_entity"
        if needs_entities and entity_ids is None:
            raise NerError('positives="same_type_other_entity" needs entity_ids, the number of each token\'s entity')
        given = {"types": types, "mask": mask, **({"entity_ids": entity_ids} if entity_ids is not None else {})}
        for name, labels in given.items():
            if z.dim() != 3 or labels.shape != z.shape[:2]:
                expected = "(batch, tokens, dim) and (batch, tokens)"
                raise NerError(f"z is {tuple(z.shape)} and {name} {tuple(labels.shape)}: expected {expected}")

    def _sampled(self, outside: Tensor) -> Tensor:
        """The tokens outside of entities that take part. Shape: (tokens,)"""
        if self.max_o_negatives is None or not self.training or len(outside) <= self.max_o_negatives:
            return outside
        sampled: Tensor = outside[torch.randperm(len(outside), device=outside.device)[: self.max_o_negatives]]
        return sampled

    def _directions(self, z: Tensor, tokens: Tensor) -> Tensor:
        """The normalised vectors of tokens, given by their positions in the batch. Shape: (tokens, dim)"""
        rows = z.flatten(0, 1)[tokens]  # Shape: (tokens, dim)
        rows = rows.to(torch.promote_types(rows.dtype, torch.float32))
        return unit_rows(rows if self.projection is None else self.projection(rows))

    def _compare(self, anchors: Tensor, others: Tensor, labels: Tensor) -> Pairs:
        """The pairs of anchors, (anchors, dim), and others, (others, dim), given the anchors' `_labels`."""
        scaled = anchors / self.temperature  # Shape: (anchors, dim)
        types, sentence, entity = labels.unbind(1)  # Shape of each: (anchors,)
        itself = torch.eye(len(types), dtype=torch.bool, device=types.device)
        positive = (types.unsqueeze(1) == types) & ~itself  # Shape: (anchors, anchors)
        if self.positives == "same_type_other_entity":
            same_entity = (sentence.unsqueeze(1) == sentence) & (entity.unsqueeze(1) == entity)
            positive &= ~(same_entity & (entity >= 0))
        if len(others) > 0:
            log_others = (scaled @ others.T).logsumexp(1)  # Shape: (anchors,)
        else:
            log_others = anchors.new_full((len(anchors),), _lowest(anchors.dtype))
        return Pairs(scaled @ anchors.T, positive, types, len(others), log_others)


@ContrastiveLoss.register("nerco")
class NercoLoss(ContrastiveLoss):
    """
    The loss of NerCo's first stage ("NerCo: A Contrastive Learning Based Two-Stage Chinese NER Method", IJCAI 2023,
    doi 10.24963/ijcai.2023/587), as in the published code. With P_t the tokens of type t, and N_t those of all other
    types and outside of entities,

        l_ij = -log( exp(s_ij) / (exp(s_ij) + sum_{k in N_t} exp(s_ik)) )          for i ≠ j in P_t
        L_t  = sum_{i ≠ j} l_ij / (|P_t| (|P_t| - 1))
        L    = sum_t L_t

    so the denominator has no other positives. A type needs two tokens, and the batch a token of another type or outside
    of entities. Registered as "nerco".

    It is computed as `l_ij = softplus(logsumexp_{k in N_t}(s_ik) - s_ij)`: the sum over negatives is the same for all
    pairs of an anchor, while the published code computes all |P_t| (|P_t| - 1) (1 + |N_t|) terms.

    # Parameters

    class_weighting : `Literal["sum", "mean"]`, optional (default=`"sum"`)
        `sum`: as above; `mean`: divided by the number of types that have a pair, so that the size of the loss does not
        depend on the number of types in a batch.
    **kwargs
        See `ContrastiveLoss`.
    """

    def __init__(self, class_weighting: Literal["sum", "mean"] = "sum", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.class_weighting = class_weighting

    def of_pairs(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """`ContrastiveLoss.of_pairs`."""
        same_type = pairs.same_type
        log_negatives = pairs.log_sum(left_out=same_type)  # Shape: (anchors,)
        has_negatives = (~same_type).any(1) | (pairs.others > 0)  # Shape: (anchors,)
        counted = pairs.positive & has_negatives.unsqueeze(1)  # Shape: (anchors, anchors)
        # F.softplus is linear above 20, which is inexact in float64.
        losses = -F.logsigmoid(pairs.similarity - log_negatives.unsqueeze(1))  # Shape: (anchors, anchors)
        number = counted.sum(1)  # Shape: (anchors,)
        of_types, place = torch.unique(pairs.types, return_inverse=True)  # type: ignore[no-untyped-call]
        of_type = number.new_zeros(len(of_types)).index_add_(0, place, number)  # Shape: (types,)
        loss = (torch.where(counted, losses, 0.0).sum(1) / of_type.clamp(min=1)[place]).sum()
        if self.class_weighting == "mean":
            loss = loss / (of_type > 0).sum().clamp(min=1)
        return loss, number.sum()


@ContrastiveLoss.register("supcon")
class SupConLoss(ContrastiveLoss):
    """
    The supervised contrastive loss (Khosla et al. 2020, "Supervised Contrastive Learning", equation 2, L_out): for an
    anchor i with positives P(i) among all other tokens A(i),

        L_i = -1 / |P(i)| sum_{p in P(i)} log( exp(s_ip) / sum_{a in A(i)} exp(s_ia) )

    and L is the mean over the anchors that have a positive. The denominator includes all positives, but with
    `positives="same_type_other_entity"` no other tokens of the anchor's entity. Its parameters are those of
    `ContrastiveLoss`. Registered as "supcon".
    """

    def of_pairs(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """`ContrastiveLoss.of_pairs`."""
        log_all = pairs.log_sum(left_out=pairs.same_type & ~pairs.positive)  # Shape: (anchors,)
        losses = torch.where(pairs.positive, log_all.unsqueeze(1) - pairs.similarity, 0.0)  # Shape: (anchors, anchors)
        number = pairs.positive.sum(1)  # Shape: (anchors,)
        loss = (losses.sum(1) / number.clamp(min=1)).sum() / (number > 0).sum().clamp(min=1)
        return loss, number.sum()


def unit_rows(rows: Tensor) -> Tensor:
    """
    Rows divided by their length. A zero row stays zero, and has no gradient.

    # Parameters

    rows : `torch.Tensor`
        Shape: (rows, dim)
    """
    # Squares of large or small numbers would overflow or vanish in float32, so scale first. That changes no direction,
    # so the scale needs no gradient.
    largest = rows.detach().abs().amax(-1, keepdim=True)  # Shape: (rows, 1)
    empty = largest <= _ZERO  # false for NaN
    rows = (rows / largest.masked_fill(empty, 1.0)).masked_fill(empty, 0.0)
    lengths: Tensor = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)  # Shape: (rows, 1)
    return rows / lengths.masked_fill(empty, 1.0)


def _labels(tokens: Tensor, types: Tensor, entity_ids: Optional[Tensor]) -> Tensor:
    """Type, sentence and entity of tokens, given by their positions in the batch. Shape: (tokens, 3)"""
    entities = torch.full_like(types, -1) if entity_ids is None else entity_ids
    of_type, of_entity = types.flatten()[tokens], entities.flatten()[tokens]
    # Any negative number means outside of entities.
    return torch.stack([of_type.clamp(min=-1), tokens // max(types.size(1), 1), of_entity], 1)


def _lowest(dtype: torch.dtype) -> float:
    """A number so low that its exp is 0, but the difference of two such numbers is still finite."""
    return torch.finfo(dtype).min / 2


def _mlp(input_dim: Optional[int], output_dim: int) -> torch.nn.Module:
    if input_dim is None:
        raise ConfigError('projection_head "mlp" of a contrastive loss needs input_dim, the size of the vectors')
    return torch.nn.Sequential(
        torch.nn.Linear(input_dim, input_dim), torch.nn.ReLU(), torch.nn.Linear(input_dim, output_dim)
    )
