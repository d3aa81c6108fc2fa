"""The band of spans up to a width: its shape, its mask, and the gold that fits into it."""

from typing import Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ner_plugins.entities import Entity, resolve_overlaps
from ner_plugins.errors import ConfigError


class SpanBand(torch.nn.Module):
    """
    A module that scores the spans of a text up to a width for each class; class 0 is "not an entity".

    # Parameters

    input_dim : `int`
        Size of the token vectors.
    num_classes : `int`
        The number of entity types, plus one for "not an entity".
    max_span_width : `Optional[int]`, optional (default=`None`)
        The widest span, in tokens, that can be predicted; `None` for no limit.

    # Raises

    `ConfigError` if `num_classes` is below 2 or `max_span_width` below 1.
    """

    def __init__(self, input_dim: int, num_classes: int, max_span_width: Optional[int] = None) -> None:
        super().__init__()
        if num_classes < 2:
            raise ConfigError(f"a span scorer needs 'not an entity' and at least one type, got {num_classes} classes")
        self.input_dim, self.num_classes = input_dim, num_classes
        self.max_span_width = checked_width(max_span_width)

    def band_width(self, length: int) -> int:
        """The number of widths scored for texts of `length` tokens (see `band_width`)."""
        return band_width(length, self.max_span_width)


def checked_width(max_span_width: Optional[int]) -> Optional[int]:
    """
    `max_span_width` as it is.

    # Raises

    `ConfigError` if it is below 1.
    """
    if max_span_width is not None and max_span_width < 1:
        raise ConfigError(f"max_span_width must be >= 1, or null for no limit, got {max_span_width}")
    return max_span_width


def band_width(length: int, max_span_width: Optional[int]) -> int:
    """The number of widths of a band over `length` tokens: at most as many as there are tokens, and at least 1."""
    width = length if max_span_width is None else min(max_span_width, length)
    return max(width, 1)


def span_mask(mask: Tensor, width: int) -> Tensor:
    """
    Which cells of a band are spans of the text: all their tokens are real.

    # Parameters

    mask : `torch.BoolTensor`
        Which tokens are real. Shape: (batch, length)
    width : `int`
        The band's number of widths.

    # Returns

    `torch.BoolTensor`
        Shape: (batch, length, width)
    """
    # Number of real tokens before each position, also past the end. Shape: (batch, length + width)
    before = F.pad(F.pad(mask, (0, width - 1)).cumsum(1), (1, 0))
    through = before[:, 1:].unfold(1, width, 1)  # Shape: (batch, length, width)
    widths = torch.arange(1, width + 1, device=mask.device)
    return through - before[:, : mask.size(1), None] == widths


def reachable_spans(entities: Sequence[Entity], max_span_width: Optional[int], nested: bool) -> list[Entity]:
    """
    Those of a sentence's gold entities that can be predicted together. Entities that are too wide are left out; of
    entities that exclude each other the longest stays, then the leftmost, then the first by type name.

    # Parameters

    entities : `Sequence[Entity]`
        In tokens.
    max_span_width : `Optional[int]`
        The widest span that can be predicted; `None` for no limit.
    nested : `bool`
        Whether entities exclude each other only if they cross or have the same span; otherwise they do if they overlap.
    """
    fitting = [entity for entity in entities if max_span_width is None or entity.width <= max_span_width]
    if not nested:
        return resolve_overlaps(fitting)
    spans: dict[tuple[int, int], Entity] = {}
    for entity in sorted(fitting, key=lambda e: (-e.width, e.start, e.type)):
        if not any(entity.crosses(other) for other in spans.values()):
            spans.setdefault((entity.start, entity.end), entity)
    return sorted(spans.values())
