"""What everything that scores a band of spans, up to a width, has in common."""

from typing import Optional, Sequence

import torch

from ner_plugins.entities import Entity, resolve_overlaps
from ner_plugins.errors import ConfigError


class SpanBand(torch.nn.Module):
    """
    A module that scores the spans of a text up to a width for each class; class 0 is "not an entity".

    # Parameters

    input_dim : `int`
        Size of the token vectors.
    num_classes : `int`
        The entity types and "not an entity".
    max_span_width : `Optional[int]`, optional (default = `None`)
        The widest span, in tokens, that can be predicted; `None` for no limit.

    # Raises

    `ConfigError` when `num_classes` is below 2 or `max_span_width` below 1.
    """

    def __init__(self, input_dim: int, num_classes: int, max_span_width: Optional[int] = None) -> None:
        super().__init__()
        if num_classes < 2:
            raise ConfigError(f"Spans need the classes 'not an entity' and one type or more, not {num_classes} classes")
        if max_span_width is not None and max_span_width < 1:
            raise ConfigError(f"max_span_width is at least 1 token, or null for no limit, not {max_span_width}")
        self.input_dim, self.num_classes, self.max_span_width = input_dim, num_classes, max_span_width

    def band_width(self, length: int) -> int:
        """The number of widths scored for texts of `length` tokens: no more than there are tokens, and at least 1."""
        width = length if self.max_span_width is None else min(self.max_span_width, length)
        return max(width, 1)


def reachable_spans(entities: Sequence[Entity], max_span_width: Optional[int], nested: bool) -> list[Entity]:
    """
    Those of a sentence's gold entities that can be predicted together: none that is too wide, and of those that exclude
    each other the longest, then the leftmost, then the first by type name.

    # Parameters

    entities : `Sequence[Entity]`
        With tokens as their unit.
    max_span_width : `Optional[int]`
        The widest that can be predicted; `None` for no limit.
    nested : `bool`
        Whether only those exclude each other that cross, or have one span; otherwise all that overlap do.
    """
    fitting = [entity for entity in entities if max_span_width is None or entity.width <= max_span_width]
    if not nested:
        return resolve_overlaps(fitting)
    spans: dict[tuple[int, int], Entity] = {}
    for entity in sorted(fitting, key=lambda e: (-e.width, e.start, e.type)):
        if not any(entity.crosses(other) for other in spans.values()):
            spans.setdefault((entity.start, entity.end), entity)
    return sorted(spans.values())
