"""What all models of this package have: entity types, thresholds, rules and metrics."""

from abc import abstractmethod
from typing import Any, Mapping, Optional, Sequence

from allennlp.data import Vocabulary
from allennlp.models import Model
from allennlp.training.metrics import Metric
from torch import Tensor

from ner_plugins.entities import Entity
from ner_plugins.errors import DataError
from ner_plugins.models.entity_metrics import entity_metrics
from ner_plugins.models.gold_count import GoldCount
from ner_plugins.models.parts import entity_types
from ner_plugins.models.thresholds import threshold_tensor
from ner_plugins.post_processing.post_processing import PostProcessing
from ner_plugins.post_processing.span_rule import SpanRule


class EntityModel(Model):
    """
    A model that finds entities: a `NerModel`, or an ensemble of some. A `Tagger` and all commands that predict take
    any.

    # Parameters

    vocab, metrics, thresholds, post_processing
        See `NerModel`.
    kwargs : `Any`
        Those of AllenNLP's `Model`.

    # Raises

    As `NerModel`.
    """

    thresholds: Tensor
    default_predictor = "ner"

    def __init__(
        self,
        vocab: Vocabulary,
        metrics: Optional[list[Metric]] = None,
        thresholds: Any = None,  # `Thresholds`, which `threshold_tensor` checks
        post_processing: Optional[list[SpanRule]] = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(vocab, **kwargs)
        self.types = entity_types(vocab)
        self.metrics = entity_metrics(metrics)
        self.gold_count = GoldCount()
        self.post_processing = PostProcessing(post_processing, self.types)
        self._unlabelled: Optional[str] = None
        self.register_buffer("thresholds", threshold_tensor(thresholds, self.types), persistent=False)

    @abstractmethod
    def find(self, *, thresholds: Optional[Tensor] = None, **batch: Any) -> list[list[Entity]]:
        """
        The entities of each sentence, and nothing else: no loss, no metrics, nothing stored in the model.

        # Parameters

        thresholds : `Optional[torch.Tensor]`, optional (default=`None`)
            Instead of the model's own. Shape: (types,)
        batch : `Any`
            The arguments of `forward`.
        """

    @property
    @abstractmethod
    def nested(self) -> bool:
        """Whether entities within others are predicted."""

    @abstractmethod
    def reachable(self, entities: Sequence[Entity], sentence: Mapping[str, Any]) -> list[Entity]:
        """
        Those of a sentence's entities that the model could predict together.

        # Parameters

        entities : `Sequence[Entity]`
            Distinct, in characters.
        sentence : `Mapping[str, Any]`
            Its metadata.
        """

    @abstractmethod
    def n_best(self, number: int, **batch: Any) -> list[tuple[list[Entity], float]]:
        """
        The most probable taggings of a sentence, best first, and the probability of each.

        # Parameters

        number : `int`
        batch : `Any`
            The arguments of `forward`, of one sentence.

        # Raises

        `ConfigError` if the model has no distribution over taggings.
        """

    def after_rules(
        self, found: list[list[Entity]], metadata: Sequence[Mapping[str, Any]]
    ) -> list[list[Entity]]:
        """What `post_processing` makes of the entities of each sentence."""
        if not self.post_processing:
            return found
        pairs = zip(found, metadata, strict=True)
        return [self.post_processing(entities, sentence["text"], self.nested) for entities, sentence in pairs]

    def make_output_human_readable(self, output_dict: dict[str, Any]) -> dict[str, Any]:
        """Entities as `{"start", "end", "type", "text", "score"}`."""
        if "entities" in output_dict:
            sentences = zip(output_dict["entities"], output_dict["text"], strict=True)
            output_dict["entities"] = [
                [
                    {**entity.to_json(), "text": text[entity.start : entity.end], "score": entity.score}
                    for entity in entities
                ]
                for entities, text in sentences
            ]
        return output_dict

    def get_metrics(self, reset: bool = False) -> dict[str, float]:
        """
        The metrics' figures, `<metric>/<figure>`. With `reset` also per type, and `gold` and `unreachable_gold`: the
        number of gold entities, and of those that this model could never predict; and what each rule of
        `post_processing` did.
        """
        if reset and self._unlabelled is not None:
            place, self._unlabelled = self._unlabelled, None
            raise DataError(f"evaluation needs labelled data, but {place} has no label")
        figures = {
            f"{metric.name}/{name}": value
            for metric in self.metrics
            for name, value in metric.get_metric(reset).items()
        }
        return {**figures, **self.gold_count.get_metric(), **self.post_processing.get_metric()} if reset else figures

    def measure(self, predicted: Sequence[Sequence[Entity]], metadata: Sequence[Mapping[str, Any]]) -> None:
        """Add the predicted entities of labelled sentences to the metrics; `metadata` as in `forward`."""
        self._unlabelled = None
        raw = [sentence["entities"] for sentence in metadata]
        gold = [None if entities is None else [Entity.from_json(entity) for entity in entities] for entities in raw]
        for metric in self.metrics:
            metric(predicted, gold, [sentence["text"] for sentence in metadata])
        for sentence, entities in zip(metadata, gold, strict=True):
            distinct = sorted(set(entities or ()))
            self.gold_count(len(distinct), len(self.reachable(distinct, sentence)))

    def note_unlabelled(self, metadata: Sequence[Mapping[str, Any]]) -> None:
        """Remember that sentences without labels came, so that `get_metrics` says so."""
        self._unlabelled = metadata[0].get("source") or "a text without a label"
