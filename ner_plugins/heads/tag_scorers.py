"""From vectors to scores of tags: each tag by itself, or a sum of what it says of chunk and of type."""

import torch
from torch import Tensor

from ner_plugins.errors import ConfigError
from ner_plugins.modules.crf.tagging import TagSet

TAG_HEADS = ("joint", "factored")


class FactoredTagHead(torch.nn.Module):
    """
    Scores of tags in two factors, as NerCo's authors describe their tagger: one linear layer scores the letters of the
    scheme and `O`, another the types. The tag of letter c and type t scores a_c + b_t, and `O` has a score of its own,
    a_O. Where an entity begins and ends is so learned for all types together.

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


def make_tag_head(name: str, input_dim: int, tag_set: TagSet) -> torch.nn.Module:
    """
    The layer that scores tags: `joint`, a linear layer, or `factored`, a `FactoredTagHead`.

    # Raises

    `ConfigError` when `name` is neither.
    """
    if name not in TAG_HEADS:
        raise ConfigError(f"model.tag_head is {name!r}; it can be {', '.join(TAG_HEADS)}")
    return torch.nn.Linear(input_dim, len(tag_set)) if name == "joint" else FactoredTagHead(input_dim, tag_set)
