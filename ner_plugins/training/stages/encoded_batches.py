"""The vectors of a batch's tokens, with what each token is of."""

from typing import Any

import torch

from ner_plugins.errors import ConfigError
from ner_plugins.models.ner_model import EncodedTokens
from ner_plugins.training.stages.batches import Batch, Part

_ENTITIES = 2**20  # more than a sentence has


def encoded(model: Any, batch: Batch) -> EncodedTokens:
    """
    The vectors that a model's head would be given of a batch's tokens. Of several parts the tokens are put into one
    row, without padding: a loss over all tokens of a batch does not see the difference.

    # Parameters

    model : `NerModel`
    batch : `Batch`

    # Returns

    `EncodedTokens`
        Of a batch of several parts of shape (1, tokens, dim) and (1, tokens).

    # Raises

    `ConfigError` if the sentences have no labels.
    """
    parts = [model.encode_tokens(_labelled(part)) for part in batch]
    return parts[0] if len(parts) == 1 else _in_one_row(parts)


def _in_one_row(parts: list[EncodedTokens]) -> EncodedTokens:
    vectors, types, entities = [], [], []
    sentences = 0
    for part in parts:
        # Entities are counted by sentence; in one row each has a number of its own.
        rows = torch.arange(sentences, sentences + part.mask.size(0), device=part.mask.device).unsqueeze(1)
        own = torch.where(part.entities >= 0, part.entities + rows * _ENTITIES, -1)
        sentences += part.mask.size(0)
        vectors.append(part.vectors[part.mask])
        types.append(part.types[part.mask])
        entities.append(own[part.mask])
    kept = torch.cat(types).unsqueeze(0)
    mask = torch.ones_like(kept, dtype=torch.bool)
    return EncodedTokens(torch.cat(vectors).unsqueeze(0), mask, kept, torch.cat(entities).unsqueeze(0))


def _labelled(part: Part) -> Part:
    """The sentences; `ConfigError` if they have no labels."""
    if "entities" not in part:
        sentence = next(iter(part.get("metadata", [{}])))
        place = sentence.get("source") or sentence.get("id")
        raise ConfigError(
            f"nerco compares labelled tokens, and there is no label at {place}: give labelled data (of validation data "
            'without labels nothing can be selected: leave them out, and set select_on to "last")'
        )
    return part
