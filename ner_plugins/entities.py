"""What travels from file to output: sentences and their entities, in characters."""

from dataclasses import dataclass, field
from typing import Any, Optional, Sequence, Union


@dataclass(frozen=True, order=True, slots=True)
class Entity:
    """
    A typed span of a text.

    # Parameters

    start, end : `int`
        Half-open offsets, in characters (code points) of the text: `text[start:end]` is the surface.
    type : `str`
        The entity type, as the data spell it.
    score : `Optional[float]`
        A prediction's probability. Two entities are equal whatever their scores.
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
        """Whether every character of `other` belongs to this one too (equal spans contain each other)."""
        return self.start <= other.start and other.end <= self.end

    def crosses(self, other: "Entity") -> bool:
        """Whether the two overlap and neither contains the other."""
        return self.overlaps(other) and not self.contains(other) and not other.contains(self)

    def to_json(self) -> dict[str, Any]:
        """`{"start", "end", "type"}`, the layout of `instance["metadata"]`."""
        return {"start": self.start, "end": self.end, "type": self.type}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Entity":
        """The inverse of `to_json`."""
        return cls(value["start"], value["end"], value["type"])


@dataclass(slots=True)
class Sentence:
    """
    One text of a corpus with its gold.

    # Parameters

    text : `str`
        The text as it stands in the file.
    entities : `Optional[Sequence[Entity]]`
        Its entities, as the file orders them; `None` when the text is unlabelled, `()` when it has none.
    id : `Optional[Union[int, str]]`
        The corpus's own identifier, if it has one.
    source : `str`
        `file:line`, for messages.
    """

    text: str
    entities: Optional[Sequence[Entity]] = None
    id: Optional[Union[int, str]] = None
    source: str = ""


def resolve_overlaps(entities: Sequence[Entity]) -> list[Entity]:
    """
    The entities that a flat notation can hold: of those that overlap, the longest, then the leftmost, then the
    first by type name. Returned in order of position.
    """
    kept: list[Entity] = []
    for entity in sorted(entities, key=lambda e: (-e.width, e.start, e.type)):
        if not any(entity.overlaps(other) for other in kept):
            kept.append(entity)
    return sorted(kept)
