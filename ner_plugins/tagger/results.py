"""What a `Tagger` returns."""

from dataclasses import dataclass
from typing import Any, Collection, Iterable, Optional

from ner_plugins.entities import Entity


@dataclass(frozen=True, slots=True)
class TaggedEntity:
    """
    A predicted entity.

    # Parameters

    start, end : `int`
        Half-open offsets in characters (code points): `text[start:end]` of the whole text is this entity's `text`.
    type : `str`
    text : `str`
    score : `float`
        Its probability, rounded to six digits.
    """

    start: int
    end: int
    type: str
    text: str
    score: float

    def to_json(self) -> dict[str, Any]:
        """`{"start", "end", "type", "text", "score"}`."""
        return {"start": self.start, "end": self.end, "type": self.type, "text": self.text, "score": self.score}


@dataclass(frozen=True, slots=True)
class TaggedText:
    """
    A text and its predicted entities.

    # Parameters

    text : `str`
        As it was given.
    entities : `tuple[TaggedEntity, ...]`
        In order of start and end.
    """

    text: str
    entities: tuple[TaggedEntity, ...]

    @classmethod
    def of(cls, text: str, entities: Iterable[Entity], types: Optional[Collection[str]] = None) -> "TaggedText":
        """A text with those of its predicted entities that are of `types`; `None` keeps all."""
        kept = (entity for entity in entities if types is None or entity.type in types)
        return cls(
            text, tuple(TaggedEntity(e.start, e.end, e.type, text[e.start : e.end], e.score or 0.0) for e in kept)
        )

    def to_json(self) -> dict[str, Any]:
        """`{"text", "entities"}`, with entities as in `TaggedEntity.to_json`."""
        return {"text": self.text, "entities": [entity.to_json() for entity in self.entities]}
