"""Contrastive losses over tokens: those of one entity type are drawn together, those of others pushed apart."""

from abc import abstractmethod
from typing import Any, NamedTuple, Optional

import torch
import torch.nn.functional as F
from allennlp.common import Registrable
from torch import Tensor

from ner_plugins.distributed import gather_rows, rank, world_size
from ner_plugins.errors import ConfigError, NerError

_POSITIVES = ("same_type", "same_type_other_entity")
_PROJECTION_HEADS = ("none", "mlp")
_CLASS_WEIGHTINGS = ("sum", "mean")
# A vector without a coordinate larger than this has no direction: what it is divided by would not be a number.
_NOTHING = 1e-12
# More than the sentences of a batch, so that those of two ranks never have one number.
_SENTENCES = 2**32


class Pairs(NamedTuple):
    """
    The anchors of a batch (tokens of entities, or all of them) and the tokens that they are compared with.

    # Parameters

    similarity : `torch.Tensor`
        Cosine of two anchors over the temperature. Shape: (anchors, anchors)
    positive : `torch.BoolTensor`
        [i, j]: j is a positive of anchor i. Shape: (anchors, anchors)
    types : `torch.LongTensor`
        Of the anchors; outside of entities -1, which is a type like others. Shape: (anchors,)
    others : `int`
        Number of tokens that are no anchors: negatives of all.
    log_others : `torch.Tensor`
        The logarithm of the sum of exp(similarity) of each anchor to them; the lowest number there is (not -inf,
        whose gradient would not be a number) if there are none. Shape: (anchors,)
    """

    similarity: Tensor
    positive: Tensor
    types: Tensor
    others: int
    log_others: Tensor

    @property
    def same_type(self) -> Tensor:
        """[i, j]: the two are of one type. Shape: (anchors, anchors)."""
        return self.types.unsqueeze(1) == self.types

    def log_sum(self, left_out: Tensor) -> Tensor:
        """
        The logarithm of the sum of exp(similarity) of each anchor to all tokens but some anchors.

        # Parameters

        left_out : `torch.BoolTensor`
            Shape: (anchors, anchors)

        # Returns

        `torch.Tensor`
            Shape: (anchors,)
        """
        of_anchors = self.similarity.masked_fill(left_out, _lowest(self.similarity.dtype)).logsumexp(1)
        return torch.logaddexp(of_anchors, self.log_others)


class ContrastiveLoss(torch.nn.Module, Registrable):
    """
    A loss over pairs of tokens of all sentences of a batch. An anchor i has positives j, tokens of its own type, and
    negatives k, tokens of other types or of no entity; s_ij is the cosine of their vectors over the temperature, and
    the loss is small where s_ij is large beside the s_ik. For P tokens of entities and N others it takes memory in
    O(P² + PN), and is computed in float32 at least, under autocast too.

    A vector of zeros has similarity 0 to all, and no gradient. Padding is not looked at.

    # Parameters

    temperature : `float`, optional (default = `0.07`)
        What cosines are divided by.
    positives : `str`, optional (default = `"same_type"`)
        With `same_type_other_entity` the tokens of one entity are neither positives nor negatives of each other.
    anchors_include_o : `bool`, optional (default = `False`)
        Whether tokens outside of entities are anchors too, as of one more type. They are each an entity of their own.
    max_o_negatives : `Optional[int]`, optional (default = `None`)
        How many tokens outside of entities take part in a training step (of each process), drawn anew with torch's
        generator; by default, and in evaluation, all.
    projection_head : `str`, optional (default = `"none"`)
        What vectors go through before they are compared: `none`, or `mlp`, two layers with a ReLU between them (Chen
        et al. 2020, "A Simple Framework for Contrastive Learning of Visual Representations", section 2.1). Its
        parameters are this module's, for the caller to train.
    projection_dim : `int`, optional (default = `128`)
        The size of what `mlp` makes of them.
    input_dim : `Optional[int]`, optional (default = `None`)
        The size of the vectors, which `mlp` has to know. It is not for a config: who has the encoder gives it.
    gather_across_ranks : `bool`, optional (default = `False`)
        Whether the training steps of distributed processes compare the tokens of all their batches. Each then has the
        loss of the joined batch, and the gradients which DistributedDataParallel averages are those of one process
        over it. All processes have to make the step together.

    # Raises

    `ConfigError` for options that are none of those above; by `forward`, `NerError` when shapes do not fit.
    """

    default_implementation = "nerco"

    def __init__(
        self,
        temperature: float = 0.07,
        positives: str = "same_type",
        anchors_include_o: bool = False,
        max_o_negatives: Optional[int] = None,
        projection_head: str = "none",
        projection_dim: int = 128,
        input_dim: Optional[int] = None,
        gather_across_ranks: bool = False,
    ) -> None:
        super().__init__()
        if not 0.0 < temperature < float("inf"):
            raise ConfigError(f"the temperature of a contrastive loss is finite and more than 0, not {temperature}")
        _check_option("positives", positives, _POSITIVES)
        _check_option("projection_head", projection_head, _PROJECTION_HEADS)
        if projection_dim < 1:
            raise ConfigError(f"projection_dim of a contrastive loss has to be 1 or more, not {projection_dim}")
        if max_o_negatives is not None and max_o_negatives < 0:
            raise ConfigError(f"max_o_negatives is 0 or more, or left out for all, not {max_o_negatives}")
        self.temperature = float(temperature)
        self.positives = positives
        self.anchors_include_o = anchors_include_o
        self.max_o_negatives = max_o_negatives
        self.gather_across_ranks = gather_across_ranks
        self.projection = _mlp(input_dim, projection_dim) if projection_head == "mlp" else None
        self._pairs = torch.zeros((), dtype=torch.int64)

    @property
    def has_pairs(self) -> bool:
        """Whether the last batch had a pair to learn from. If not its loss was 0, and so were the gradients."""
        return bool(self._pairs)

    def forward(self, z: Tensor, mask: Tensor, types: Tensor, entity_ids: Optional[Tensor] = None) -> Tensor:
        """
        # Parameters

        z : `torch.Tensor`
            Vectors of tokens. Shape: (batch, tokens, dim)
        mask : `torch.BoolTensor`
            The tokens of the texts: no others count. Shape: (batch, tokens)
        types : `torch.LongTensor`
            The type id of each token, -1 outside of entities. Shape: (batch, tokens)
        entity_ids : `Optional[torch.LongTensor]`
            Which of its sentence's entities each token belongs to, -1 to none; needed for the positives
            `same_type_other_entity`. Shape: (batch, tokens)

        # Returns

        `torch.Tensor`
            A scalar; 0, with a graph, where there is no pair.
        """
        self._check_shapes(z, mask, types, entity_ids)
        with torch.autocast(z.device.type, enabled=False):
            entity_tokens = (mask & (types >= 0)).flatten().nonzero().squeeze(1)
            outside = self._drawn((mask & (types < 0)).flatten().nonzero().squeeze(1))
            if self.anchors_include_o:
                entity_tokens, outside = torch.cat([entity_tokens, outside]), outside[:0]
            anchors, others = self._directions(z, entity_tokens), self._directions(z, outside)
            labels = _labels(entity_tokens, types, entity_ids)
            if self.gather_across_ranks and self.training and world_size() > 1:
                labels[:, 1] += rank() * _SENTENCES
                anchors, others, labels = (gather_rows(rows) for rows in (anchors, others, labels))
            loss, pairs = self.of_pairs(self._compare(anchors, others, labels))
        self._pairs = pairs.detach()
        return loss

    @abstractmethod
    def of_pairs(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """
        The loss, and how many pairs it looks at.

        # Parameters

        pairs : `Pairs`

        # Returns

        loss : `torch.Tensor`
            A scalar.
        number : `torch.LongTensor`
            A scalar.
        """
        raise NotImplementedError

    def _check_shapes(self, z: Tensor, mask: Tensor, types: Tensor, entity_ids: Optional[Tensor]) -> None:
        needs_entities = self.positives == "same_type_other_entity"
        if needs_entities and entity_ids is None:
            raise NerError('positives "same_type_other_entity" need entity_ids, which say of which entity a token is')
        given = {"types": types, "mask": mask, **({"entity_ids": entity_ids} if entity_ids is not None else {})}
        for name, labels in given.items():
            if z.dim() != 3 or labels.shape != z.shape[:2]:
                expected = "(batch, tokens, dim) and (batch, tokens)"
                raise NerError(f"z is {tuple(z.shape)} and {name} {tuple(labels.shape)}: they have to be {expected}")

    def _drawn(self, outside: Tensor) -> Tensor:
        """Those tokens outside of entities that take part. Shape: (tokens,)."""
        if self.max_o_negatives is None or not self.training or len(outside) <= self.max_o_negatives:
            return outside
        drawn: Tensor = outside[torch.randperm(len(outside), device=outside.device)[: self.max_o_negatives]]
        return drawn

    def _directions(self, z: Tensor, tokens: Tensor) -> Tensor:
        """Vectors of length 1 of some tokens, given by their places in the batch. Shape: (tokens, dim)."""
        rows = z.flatten(0, 1)[tokens]
        rows = rows.to(torch.promote_types(rows.dtype, torch.float32))
        return unit_rows(rows if self.projection is None else self.projection(rows))

    def _compare(self, anchors: Tensor, others: Tensor, labels: Tensor) -> Pairs:
        """Pairs of anchors, (anchors, dim), and others, (others, dim), with the anchors' `_labels`."""
        scaled = anchors / self.temperature
        types, sentence, entity = labels.unbind(1)  # Shape of each: (anchors,)
        positive = (types.unsqueeze(1) == types) & ~torch.eye(len(types), dtype=torch.bool, device=types.device)
        if self.positives == "same_type_other_entity":
            same_entity = (sentence.unsqueeze(1) == sentence) & (entity.unsqueeze(1) == entity)
            positive &= ~(same_entity & (entity >= 0))
        if len(others) > 0:
            log_others = (scaled @ others.T).logsumexp(1)
        else:
            log_others = anchors.new_full((len(anchors),), _lowest(anchors.dtype))
        return Pairs(scaled @ anchors.T, positive, types, len(others), log_others)


@ContrastiveLoss.register("nerco")
class NercoLoss(ContrastiveLoss):
    """
    The loss of NerCo's first stage ("NerCo: A Contrastive Learning Based Two-Stage Chinese NER Method", IJCAI 2023,
    doi 10.24963/ijcai.2023/587), as the published code has it. With P_t the tokens of type t, N_t those of all other
    types and of none,

        l_ij = -log( exp(s_ij) / (exp(s_ij) + sum_{k in N_t} exp(s_ik)) )          for i ≠ j in P_t
        L_t  = sum_{i ≠ j} l_ij / (|P_t| (|P_t| - 1))
        L    = sum_t L_t

    so that other positives are not in the denominator. A type needs two tokens, and a token that is not of it. A
    `ContrastiveLoss` of the name `nerco`.

    It is computed as `l_ij = softplus(logsumexp_{k in N_t}(s_ik) - s_ij)`, in which the sum over negatives belongs to
    the anchor alone: the published code writes out all |P_t| (|P_t| - 1) (1 + |N_t|) terms.

    # Parameters

    class_weighting : `str`, optional (default = `"sum"`)
        `sum`, as above; `mean`: divided by the number of types that have a pair, so that the size of the loss is not
        a matter of how many types a batch happens to hold.
    **kwargs
        See `ContrastiveLoss`.

    # Raises

    `ConfigError` when `class_weighting` is another word.
    """

    def __init__(self, class_weighting: str = "sum", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        _check_option("class_weighting", class_weighting, _CLASS_WEIGHTINGS)
        self.class_weighting = class_weighting

    def of_pairs(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """`ContrastiveLoss.of_pairs`."""
        same_type = pairs.same_type
        log_negatives = pairs.log_sum(left_out=same_type)  # Shape: (anchors,)
        has_negatives = (~same_type).any(1) | (pairs.others > 0)
        counted = pairs.positive & has_negatives.unsqueeze(1)
        # F.softplus is linear from 20 on, which float64 can tell from the truth; this is not.
        losses = -F.logsigmoid(pairs.similarity - log_negatives.unsqueeze(1))
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
    anchor i with the positives P(i), among all other tokens A(i) that take part,

        L_i = -1 / |P(i)| sum_{p in P(i)} log( exp(s_ip) / sum_{a in A(i)} exp(s_ia) )

    and L is the mean over the anchors that have a positive. All positives are in the denominator too; with the
    positives `same_type_other_entity`, the other tokens of the anchor's entity are not. Its parameters are
    `ContrastiveLoss`'s, its name is `supcon`.
    """

    def of_pairs(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """`ContrastiveLoss.of_pairs`."""
        log_all = pairs.log_sum(left_out=pairs.same_type & ~pairs.positive)  # Shape: (anchors,)
        losses = torch.where(pairs.positive, log_all.unsqueeze(1) - pairs.similarity, 0.0)
        number = pairs.positive.sum(1)  # Shape: (anchors,)
        loss = (losses.sum(1) / number.clamp(min=1)).sum() / (number > 0).sum().clamp(min=1)
        return loss, number.sum()


def unit_rows(rows: Tensor) -> Tensor:
    """
    Rows divided by their length; a row of zeros stays as it is, and has no gradient.

    # Parameters

    rows : `torch.Tensor`
        Of any size that their type can hold. Shape: (rows, dim)
    """
    # The squares of large or small numbers would leave float32. What rows are divided by first changes no direction,
    # so its own gradient is zero.
    largest = rows.detach().abs().amax(-1, keepdim=True)
    empty = largest <= _NOTHING  # not so where it is no number
    rows = (rows / largest.masked_fill(empty, 1.0)).masked_fill(empty, 0.0)
    lengths: Tensor = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
    return rows / lengths.masked_fill(empty, 1.0)


def _labels(tokens: Tensor, types: Tensor, entity_ids: Optional[Tensor]) -> Tensor:
    """Type, sentence and entity of tokens given by their places in the batch. Shape: (tokens, 3)."""
    entities = torch.full_like(types, -1) if entity_ids is None else entity_ids
    of_type, of_entity = types.flatten()[tokens], entities.flatten()[tokens]
    # Outside of entities -1, whatever else below 0 it was
    return torch.stack([of_type.clamp(min=-1), tokens // max(types.size(1), 1), of_entity], 1)


def _lowest(dtype: torch.dtype) -> float:
    """So low that exp makes 0 of it, and that a difference of two such numbers is still one."""
    return torch.finfo(dtype).min / 2


def _mlp(input_dim: Optional[int], output_dim: int) -> torch.nn.Module:
    if input_dim is None:
        raise ConfigError('a contrastive loss with projection_head "mlp" has to know input_dim, the size of vectors')
    return torch.nn.Sequential(
        torch.nn.Linear(input_dim, input_dim), torch.nn.ReLU(), torch.nn.Linear(input_dim, output_dim)
    )


def _check_option(name: str, value: str, options: tuple[str, ...]) -> None:
    if value not in options:
        raise ConfigError(f"{name} of a contrastive loss is {value!r}; it can be {', '.join(options)}")
