"""Of what type each token is, and of which entity: flat gold, from gold that may overlap."""

from typing import NamedTuple, Sequence

import torch
from torch import Tensor


class TypedTokens(NamedTuple):
    """
    What each token of a batch belongs to.

    # Parameters

    types : `torch.LongTensor`
        The type id; -1 outside of entities and where there is no token. Shape: (batch, length)
    entities : `torch.LongTensor`
        The row of the gold tensor, a number of its own for each entity of a sentence; -1 as in `types`.
        Shape: (batch, length)
    """

    types: Tensor
    entities: Tensor


class TokenTypes:
    """
    From gold entities to tokens. Of entities that overlap the longest counts, then the leftmost, then the first by name
    of type, as `ner_plugins.entities.resolve_overlaps` has it; one that does not begin and end with a token of the text
    is left out. It is computed on the device of what it is given, without waiting for it.

    # Parameters

    types : `Sequence[str]`
        Names of the entity types, in order of their ids.
    """

    def __init__(self, types: Sequence[str]) -> None:
        self._number = len(types)
        places = {name: place for place, name in enumerate(sorted(types))}
        # By device, so that no step copies it again.
        self._places = {torch.device("cpu"): torch.tensor([places[type_] for type_ in types], dtype=torch.int64)}

    def __call__(self, entities: Tensor, mask: Tensor) -> TypedTokens:
        """
        # Parameters

        entities : `torch.LongTensor`
            Rows of (first token, last token + 1, type id); a padding row is all -1. Shape: (batch, entities, 3)
        mask : `torch.BoolTensor`
            The tokens of the text; others between the first and the last token of an entity are passed over.
            Shape: (batch, length)
        """
        if entities.size(1) == 0 or mask.size(1) == 0 or self._number == 0:
            nothing = torch.full_like(mask, -1, dtype=torch.int64)
            return TypedTokens(nothing, nothing)
        start, end, type_id = entities.unbind(-1)  # Shape of these: (batch, entities)
        row = self._row_of(start, end, self._kept(start, end, type_id, mask), mask.size(1)).masked_fill(~mask, -1)
        types = torch.where(row >= 0, type_id.gather(1, row.clamp(min=0)), -1)
        return TypedTokens(types, row)

    def _kept(self, start: Tensor, end: Tensor, type_id: Tensor, mask: Tensor) -> Tensor:
        """
        Which of some entities count.

        # Returns

        `torch.BoolTensor`
            Shape: (batch, entities)
        """
        length = mask.size(1)
        fits = (type_id >= 0) & (type_id < self._number) & (start >= 0) & (start < end) & (end <= length)
        fits &= mask.gather(1, start.clamp(0, length - 1)) & mask.gather(1, (end - 1).clamp(0, length - 1))
        if start.device not in self._places:
            self._places[start.device] = self._places[torch.device("cpu")].to(start.device)
        name = self._places[start.device][type_id.clamp(0, self._number - 1)]
        # The first is the best one, of equals the first in the tensor.
        rank = ((length - (end - start)) * (length + 1) + start) * self._number + name
        rank = rank.masked_fill(~fits, torch.iinfo(torch.int64).max).argsort(stable=True, dim=1).argsort(1)
        overlap = (start.unsqueeze(2) < end.unsqueeze(1)) & (start.unsqueeze(1) < end.unsqueeze(2))
        # [b, p, q]: p does not count if q does. Shape: (batch, entities, entities)
        loses = overlap & (rank.unsqueeze(2) > rank.unsqueeze(1)) & fits.unsqueeze(1)
        kept = fits
        # The answer is the one fixed point, and each step settles at least one more link of every chain of overlaps.
        for _ in range(start.size(1)):
            settled = fits & ~(loses & kept.unsqueeze(1)).any(2)
            if settled.device.type == "cpu" and torch.equal(settled, kept):
                break
            kept = settled
        return kept

    @staticmethod
    def _row_of(start: Tensor, end: Tensor, kept: Tensor, length: int) -> Tensor:
        """For each token the row of the entity that it lies in; -1 where it lies in none. Shape: (batch, length)."""
        row = torch.arange(1, start.size(1) + 1, device=start.device) * kept  # Shape: (batch, entities)
        change = torch.zeros(len(start), length + 1, dtype=torch.int64, device=start.device)
        change.scatter_add_(1, torch.where(kept, start, length), row)
        change.scatter_add_(1, torch.where(kept, end, length), -row)
        return change[:, :length].cumsum(1) - 1
