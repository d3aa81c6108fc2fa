"""Checks of what a model is built from, and the parameter names of old archives."""

from typing import AbstractSet, Any, Mapping

from allennlp.data import Vocabulary

from ner_plugins.errors import ConfigError
from ner_plugins.fields.entities_field import ENTITY_NAMESPACE


def entity_types(vocab: Vocabulary) -> list[str]:
    """The entity types of the training data, in order of their ids."""
    number = vocab.get_vocab_size(ENTITY_NAMESPACE)
    if number == 0:
        raise ConfigError(
            "the training data have no entity, so there is nothing to learn: check train_data_path, and the reader's "
            "entity_types if it has any"
        )
    return [str(vocab.get_token_from_index(index, ENTITY_NAMESPACE)) for index in range(number)]


def with_head_names(state_dict: Mapping[str, Any], known: AbstractSet[str]) -> dict[str, Any]:
    """
    Archives and checkpoints of format 1 name a head's parameters without `head.`: `crf.transitions`. A name that the
    model lacks but its head has is such a one.
    """
    missing = known - state_dict.keys()
    moved = {name: f"head.{name}" for name in state_dict if name not in known and f"head.{name}" in missing}
    return {moved.get(name, name): value for name, value in state_dict.items()}
