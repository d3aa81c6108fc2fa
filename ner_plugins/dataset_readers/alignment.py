"""From spans of characters to spans of tokens."""

from bisect import bisect_left, bisect_right
from typing import Literal, NamedTuple, Optional, Sequence

from ner_plugins.entities import Entity

Boundary = Literal["expand", "shrink", "drop"]


class TokenSpan(NamedTuple):
    """
    An entity in tokens.

    # Parameters

    start, end : `int`
        Half-open token indices.
    type : `str`
    exact : `bool`
        Whether the tokens cover exactly the entity's characters, so that a model can predict it exactly.
    """

    start: int
    end: int
    type: str
    exact: bool


def align_entities(
    entities: Sequence[Entity], offsets: Sequence[tuple[int, int]], boundary: Boundary = "expand"
) -> list[Optional[TokenSpan]]:
    """
    Find the tokens of each entity.

    # Parameters

    entities : `Sequence[Entity]`
    offsets : `Sequence[tuple[int, int]]`
        The half-open characters of each token, increasing, without overlap. Characters between tokens have none.
    boundary : `str`, optional (default=`"expand"`)
        What to do if an entity begins or ends inside a token: `expand` includes the token, `shrink` excludes it,
        `drop` drops the entity.

    # Returns

    `list[Optional[TokenSpan]]`
        One per entity; `None` if no token is left.
    """
    if not entities:
        return []
    starts = [start for start, _ in offsets]
    ends = [end for _, end in offsets]
    spans: list[Optional[TokenSpan]] = []
    for entity in entities:
        # The tokens that share a character with the entity: first to last - 1.
        first, last = bisect_right(ends, entity.start), bisect_left(starts, entity.end)
        if first >= last:
            spans.append(None)
            continue
        cut_left, cut_right = starts[first] < entity.start, entity.end < ends[last - 1]
        if boundary != "expand" and (cut_left or cut_right):
            if boundary == "drop":
                spans.append(None)
                continue
            first, last = first + cut_left, last - cut_right
            if first >= last:
                spans.append(None)
                continue
        exact = starts[first] == entity.start and ends[last - 1] == entity.end
        spans.append(TokenSpan(first, last, entity.type, exact))
    return spans
