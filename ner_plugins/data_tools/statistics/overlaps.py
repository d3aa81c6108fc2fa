"""Pairs of overlapping and adjacent entities in a text."""

from typing import Iterator, NamedTuple, Sequence

from ner_plugins.entities import Entity


class PairCounts(NamedTuple):
    """
    Numbers of pairs of entities.

    # Parameters

    nested : `int`
        One contains the other, and the spans differ.
    crossing : `int`
        They overlap, but neither contains the other.
    same_span : `int`
        The same span with two types.
    adjacent : `int`
        One begins where the other ends.
    """

    nested: int = 0
    crossing: int = 0
    same_span: int = 0
    adjacent: int = 0


def overlapping_pairs(entities: Sequence[Entity]) -> Iterator[tuple[str, Entity, Entity]]:
    """Each overlapping pair with its kind: `nested` (the outer entity first), `crossing` or `same-span`."""
    ordered = sorted(set(entities), key=lambda entity: (entity.start, -entity.end, entity.type))
    for i, first in enumerate(ordered):
        for second in ordered[i + 1 :]:
            if second.start >= first.end:
                break
            if (first.start, first.end) == (second.start, second.end):
                yield "same-span", first, second
            else:
                yield "crossing" if second.end > first.end else "nested", first, second


def count_pairs(entities: Sequence[Entity]) -> PairCounts:
    """The pairs among the entities of one text; duplicates count once."""
    if len(entities) < 2:
        return PairCounts()
    counts = dict.fromkeys(PairCounts._fields, 0)
    for kind, _, _ in overlapping_pairs(entities):
        counts[kind.replace("-", "_")] += 1
    unique = set(entities)
    starts = [entity.start for entity in unique]
    counts["adjacent"] = sum(starts.count(entity.end) for entity in unique)
    return PairCounts(**counts)
