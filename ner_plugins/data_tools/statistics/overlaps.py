"""How the entities of one text lie to each other."""

from typing import Iterator, NamedTuple, Sequence, Tuple

from ner_plugins.entities import Entity


class PairCounts(NamedTuple):
    """
    Numbers of pairs of entities.

    # Parameters

    nested : `int`
        One contains the other, and they are not the same span.
    crossing : `int`
        They overlap, and neither contains the other.
    same_span : `int`
        The same span with two types.
    adjacent : `int`
        One begins where the other ends, with no character between them.
    """

    nested: int = 0
    crossing: int = 0
    same_span: int = 0
    adjacent: int = 0


def overlapping_pairs(entities: Sequence[Entity]) -> Iterator[Tuple[str, Entity, Entity]]:
    """Each pair that shares a character, with its kind: `nested` (the outer one first), `crossing` or `same-span`."""
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
    """The pairs among the entities of one text; an entity given twice counts once."""
    if len(entities) < 2:
        return PairCounts()
    counts = dict.fromkeys(PairCounts._fields, 0)
    for kind, _, _ in overlapping_pairs(entities):
        counts[kind.replace("-", "_")] += 1
    unique = set(entities)
    starts = [entity.start for entity in unique]
    counts["adjacent"] = sum(starts.count(entity.end) for entity in unique)
    return PairCounts(**counts)
