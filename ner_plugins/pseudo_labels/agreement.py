"""What several models say of a text, put together."""

from typing import NamedTuple, Protocol, Sequence

from ner_plugins.entities import Entity


class Scored(Protocol):
    """A predicted entity with a score."""

    @property
    def start(self) -> int:
        """First character."""

    @property
    def end(self) -> int:
        """Last character + 1."""

    @property
    def type(self) -> str:
        """The entity type."""

    @property
    def score(self) -> float:
        """Its probability."""


class Vote(NamedTuple):
    """
    An entity that at least one model predicts.

    # Parameters

    entity : `Entity`
        Its score is the mean over all models; one that does not predict the entity counts as 0.
    models : `int`
        How many models predict it.
    """

    entity: Entity
    models: int


def votes(predictions: Sequence[Sequence[Scored]]) -> list[Vote]:
    """
    The entities that the models predict for one text, ordered by start, end and type.

        >>> found = votes([[Entity(0, 2, "PER", 0.9)], [Entity(0, 2, "PER", 0.7), Entity(3, 4, "LOC", 0.6)]])
        >>> [(vote.entity.type, vote.entity.score, vote.models) for vote in found]
        [('PER', 0.8, 2), ('LOC', 0.3, 1)]

    # Parameters

    predictions : `Sequence[Sequence[Scored]]`
        For each model its prediction.
    """
    scores: dict[tuple[int, int, str], list[float]] = {}
    for predicted in predictions:
        for one in predicted:
            scores.setdefault((one.start, one.end, one.type), []).append(one.score)
    return [
        Vote(Entity(*key, round(sum(of_models) / len(predictions), 6)), len(of_models))
        for key, of_models in sorted(scores.items())
    ]
