"""Tags as tensors: from gold spans to tags, from tags to spans, and which tag may follow which."""

from typing import NamedTuple, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ner_plugins.errors import ConfigError
from ner_plugins.modules.token_types import TokenTypes
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
        self._token_types = TokenTypes(self.types)

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
        The gold tags of gold entities, of those that `TokenTypes` lets count.

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
        if entities.size(1) == 0:
            return torch.zeros_like(mask, dtype=torch.int64)
        types, row = self._token_types(entities, mask)  # Shape of these and the next: (batch, length)
        start, end = (entities[..., side].gather(1, row.clamp(min=0)) for side in (0, 1))
        token = torch.arange(mask.size(1), device=mask.device)
        first, last = token == start, token == end - 1
        if self.scheme == "IOB1":
            letter = torch.where(first & (types == _previous(types, mask, -1)), _BEGIN, _INSIDE)
        else:
            scheme, letters = self._scheme, self.letters
            edge = torch.where(first, letters.index(scheme.begin), letters.index(scheme.end))
            edge = edge.masked_fill(first & last, letters.index(scheme.single))
            letter = torch.where(first | last, edge, _INSIDE)
        return torch.where(types >= 0, types * len(self.letters) + letter + 1, 0)

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
