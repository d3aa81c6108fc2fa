"""Between tokens and characters: predicted spans to entities of the text, gold entities to spans of tokens."""

from typing import Any, Mapping, Sequence

from ner_plugins.entities import Entity
from ner_plugins.heads.decoding import DecodedSpans
from ner_plugins.segmentation.blanks import has_blank_edge, trimmed, without_blank_edges


def to_characters(
    spans: DecodedSpans, metadata: Sequence[Mapping[str, Any]], types: Sequence[str]
) -> list[list[Entity]]:
    """
    The predicted entities of each sentence, in characters of its text, without blanks at their edges (see
    `without_blank_edges`), in order of position.

    # Parameters

    spans : `DecodedSpans`
        The spans of a batch, copied to the host once.
    metadata : `Sequence[Mapping[str, Any]]`
        The sentences' metadata: `text`, and the `offsets`, the (start, end) of each token in characters.
    types : `Sequence[str]`
        The name of each type id.
    """
    entities = []
    for sentence, rows in zip(metadata, spans.to_entities(len(metadata), names_of(metadata)), strict=True):
        offsets = sentence["offsets"]
        found = [
            Entity(offsets[first][0], offsets[end - 1][1], types[type_id], round(probability, 6))
            for first, end, type_id, probability in rows
        ]
        # An empty text has one token, which has no characters.
        found = [entity for entity in found if entity.width > 0]
        entities.append(without_blank_edges(found, sentence["text"]))
    return entities


def in_tokens(
    entities: Sequence[Entity], offsets: Sequence[tuple[int, int]], text: str
) -> dict[Entity, Entity]:
    """
    The entities that begin and end with a token, each with its span in tokens instead of characters. Blanks at the
    edges of a token do not count, since `to_characters` leaves them out: an entity that has them is not among them.
    """
    first: dict[int, int] = {}
    end: dict[int, int] = {}
    for token, (start, stop) in enumerate(offsets):
        if has_blank_edge(start, stop, text):
            start, stop = trimmed(text, start, stop)
        if start < stop:
            first[start], end[stop] = token, token + 1
    return {
        entity: Entity(first[entity.start], end[entity.end], entity.type)
        for entity in entities
        if entity.start in first and entity.end in end
    }


def names_of(metadata: Sequence[Mapping[str, Any]]) -> list[str]:
    """The name of each sentence in messages: its place in a file, or its id."""
    return [sentence.get("source") or str(sentence["id"]) for sentence in metadata]
