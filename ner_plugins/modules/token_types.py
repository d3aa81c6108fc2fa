"""The entity and type of each token: flat gold, from gold that may overlap."""

from typing import NamedTuple, Sequence

import torch
from torch import Tensor


class TypedTokens(NamedTuple):
    """
    The entity and type of each token of a batch.

    # Parameters

    types : `torch.LongTensor`
        The type id; -1 outside of entities and at padding. Shape: (batch, length)
    entities : `torch.LongTensor`
        The row of the gold tensor, which numbers a sentence's entities; -1 as in `types`. Shape: (batch, length)
    """

    types: Tensor
    entities: Tensor


class TokenTypes:
    """
    Maps gold entities to tokens. Of overlapping entities it keeps the longest, then the leftmost, then the first by
    type name, as `ner_plugins.entities.resolve_overlaps` does. An entity that does not begin and end with a token is
    left out. It runs on the device of its inputs without synchronising.

    # Parameters

    types : `Sequence[str]`
        The entity types in order of their ids.
    """

    def __init__(self, types: Sequence[str]) -> None:
        self._number = len(types)
        order = {name: place for place, name in enumerate(sorted(types))}
        self._order = [order[type_] for type_ in types]
        self._places: dict[torch.device, Tensor] = {}

    def __call__(self, entities: Tensor, mask: Tensor) -> TypedTokens:
        """
        # Parameters

        entities : `torch.LongTensor`
            Rows of (first token, last token + 1, type id); a padding row is all -1. Shape: (batch, entities, 3)
        mask : `torch.BoolTensor`
            False for padding and special tokens; those within an entity get -1. Shape: (batch, length)
        """
        if entities.size(1) == 0 or mask.size(1) == 0 or self._number == 0:
            nothing = torch.full_like(mask, -1, dtype=torch.int64)
            return TypedTokens(nothing, nothing)
        start, end, type_id = entities.unbind(-1)  # Shape of each: (batch, entities)
        row = self._row_of(start, end, self._kept(start, end, type_id, mask), mask.size(1)).masked_fill(~mask, -1)
        types = torch.where(row >= 0, type_id.gather(1, row.clamp(min=0)), -1)  # Shape: (batch, length)
        return TypedTokens(types, row)

    def _kept(self, start: Tensor, end: Tensor, type_id: Tensor, mask: Tensor) -> Tensor:
        """
        Which entities are kept.

        # Returns

        `torch.BoolTensor`
            Shape: (batch, entities)
        """
        length = mask.size(1)
        fits = (type_id >= 0) & (type_id < self._number) & (start >= 0) & (start < end) & (end <= length)
        fits &= mask.gather(1, start.clamp(0, length - 1)) & mask.gather(1, (end - 1).clamp(0, length - 1))
        name = self._places_on(start.device)[type_id.clamp(0, self._number - 1)]  # Shape: (batch, entities)
        # 0 is the best rank; the first of equal entities is better.
        rank = ((length - (end - start)) * (length + 1) + start) * self._number + name
        rank = rank.masked_fill(~fits, torch.iinfo(torch.int64).max).argsort(stable=True, dim=1).argsort(1)
        overlap = (start.unsqueeze(2) < end.unsqueeze(1)) & (start.unsqueeze(1) < end.unsqueeze(2))
        # [b, p, q]: p is dropped if q is kept. Shape: (batch, entities, entities)
        loses = overlap & (rank.unsqueeze(2) > rank.unsqueeze(1)) & fits.unsqueeze(1)
        kept = fits
        # The result is the only fixed point; each step settles one more link of every chain of overlaps.
        for _ in range(start.size(1)):
            settled = fits & ~(loses & kept.unsqueeze(1)).any(2)
            if settled.device.type == "cpu" and torch.equal(settled, kept):
                break
            kept = settled
        return kept

    def _places_on(self, device: torch.device) -> Tensor:
        """The place of each type in the order of names. Shape: (types,)"""
        if device not in self._places:
            # Filled on the device: a copy from the host would wait for it.
            places = [torch.full((), place, dtype=torch.int64, device=device) for place in self._order]
            self._places[device] = torch.stack(places)
        return self._places[device]

    @staticmethod
    def _row_of(start: Tensor, end: Tensor, kept: Tensor, length: int) -> Tensor:
        """The row of each token's entity; -1 outside of entities. Shape: (batch, length)"""
        row = torch.arange(1, start.size(1) + 1, device=start.device) * kept  # Shape: (batch, entities)
        # Add the row at an entity's start and subtract it at its end; sums give each token's row. (batch, length + 1)
        change = torch.zeros(len(start), length + 1, dtype=torch.int64, device=start.device)
        change.scatter_add_(1, torch.where(kept, start, length), row)
        change.scatter_add_(1, torch.where(kept, end, length), -row)
        return change[:, :length].cumsum(1) - 1
