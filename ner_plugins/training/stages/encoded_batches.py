"""The vectors of a batch's tokens, with the type and entity of each."""

from typing import Any

import torch

from ner_plugins.errors import ConfigError
from ner_plugins.models.encoded_tokens import EncodedTokens
from ner_plugins.training.engine.batches import Batch, Part

_ENTITIES = 2**20  # more than a sentence has


def encoded(model: Any, batch: Batch) -> EncodedTokens:
    """
    The token vectors of a batch that the model would pass to its head. The tokens of several parts are joined into one
    row without padding, which makes no difference to a loss over all tokens of a batch.

    # Parameters

    model : `NerModel`
    batch : `Batch`

    # Returns

    `EncodedTokens`
        Shapes (1, tokens, dim) and (1, tokens) for several parts.

    # Raises

    `ConfigError` if the sentences have no labels.
    """
    parts = [model.encode_tokens(_labelled(part)) for part in batch]
    return parts[0] if len(parts) == 1 else _in_one_row(parts)


def _in_one_row(parts: list[EncodedTokens]) -> EncodedTokens:
    vectors, types, entities = [], [], []
    sentences = 0
    for part in parts:
        # Entities are numbered within their sentence; in one row each needs its own number.
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
    """The part itself; `ConfigError` if it has no labels."""
    if "entities" not in part:
        sentence = next(iter(part.get("metadata", [{}])))
        place = sentence.get("source") or sentence.get("id")
        raise ConfigError(
            f"nerco compares labelled tokens, but {place} has no label. Give labelled data, or leave out unlabelled "
            'validation data and set select_on to "last"'
        )
    return part
