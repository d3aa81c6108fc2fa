"""From the predictions of several models for one text to those of their ensemble: votes over spans."""

from typing import Mapping, NamedTuple, Sequence

import numpy as np

from ner_plugins.decoding.found_spans import FoundSpans
from ner_plugins.decoding.spans import choose
from ner_plugins.entities import Entity

VOTE_DECODINGS = ("flat_greedy", "flat_optimal", "nested", "all")

_MODES_OF_SPANS = frozenset({"flat_greedy", "flat_optimal", "nested"})


class Candidate(NamedTuple):
    """
    A typed span that at least one member predicts.

    # Parameters

    entity : `Entity`
        Its score is the weighted mean of the members' scores, where one that does not predict it counts as 0.
    share : `float`
        The weights of the members that predict it, of all weights.
    """

    entity: Entity
    share: float


def candidates_of(predictions: Sequence[Sequence[Entity]], weights: Sequence[float]) -> list[Candidate]:
    """
    Count the votes on each span of a text.

        >>> first, second = [Entity(0, 2, "PER", 0.75)], [Entity(0, 2, "PER", 0.25), Entity(3, 4, "LOC", 0.5)]
        >>> for entity, share in candidates_of([first, second], [1, 1]):
        ...     print(entity.start, entity.end, entity.type, entity.score, share)
        0 2 PER 0.5 1.0
        3 4 LOC 0.25 0.5

    # Parameters

    predictions : `Sequence[Sequence[Entity]]`
        Those of each member, with scores. An entity that a member has twice counts once, with the higher score.
    weights : `Sequence[float]`
        Of the members, from 0 on; not all 0.

    # Returns

    `list[Candidate]`
        In order of start, end and type. Scores are rounded to six digits, as those of every model.
    """
    scores: dict[Entity, list[float]] = {}
    votes: dict[Entity, set[int]] = {}
    for place, entities in enumerate(predictions):
        for entity in entities:
            of_entity = scores.setdefault(entity, [0.0] * len(predictions))
            of_entity[place] = max(of_entity[place], entity.score or 0.0)
            votes.setdefault(entity, set()).add(place)
    everything = sum(weights)
    found = []
    for entity in sorted(scores):
        share = sum(weight for place, weight in enumerate(weights) if place in votes[entity]) / everything
        if share > 0:
            score = round(_mean(scores[entity], weights), 6)
            found.append(Candidate(Entity(entity.start, entity.end, entity.type, score), share))
    return found


def elect(
    candidates: Sequence[Candidate],
    agreement: Mapping[str, float],
    thresholds: Mapping[str, float],
    decoding: str = "flat_greedy",
) -> list[Entity]:
    """
    The entities of a text that are kept.

    # Parameters

    candidates : `Sequence[Candidate]`
        In order.
    agreement : `Mapping[str, float]`
        The lowest share of votes, by type.
    thresholds : `Mapping[str, float]`
        The lowest score, by type. Both apply before spans that exclude each other compete.
    decoding : `str`, optional (default=`"flat_greedy"`)
        `flat_greedy`: from the highest score to the lowest, each that overlaps none kept before; `flat_optimal`: the
        entities without overlaps that have the highest sum of scores, the expected number of right ones as the scores
        have it; `nested`: as `flat_greedy`, but entities may contain each other; `all`: every one. But for `all`, a
        span has one type. Ties go to the earlier start, then the earlier end, then the first type by name.

    # Returns

    `list[Entity]`
        In order of start, end and type.
    """
    kept = [
        entity
        for entity, share in candidates
        if share >= agreement[entity.type] and (entity.score or 0.0) >= thresholds[entity.type]
    ]
    if decoding not in _MODES_OF_SPANS:
        return kept
    best: dict[tuple[int, int], Entity] = {}
    for entity in kept:  # in order of type
        other = best.setdefault((entity.start, entity.end), entity)
        if (entity.score or 0.0) > (other.score or 0.0):
            best[entity.start, entity.end] = entity
    if len(best) < 2:
        return list(best.values())
    rows = list(best.values())
    places = np.arange(len(rows))
    scores = np.array([entity.score or 0.0 for entity in rows])
    spans = FoundSpans(
        np.zeros(len(rows), np.int64),
        np.array([entity.start for entity in rows]),
        np.array([entity.end for entity in rows]),
        places,
        scores,
        scores,
    )
    return [rows[place] for place in choose(spans, scores, decoding, "probability", 1).type.tolist()]


def _mean(numbers: Sequence[float], weights: Sequence[float]) -> float:
    """The weighted mean as a running one, which is exact for equal numbers (`ner_plugins.modules.averages`)."""
    mean = total = 0.0
    for number, weight in zip(numbers, weights, strict=True):
        if weight > 0:
            total += weight
            mean = number if total == weight else mean + (number - mean) * (weight / total)
    return mean
