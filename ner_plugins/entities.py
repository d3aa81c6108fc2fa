"""Sentences and their entities, in characters: the data model from file to output."""

from dataclasses import dataclass, field
from typing import Any, Optional, Sequence, Union

ENTITY_NAMESPACE = "entity_labels"
"""The namespace of a vocabulary that holds the entity types."""


@dataclass(frozen=True, order=True, slots=True)
class Entity:
    """
    A typed span of a text.

    # Parameters

    start, end : `int`
        Half-open offsets, in characters (code points) of the text: `text[start:end]` is the surface.
    type : `str`
        The entity type, as written in the data.
    score : `Optional[float]`
        The probability of a prediction. Comparison ignores it.
    """

    start: int
    end: int
    type: str
    score: Optional[float] = field(default=None, compare=False)

    @property
    def width(self) -> int:
        """Number of characters."""
        return self.end - self.start

    def overlaps(self, other: "Entity") -> bool:
        """Whether the two share a character."""
        return self.start < other.end and other.start < self.end

    def contains(self, other: "Entity") -> bool:
        """Whether this entity has every character of `other` (equal spans contain each other)."""
        return self.start <= other.start and other.end <= self.end

    def crosses(self, other: "Entity") -> bool:
        """Whether the two overlap and neither contains the other."""
        return self.overlaps(other) and not self.contains(other) and not other.contains(self)

    def to_json(self) -> dict[str, Any]:
        """`{"start", "end", "type"}`, as in `instance["metadata"]`."""
        return {"start": self.start, "end": self.end, "type": self.type}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Entity":
        """The inverse of `to_json`."""
        return cls(value["start"], value["end"], value["type"])


@dataclass(slots=True)
class Sentence:
    """
    One text of a corpus with its gold entities.

    # Parameters

    text : `str`
        The text as in the file.
    entities : `Optional[Sequence[Entity]]`
        Its entities in the order of the file; `None` if the text is unlabelled, `()` if it has no entities.
    id : `Optional[Union[int, str]]`
        The identifier in the corpus, if there is one.
    source : `str`
        `file:line`, for messages.
    document : `Optional[str]`, optional (default=`None`)
        The document that it is a part of, if the corpus marks them: sentences of one document have the same. Comparison
        ignores it and the following.
    before, after : `Sequence[str]`, optional (default=`()`)
        The texts of the sentences around it that an encoder is to read with it, in order. They may lack gold.
    weight : `float`, optional (default=`1.0`)
        How much it counts in a loss, above 0: one with 2 counts as if it stood in its batch twice.
    """

    text: str
    entities: Optional[Sequence[Entity]] = None
    id: Optional[Union[int, str]] = None
    source: str = ""
    document: Optional[str] = field(default=None, compare=False)
    before: Sequence[str] = field(default=(), compare=False)
    after: Sequence[str] = field(default=(), compare=False)
    weight: float = field(default=1.0, compare=False)


def resolve_overlaps(entities: Sequence[Entity]) -> list[Entity]:
    """
    The entities that a flat notation can represent: of overlapping ones the longest, then the leftmost, then the first
    by type name. They are sorted by position.
    """
    kept: list[Entity] = []
    for entity in sorted(entities, key=lambda e: (-e.width, e.start, e.type)):
        if not any(entity.overlaps(other) for other in kept):
            kept.append(entity)
    return sorted(kept)
