"""Tags as tensors: from gold spans to tags, from tags to spans, and which tag may follow which."""

from typing import NamedTuple, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ner_plugins.errors import ConfigError
from ner_plugins.tag_schemes import follows, split_tag, tag_scheme

# Letters of every scheme in this order, so that a letter's place says what it means; a scheme may lack the last ones.
_BEGIN, _INSIDE, _END, _SINGLE = range(4)


class Constraints(NamedTuple):
    """
    What a sequence of tags may hold.

    # Parameters

    start : `torch.BoolTensor`
        The tags that a sentence may begin with. Shape: (tags,)
    end : `torch.BoolTensor`
        The tags that it may end with. Shape: (tags,)
    transitions : `torch.BoolTensor`
        [i, j]: tag j may follow tag i. Shape: (tags, tags)
    """

    start: Tensor
    end: Tensor
    transitions: Tensor


class Spans(NamedTuple):
    """
    Typed spans of a batch in flat tensors, in order of sentence and start.

    # Parameters

    sentence, start, end, type : `torch.LongTensor`
        Place in the batch, first token, last token + 1 and type id. Shape of each: (spans,)
    """

    sentence: Tensor
    start: Tensor
    end: Tensor
    type: Tensor


class TagSet:
    """
    The tags of some entity types in a scheme: `O` is tag 0, then come the scheme's letters of the first type, of the
    second, and so on. Its methods compute on the device of what they are given, without waiting for it but where they
    return a number of spans.

    # Parameters

    types : `Sequence[str]`
        Names of the entity types, in order of their ids.
    scheme : `str`, optional (default = `"BIO"`)
        One of `ner_plugins.tag_schemes.SCHEMES`, or another name of it.

    # Raises

    `ConfigError` when `scheme` is no scheme, or when two types have one name.
    """

    def __init__(self, types: Sequence[str], scheme: str = "BIO") -> None:
        self.types = list(types)
        if len(set(self.types)) < len(self.types):
            raise ConfigError(f"each entity type must be there once, but the types are {', '.join(self.types)}")
        self._scheme = tag_scheme(scheme)
        self.scheme = self._scheme.name
        # IOB1 names only I as a letter, but writes B between two entities of a type.
        self.letters = "BI" if self.scheme == "IOB1" else self._scheme.letters
        self.tags = ["O"] + [f"{letter}-{type_}" for type_ in self.types for letter in self.letters]
        places = {name: place for place, name in enumerate(sorted(self.types))}
        # By device, so that no step copies it again.
        self._places = {torch.device("cpu"): torch.tensor([places[type_] for type_ in self.types])}

    def __len__(self) -> int:
        return len(self.tags)

    def constraints(self) -> Constraints:
        """Which sequences of tags the scheme writes, by `ner_plugins.tag_schemes.follows`; `O` is always among them."""
        split = [split_tag(tag) for tag in self.tags]
        outside = ("O", "")
        return Constraints(
            torch.tensor([follows(outside, tag, self._scheme) for tag in split]),
            torch.tensor([follows(tag, outside, self._scheme) for tag in split]),
            torch.tensor([[follows(before, tag, self._scheme) for tag in split] for before in split]),
        )

    def continues(self) -> Tensor:
        """
        [i, j]: tag j, right after tag i, goes on with the same entity, as `spans` reads them.

        # Returns

        `torch.BoolTensor`
            Shape: (tags, tags)
        """
        tags = torch.arange(len(self))
        return self._continues(tags.unsqueeze(1), tags)

    def targets(self, entities: Tensor, mask: Tensor) -> Tensor:
        """
        The gold tags of gold entities. Of those that overlap the longest is written, then the leftmost, then the
        first by name of type, as `ner_plugins.entities.resolve_overlaps` has it; one that does not begin and end with
        a token of the text is left out.

        # Parameters

        entities : `torch.LongTensor`
            Rows of (first token, last token + 1, type id); a padding row is all -1. Shape: (batch, entities, 3)
        mask : `torch.BoolTensor`
            The tokens of the text; others between the first and the last token of an entity are passed over.
            Shape: (batch, length)

        # Returns

        `torch.LongTensor`
            0 where there is no token. Shape: (batch, length)
        """
        if entities.size(1) == 0 or mask.size(1) == 0 or not self.types:
            return torch.zeros_like(mask, dtype=torch.int64)
        start, end, type_id = entities.unbind(-1)  # Shape of these: (batch, entities)
        owner = self._owner(start, end, self._written(start, end, type_id, mask), mask.size(1))
        row = (owner - 1).clamp(min=0)
        inside = (owner > 0) & mask
        types = torch.where(inside, type_id.gather(1, row), -1)  # Shape of this and the next: (batch, length)
        token = torch.arange(mask.size(1), device=mask.device)
        first, last = token == start.gather(1, row), token == end.gather(1, row) - 1
        if self.scheme == "IOB1":
            letter = torch.where(first & (types == _previous(types, mask, -1)), _BEGIN, _INSIDE)
        else:
            scheme, letters = self._scheme, self.letters
            edge = torch.where(first, letters.index(scheme.begin), letters.index(scheme.end))
            edge = edge.masked_fill(first & last, letters.index(scheme.single))
            letter = torch.where(first | last, edge, _INSIDE)
        return torch.where(inside, types * len(self.letters) + letter + 1, 0)

    def spans(self, tags: Tensor, mask: Tensor) -> Spans:
        """
        The entities that sequences of tags say, read as `ner_plugins.tag_schemes.tags_to_spans` reads them: also those
        which the scheme does not allow.

        # Parameters

        tags : `torch.LongTensor`
            Shape: (batch, length)
        mask : `torch.BoolTensor`
            The tokens of the text; others are passed over, and may lie within a span. Shape: (batch, length)
        """
        if tags.numel() == 0 or len(self) == 1:
            nothing = torch.zeros(0, dtype=torch.int64, device=tags.device)
            return Spans(nothing, nothing, nothing, nothing)
        tags = tags.masked_fill(~mask, 0)
        goes_on = self._continues(_previous(tags, mask, 0), tags) & mask
        begins = (tags > 0) & ~goes_on
        # An entity ends with its last token before one that neither goes on with it nor is passed over. For every
        # token, the first one from it on at which no entity goes on, and the last token of an entity before that.
        length = tags.size(1)
        token = torch.arange(length, device=tags.device).expand_as(tags)
        stops = F.pad(torch.where(mask & ~goes_on, token, length)[:, 1:], (0, 1), value=length)
        following = stops.flip(1).cummin(1).values.flip(1)
        last = torch.where(mask, token, 0).cummax(1).values
        sentence, start = begins.nonzero(as_tuple=True)
        end = last[sentence, following[sentence, start] - 1] + 1
        return Spans(sentence, start, end, (tags[sentence, start] - 1) // len(self.letters))

    def _continues(self, before: Tensor, tags: Tensor) -> Tensor:
        """Whether `tags` go on with the entities of the tags right `before` them."""
        number = len(self.letters)
        # -1 for O, whose type equals no other's. Shape of these: that of tags
        same_type = (tags - 1).div(number, rounding_mode="floor") == (before - 1).div(number, rounding_mode="floor")
        letter, letter_before = (tags - 1) % number, (before - 1) % number
        goes_on = (letter == _INSIDE) | (letter == _END)
        return same_type & (tags > 0) & goes_on & (letter_before <= _INSIDE)

    def _written(self, start: Tensor, end: Tensor, type_id: Tensor, mask: Tensor) -> Tensor:
        """
        Which of some entities are written.

        # Returns

        `torch.BoolTensor`
            Shape: (batch, entities)
        """
        length = mask.size(1)
        fits = (type_id >= 0) & (type_id < len(self.types)) & (start >= 0) & (start < end) & (end <= length)
        fits &= mask.gather(1, start.clamp(0, length - 1)) & mask.gather(1, (end - 1).clamp(0, length - 1))
        if start.device not in self._places:
            self._places[start.device] = self._places[torch.device("cpu")].to(start.device)
        name = self._places[start.device][type_id.clamp(0, len(self.types) - 1)]
        # The first is the best one, of equals the first in the tensor.
        rank = ((length - (end - start)) * (length + 1) + start) * len(self.types) + name
        rank = rank.masked_fill(~fits, torch.iinfo(torch.int64).max).argsort(stable=True, dim=1).argsort(1)
        overlap = (start.unsqueeze(2) < end.unsqueeze(1)) & (start.unsqueeze(1) < end.unsqueeze(2))
        # [b, p, q]: p is not written if q is. Shape: (batch, entities, entities)
        loses = overlap & (rank.unsqueeze(2) > rank.unsqueeze(1)) & fits.unsqueeze(1)
        written = fits
        # The answer is the one fixed point, and each step settles at least one more link of every chain of overlaps.
        for _ in range(start.size(1)):
            settled = fits & ~(loses & written.unsqueeze(1)).any(2)
            if settled.device.type == "cpu" and torch.equal(settled, written):
                break
            written = settled
        return written

    @staticmethod
    def _owner(start: Tensor, end: Tensor, written: Tensor, length: int) -> Tensor:
        """For each token the row of the entity that it lies in, plus 1; 0 where it lies in none."""
        row = torch.arange(1, start.size(1) + 1, device=start.device) * written  # Shape: (batch, entities)
        change = torch.zeros(len(start), length + 1, dtype=torch.int64, device=start.device)
        change.scatter_add_(1, torch.where(written, start, length), row)
        change.scatter_add_(1, torch.where(written, end, length), -row)
        return change[:, :length].cumsum(1)


def _previous(values: Tensor, mask: Tensor, default: int) -> Tensor:
    """
    For each place the value at the last place before it that `mask` has, or `default` where there is none.

    # Parameters

    values : `torch.LongTensor`
        Shape: (batch, length)
    mask : `torch.BoolTensor`
        Shape: (batch, length)
    """
    place = torch.arange(1, mask.size(1) + 1, device=mask.device)
    latest = F.pad(torch.where(mask, place, 0).cummax(1).values[:, :-1], (1, 0))
    return F.pad(values, (1, 0), value=default).gather(1, latest)
