"""The model `ner_ensemble`: several models in one archive."""

from typing import Any, Literal, Mapping, Optional, Sequence

import torch
from allennlp.common import Lazy
from allennlp.data import Vocabulary
from allennlp.models import Model
from allennlp.nn.util import get_text_field_mask
from allennlp.training.metrics import Metric
from torch import Tensor

from ner_plugins.archives.assets import is_loading
from ner_plugins.archives.member_assets import member_folder, member_vocabulary
from ner_plugins.decoding.votes import candidates_of, elect
from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError, DataError
from ner_plugins.heads.band import reachable_spans
from ner_plugins.heads.decoding import DecodedSpans
from ner_plugins.models.entity_model import EntityModel
from ner_plugins.models.ner_model import NerModel
from ner_plugins.models.offsets import names_of, to_characters
from ner_plugins.models.parts import prepare_assets
from ner_plugins.modules.averages import weighted_mean
from ner_plugins.post_processing.span_rule import SpanRule
from ner_plugins.thresholds import Thresholds, threshold_values

EnsembleMethod = Literal["votes", "scores"]
_UNTRAINABLE = (
    "a model of type ner_ensemble cannot be trained: train its members, and make it of their archives with allennlp "
    "ner-ensemble"
)
VoteDecoding = Literal["flat_greedy", "flat_optimal", "nested", "all"]


@Model.register("ner_ensemble")
class NerEnsemble(EntityModel):
    """
    Models that predict together. `allennlp ner-ensemble` makes the archive, which holds the members' weights,
    vocabularies and assets; it cannot be trained.

    With the method `votes` each member predicts as it does alone, with thresholds and rules of its own, and
    `ner_plugins.decoding.votes` counts. With `scores` what the heads decode is averaged before it is decoded
    (`Head.logits_of`): emissions and transitions of a tagger, the scores of spans, the labels of pointers. Members of
    `scores` have one head with the same options, the same types in the same order, and the same tokens; their own
    thresholds and rules have no effect.

    # Parameters

    vocab : `Vocabulary`
        With the entity types of the members.
    members : `dict[str, Lazy[Model]]`
        The configuration of each.
    method : `str`, optional (default=`"votes"`)
        `votes` or `scores`.
    weights : `Optional[dict[str, float]]`, optional (default=`None`)
        How much each member counts; `None` for all the same.
    agreement : `Union[float, dict[str, float]]`, optional (default=`0.5`)
        The lowest share of the votes (by weight) at which a span is predicted: for every type, or for each type named,
        with 0.5 for the others.
    decoding : `str`, optional (default=`"flat_greedy"`)
        How `votes` chooses among spans that exclude each other: see `elect`.
    metrics, thresholds, post_processing
        See `NerModel`; `thresholds` are those of an entity's mean score.
    serialization_dir : `Optional[str]`
        Supplied by AllenNLP.

    # Raises

    `ConfigError` for another number of weights, values out of range, unknown types, and where it is not an archive that
    is loaded.
    """

    fixed_options = frozenset({"serialization_dir"})

    def __init__(
        self,
        vocab: Vocabulary,
        members: dict[str, Lazy[Model]],
        method: EnsembleMethod = "votes",
        weights: Optional[dict[str, float]] = None,
        agreement: Any = 0.5,  # `Thresholds`, which `threshold_values` checks
        decoding: VoteDecoding = "flat_greedy",
        metrics: Optional[list[Metric]] = None,
        thresholds: Any = None,  # `Thresholds`
        post_processing: Optional[list[SpanRule]] = None,
        serialization_dir: Optional[str] = None,
    ) -> None:
        if serialization_dir is None or not is_loading():
            raise ConfigError(_UNTRAINABLE)
        super().__init__(vocab, metrics, thresholds, post_processing, serialization_dir=serialization_dir)
        prepare_assets(serialization_dir)
        self.members = torch.nn.ModuleDict()
        for name, member in members.items():
            folder = member_folder(serialization_dir, name)
            self.members[name] = member.construct(vocab=member_vocabulary(folder), serialization_dir=str(folder))
        self.method, self.decoding = method, decoding
        self.weights = _checked_weights(weights, list(members))
        self.agreement = _agreement(agreement, self.types)
        self._check_members()

    def _check_members(self) -> None:
        for name, member in self.members.items():
            if not isinstance(member, NerModel):
                kind = type(member).__name__
                raise ConfigError(f"model.members.{name} is a {kind}, which cannot be a member of an ensemble")
            if sorted(member.types) != sorted(self.types):
                raise ConfigError(f"model.members.{name} knows other entity types than the ensemble")
            if self.method == "scores" and member.types != self.types:
                raise ConfigError(f"model.members.{name} has the entity types in another order")

    def _each(self) -> dict[str, NerModel]:
        return dict(self.members.items())  # type: ignore[arg-type]  # `_check_members`

    @property
    def first(self) -> NerModel:
        """The first member."""
        return next(iter(self._each().values()))

    def extend_embedder_vocab(self, embedding_sources_mapping: Optional[dict[str, str]] = None) -> None:
        """`Model.extend_embedder_vocab` of each member, which has a vocabulary of its own."""
        for member in self._each().values():
            member.extend_embedder_vocab(embedding_sources_mapping)

    def forward(self, members: Mapping[str, Any], metadata: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """
        # Parameters

        members : `Mapping[str, Any]`
            The arguments of each member's `forward` (`MembersField`).
        metadata : `Sequence[Mapping[str, Any]]`
            As in `NerModel.forward`, with the tokens of the first member.

        # Returns

        `dict[str, Any]`
            `entities`, `text` and `id`; there is no loss.

        # Raises

        `ConfigError` in training.
        """
        if self.training:  # as with `from_archive`
            raise ConfigError(_UNTRAINABLE)
        found = self.find(members=members, metadata=metadata)
        if metadata[0]["entities"] is not None:
            self.measure(found, metadata)
        else:
            self.note_unlabelled(metadata)
        texts, ids = [sentence["text"] for sentence in metadata], [sentence["id"] for sentence in metadata]
        return {"entities": found, "text": texts, "id": ids}

    @torch.no_grad()
    def find(  # type: ignore[override]
        self,
        members: Mapping[str, Any],
        metadata: Sequence[Mapping[str, Any]],
        thresholds: Optional[Tensor] = None,
        **unused: Any,
    ) -> list[list[Entity]]:
        """`EntityModel.find`."""
        lowest = self.thresholds if thresholds is None else thresholds
        if self.method == "votes":
            return self.after_rules(self._by_votes(members, lowest), metadata)
        found = to_characters(self._by_scores(members, metadata, lowest), metadata, self.types)
        return self.after_rules(found, metadata)

    def member_predictions(self, members: Mapping[str, Any]) -> list[list[list[Entity]]]:
        """What each member predicts for each sentence of a batch; the argument is that of `forward`."""
        return [member.find(**members[name]) for name, member in self._each().items()]

    def _by_votes(self, members: Mapping[str, Any], lowest: Tensor) -> list[list[Entity]]:
        scores = dict(zip(self.types, lowest.tolist(), strict=True))
        return [
            elect(candidates_of(of_sentence, self.weights), self.agreement, scores, self.decoding)
            for of_sentence in zip(*self.member_predictions(members), strict=True)
        ]

    def _by_scores(
        self, members: Mapping[str, Any], metadata: Sequence[Mapping[str, Any]], lowest: Tensor
    ) -> DecodedSpans:
        logits: list[tuple[Tensor, ...]] = []
        for name, member in self._each().items():
            batch = members[name]
            _check_tokens(name, metadata, batch["metadata"])
            mask = get_text_field_mask(batch["tokens"])  # Shape: (batch, tokens)
            vectors = member.contextualise(batch["tokens"], mask, batch.get("lattice"))
            logits.append(member.head.logits_of(member.score(vectors, mask), mask))
        means = tuple(weighted_mean(of_part, self.weights) for of_part in zip(*logits, strict=True))
        return self.first.head.decode_logits(means, mask, lowest)

    @property
    def nested(self) -> bool:
        """`EntityModel.nested`."""
        return self.first.nested if self.method == "scores" else self.decoding in ("nested", "all")

    def reachable(self, entities: Sequence[Entity], sentence: Mapping[str, Any]) -> list[Entity]:
        """`EntityModel.reachable`: what at least one member could predict, as far as the decoding allows."""
        if self.method == "scores":
            return self.first.reachable(entities, sentence)
        found: set[Entity] = set()
        for name, member in self._each().items():
            found |= set(member.reachable(entities, {**sentence, "offsets": sentence["member_offsets"][name]}))
        return sorted(found) if self.decoding == "all" else reachable_spans(sorted(found), None, self.nested)

    def n_best(self, number: int, **batch: Any) -> list[tuple[list[Entity], float]]:
        """
        # Raises

        `ConfigError`, always.
        """
        raise ConfigError("an ensemble has no n-best list: name the archive of one of its members")


def _checked_weights(weights: Optional[Mapping[str, float]], names: Sequence[str]) -> list[float]:
    """In the order of the members."""
    if weights is None:
        return [1.0] * len(names)
    if sorted(weights) != sorted(names):
        raise ConfigError(f"model.weights has to have a number for each member, {', '.join(names)}")
    found = [float(weights[name]) for name in names]
    if not all(0 <= weight < float("inf") for weight in found) or not any(found):
        raise ConfigError("model.weights has to have numbers from 0 on, not all of them 0")
    return found


def _agreement(agreement: Optional[Thresholds], types: Sequence[str]) -> dict[str, float]:
    given = {**dict.fromkeys(types, 0.5), **agreement} if isinstance(agreement, Mapping) else agreement
    return dict(zip(types, threshold_values(given, types, "model.agreement"), strict=True))


def _check_tokens(name: str, metadata: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]) -> None:
    for place, (one, of_member) in enumerate(zip(metadata, other, strict=True)):
        if one["offsets"] != of_member["offsets"]:
            raise DataError(
                f"{name} has other tokens than the first member in {names_of(metadata)[place]}, so their scores cannot "
                "be averaged",
                remedy="Make the ensemble with --method votes",
            )
