"""Which predictions become labels: whole sentences of which all entities are sure."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Mapping, Optional, Sequence

from ner_plugins.entities import Entity
from ner_plugins.pseudo_labels.agreement import Scored, votes

KEPT, DOUBTFUL, WITHOUT_ENTITY = "kept", "with a doubtful entity", "without an entity"


@dataclass
class Tally:
    """
    What was done.

    # Parameters

    sentences : `Counter[str]`
        By `KEPT`, `DOUBTFUL` and `WITHOUT_ENTITY`, and what else happened to sentences.
    predicted, kept : `Counter[str]`
        The entities of each type: predicted by any model, and in sentences that are kept.
    weight : `float`
        The sum over the sentences that are kept.
    """

    sentences: Counter[str] = field(default_factory=Counter)
    predicted: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    weight: float = 0.0


class Selection:
    """
    Chooses sentences, and counts them.

    A sentence is kept if each entity that any of the models predicts in it has enough votes and a score that reaches
    the threshold of its type. One doubtful entity costs the sentence: without it the sentence would teach that the
    entity is none, and with it that it is one.

    # Parameters

    thresholds : `Mapping[str, Optional[float]]`
        The lowest score of each type; `None` for types that are never sure.
    least : `int`, optional (default=`1`)
        How many models have to predict an entity.
    keep_empty : `bool`, optional (default=`False`)
        Whether sentences are kept in which no model predicts an entity.
    weight : `float`, optional (default=`1.0`)
        The factor of all weights.

    # Attributes

    tally : `Tally`
    """

    def __init__(
        self,
        thresholds: Mapping[str, Optional[float]],
        least: int = 1,
        keep_empty: bool = False,
        weight: float = 1.0,
    ) -> None:
        self._thresholds, self._least, self._keep_empty, self._factor = thresholds, least, keep_empty, weight
        self.tally = Tally()

    def choose(self, predictions: Sequence[Sequence[Scored]]) -> Optional[tuple[list[Entity], float]]:
        """
        The labels of a sentence and its weight: the lowest score of its entities, times the factor. A sentence without
        an entity has the factor itself.

        # Parameters

        predictions : `Sequence[Sequence[Scored]]`
            For each model its prediction.

        # Returns

        `Optional[tuple[list[Entity], float]]`
            `None` if the sentence is left out.
        """
        found = votes(predictions)
        self.tally.predicted.update(vote.entity.type for vote in found)
        if not found and not self._keep_empty:
            self.tally.sentences[WITHOUT_ENTITY] += 1
            return None
        if not all(vote.models >= self._least and self._is_sure(vote.entity) for vote in found):
            self.tally.sentences[DOUBTFUL] += 1
            return None
        entities = [vote.entity for vote in found]
        weight = round(self._factor * min((entity.score or 0.0 for entity in entities), default=1.0), 6)
        self.tally.sentences[KEPT] += 1
        self.tally.kept.update(entity.type for entity in entities)
        self.tally.weight += weight
        return entities, weight

    def _is_sure(self, entity: Entity) -> bool:
        lowest = self._thresholds.get(entity.type)
        return lowest is not None and entity.score is not None and entity.score >= max(lowest, 1e-6)
