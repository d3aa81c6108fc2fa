"""Layers that score tags: each tag by itself, or as the sum of a chunk's and a type's score."""

from typing import Literal, Union

import torch
from torch import Tensor

from ner_plugins.heads.type_axes import Axes
from ner_plugins.modules.crf.tagging import TagSet

TagScorer = Literal["joint", "factored"]


class FactoredTagScorer(torch.nn.Module):
    """
    Scores of tags in two factors, as NerCo's authors describe their tagger: one linear layer scores the letters of the
    scheme and `O`, another the types. The tag of letter c and type t scores a_c + b_t, and `O` scores a_O. So all types
    share what is learnt about where entities begin and end.

    # Parameters

    input_dim : `int`
        The size of the vectors.
    tag_set : `TagSet`
        The tags.
    """

    def __init__(self, input_dim: int, tag_set: TagSet) -> None:
        super().__init__()
        self.chunk_projection = torch.nn.Linear(input_dim, 1 + len(tag_set.letters))
        self.type_projection = torch.nn.Linear(input_dim, len(tag_set.types))

    def forward(self, encoded: Tensor) -> Tensor:
        """
        # Parameters

        encoded : `torch.Tensor`
            Shape: (..., input_dim)

        # Returns

        `torch.Tensor`
            The scores of the tags in `TagSet`'s order. Shape: (..., tags)
        """
        chunks = self.chunk_projection(encoded)  # O, then the scheme's letters. Shape: (..., 1 + letters)
        types = self.type_projection(encoded)  # Shape: (..., types)
        within = types.unsqueeze(-1) + chunks[..., 1:].unsqueeze(-2)  # Shape: (..., types, letters)
        return torch.cat([chunks[..., :1], within.flatten(-2)], -1)


def make_tag_scorer(name: TagScorer, input_dim: int, tag_set: TagSet) -> Union[torch.nn.Linear, FactoredTagScorer]:
    """The layer that scores tags: `joint`, a linear layer, or `factored`, a `FactoredTagScorer`."""
    return torch.nn.Linear(input_dim, len(tag_set)) if name == "joint" else FactoredTagScorer(input_dim, tag_set)


def type_axes_of(scorer: Union[torch.nn.Linear, FactoredTagScorer], tag_set: TagSet) -> dict[str, Axes]:
    """Which parameters of a layer that scores tags depend on the types: see `Head.type_axes`."""
    if isinstance(scorer, FactoredTagScorer):
        return {"type_projection.weight": (tag_set.types, None), "type_projection.bias": (tag_set.types,)}
    return {"weight": (tag_set.tags, None), "bias": (tag_set.tags,)}
