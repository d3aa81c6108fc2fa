"""Tags as tensors: gold spans to tags, tags to spans, and which tag may follow which."""

from typing import NamedTuple, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ner_plugins.errors import ConfigError
from ner_plugins.modules.token_types import TokenTypes
from ner_plugins.tag_schemes import follows, split_tag, tag_scheme

# Index of each letter. Every scheme has its letters in this order; some lack the last ones.
_BEGIN, _INSIDE, _END, _SINGLE = range(4)


class Constraints(NamedTuple):
    """
    The allowed sequences of tags.

    # Parameters

    start : `torch.BoolTensor`
        The tags that a sentence may begin with. Shape: (tags,)
    end : `torch.BoolTensor`
        The tags that a sentence may end with. Shape: (tags,)
    transitions : `torch.BoolTensor`
        [i, j]: tag j may follow tag i. Shape: (tags, tags)
    """

    start: Tensor
    end: Tensor
    transitions: Tensor


class Spans(NamedTuple):
    """
    Typed spans of a batch in flat tensors, ordered by sentence and start.

    # Parameters

    sentence, start, end, type : `torch.LongTensor`
        Index in the batch, first token, last token + 1 and type id. Shape of each: (spans,)
    """

    sentence: Tensor
    start: Tensor
    end: Tensor
    type: Tensor


class TagSet:
    """
    The tags of entity types in a scheme. `O` is tag 0; the tags of the first type follow, one per letter of the scheme,
    then those of the second, and so on. Methods compute on the device of their arguments; only `spans` waits for it.

        >>> tag_set = TagSet(["PER", "LOC"], scheme="BIOES")
        >>> tag_set.tags
        ['O', 'B-PER', 'I-PER', 'E-PER', 'S-PER', 'B-LOC', 'I-LOC', 'E-LOC', 'S-LOC']
        >>> mask = torch.tensor([[True, True, True, True, False]])
        >>> entities = torch.tensor([[[0, 2, 0], [3, 4, 1]]])  # PER over tokens 0 and 1, LOC over token 3
        >>> tags = tag_set.targets(entities, mask)
        >>> tags
        tensor([[1, 3, 0, 8, 0]])
        >>> tag_set.spans(tags, mask)
        Spans(sentence=tensor([0, 0]), start=tensor([0, 3]), end=tensor([2, 4]), type=tensor([0, 1]))
        >>> tag_set.constraints().transitions[1].nonzero().flatten()  # only I-PER and E-PER may follow B-PER
        tensor([2, 3])

    # Parameters

    types : `Sequence[str]`
        Names of the entity types, in order of their ids.
    scheme : `str`, optional (default=`"BIO"`)
        One of `ner_plugins.tag_schemes.SCHEMES`, or another name of it.

    # Raises

    `ConfigError` for an unknown `scheme`, or if two types have the same name.
    """

    def __init__(self, types: Sequence[str], scheme: str = "BIO") -> None:
        self.types = list(types)
        if len(set(self.types)) < len(self.types):
            raise ConfigError(f"entity types must differ, got {', '.join(self.types)}")
        self._scheme = tag_scheme(scheme)
        self.scheme = self._scheme.name
        # IOB1 lists only the letter I, but writes B between two adjacent entities of a type.
        self.letters = "BI" if self.scheme == "IOB1" else self._scheme.letters
        self.tags = ["O"] + [f"{letter}-{type_}" for type_ in self.types for letter in self.letters]
        self._token_types = TokenTypes(self.types)

    def __len__(self) -> int:
        return len(self.tags)

    def constraints(self) -> Constraints:
        """The sequences of tags that the scheme allows (`ner_plugins.tag_schemes.follows`); `O` alone always is."""
        split = [split_tag(tag) for tag in self.tags]
        outside = ("O", "")
        return Constraints(
            torch.tensor([follows(outside, tag, self._scheme) for tag in split]),
            torch.tensor([follows(tag, outside, self._scheme) for tag in split]),
            torch.tensor([[follows(before, tag, self._scheme) for tag in split] for before in split]),
        )

    def continues(self) -> Tensor:
        """
        [i, j]: tag j right after tag i continues the same entity, as `spans` reads tags.

        # Returns

        `torch.BoolTensor`
            Shape: (tags, tags)
        """
        tags = torch.arange(len(self))
        return self._continues(tags.unsqueeze(1), tags)

    def targets(self, entities: Tensor, mask: Tensor) -> Tensor:
        """
        The gold tags of the entities that `TokenTypes` keeps.

        # Parameters

        entities : `torch.LongTensor`
            Rows of (first token, last token + 1, type id); a padding row is all -1. Shape: (batch, entities, 3)
        mask : `torch.BoolTensor`
            The tokens of the text; other positions within an entity are skipped. Shape: (batch, length)

        # Returns

        `torch.LongTensor`
            0 outside the mask. Shape: (batch, length)
        """
        if entities.size(1) == 0:
            return torch.zeros_like(mask, dtype=torch.int64)
        types, row = self._token_types(entities, mask)  # Shape of all below: (batch, length)
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
        The entities in sequences of tags, also in sequences that the scheme does not allow, as
        `ner_plugins.tag_schemes.tags_to_spans` reads them.

        # Parameters

        tags : `torch.LongTensor`
            Shape: (batch, length)
        mask : `torch.BoolTensor`
            The tokens of the text; other positions are skipped, and may lie within a span. Shape: (batch, length)
        """
        if tags.numel() == 0 or len(self) == 1:
            nothing = torch.zeros(0, dtype=torch.int64, device=tags.device)
            return Spans(nothing, nothing, nothing, nothing)
        tags = tags.masked_fill(~mask, 0)
        goes_on = self._continues(_previous(tags, mask, 0), tags) & mask
        begins = (tags > 0) & ~goes_on
        # An entity ends at the last token before the next one that does not continue an entity. `following` is that
        # next token, `last` the last token up to each position.
        length = tags.size(1)
        token = torch.arange(length, device=tags.device).expand_as(tags)
        stops = F.pad(torch.where(mask & ~goes_on, token, length)[:, 1:], (0, 1), value=length)
        following = stops.flip(1).cummin(1).values.flip(1)
        last = torch.where(mask, token, 0).cummax(1).values
        sentence, start = begins.nonzero(as_tuple=True)  # Shape of each: (spans,)
        end = last[sentence, following[sentence, start] - 1] + 1
        return Spans(sentence, start, end, (tags[sentence, start] - 1) // len(self.letters))

    def _continues(self, before: Tensor, tags: Tensor) -> Tensor:
        """Whether `tags` continue the entities of the tags right `before` them."""
        number = len(self.letters)
        # O has type -1, which no type equals. Shape of all: that of tags
        same_type = (tags - 1).div(number, rounding_mode="floor") == (before - 1).div(number, rounding_mode="floor")
        letter, letter_before = (tags - 1) % number, (before - 1) % number
        goes_on = (letter == _INSIDE) | (letter == _END)
        return same_type & (tags > 0) & goes_on & (letter_before <= _INSIDE)


def _previous(values: Tensor, mask: Tensor, default: int) -> Tensor:
    """
    For each position, the value at the last masked-in position before it, or `default` if there is none.

    # Parameters

    values : `torch.LongTensor`
        Shape: (batch, length)
    mask : `torch.BoolTensor`
        Shape: (batch, length)
    """
    place = torch.arange(1, mask.size(1) + 1, device=mask.device)
    latest = F.pad(torch.where(mask, place, 0).cummax(1).values[:, :-1], (1, 0))  # Shape: (batch, length)
    return F.pad(values, (1, 0), value=default).gather(1, latest)
