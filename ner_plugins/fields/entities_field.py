"""The gold entities of a text as a tensor of spans."""

import logging
from typing import Any, ClassVar, Sequence

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data.fields import Field, SequenceField
from allennlp.data.vocabulary import Vocabulary

from ner_plugins.entities import ENTITY_NAMESPACE

logger = logging.getLogger(__name__)

PADDING_VALUE = -1


class EntitiesField(Field[torch.Tensor]):
    """
    The entities of a text as rows (token start, token end exclusive, type id).

    One instance becomes an int64 tensor of shape (entities, 3); a batch is padded with rows of −1 to
    (batch, max_entities, 3), where `max_entities` is 0 if no text of the batch has an entity. Entities whose type is
    not in the vocabulary have no row (this is logged once). They stay in the metadata's gold, and metrics count them
    as missed.

    # Parameters

    entities : `Sequence[tuple[int, int, str]]`
        Half-open spans of tokens with their types, in any order; they may nest and overlap.
    sequence_field : `SequenceField`
        The tokens.
    label_namespace : `str`, optional (default=`"entity_labels"`)
        The vocabulary namespace of the types. A name that ends in `labels` or `tags` has no padding and no unknown.

    # Raises

    `ConfigurationError` if a span is empty or extends past the sequence.
    """

    __slots__ = ["_label_namespace", "_rows", "entities", "sequence_field"]

    # Unknown types that were already logged, so that each is logged once.
    _reported: ClassVar[set[tuple[str, str]]] = set()

    def __init__(
        self,
        entities: Sequence[tuple[int, int, str]],
        sequence_field: SequenceField[Any],
        label_namespace: str = ENTITY_NAMESPACE,
    ) -> None:
        self.entities = [(start, end, type_) for start, end, type_ in entities]
        self.sequence_field = sequence_field
        self._label_namespace = label_namespace
        self._rows: list[tuple[int, int, int]] = []
        length = sequence_field.sequence_length()
        for start, end, type_ in self.entities:
            if not 0 <= start < end <= length:
                raise ConfigurationError(f"the entity ({start}, {end}, {type_!r}) is empty or outside {length} tokens")

    def count_vocab_items(self, counter: dict[str, dict[str, int]]) -> None:
        """Count the type of each entity."""
        for _, _, type_ in self.entities:
            counter[self._label_namespace][type_] += 1

    def index(self, vocab: Vocabulary) -> None:
        """Look up the types; unknown ones are left out of the tensor."""
        ids = vocab.get_token_to_index_vocabulary(self._label_namespace)
        self._rows = []
        for start, end, type_ in self.entities:
            type_id = ids.get(type_)
            if type_id is not None:
                self._rows.append((start, end, type_id))
            elif (self._label_namespace, type_) not in self._reported:
                self._reported.add((self._label_namespace, type_))
                logger.warning("the entity type %r is not in the vocabulary: its entities count as missed", type_)

    def get_padding_lengths(self) -> dict[str, int]:
        """`{"num_entities": rows}`."""
        return {"num_entities": len(self._rows)}

    def as_tensor(self, padding_lengths: dict[str, int]) -> torch.Tensor:
        """An int64 tensor of shape (`padding_lengths["num_entities"]`, 3), padded with −1."""
        rows = self._rows[: padding_lengths["num_entities"]]
        padding = [(PADDING_VALUE,) * 3] * (padding_lengths["num_entities"] - len(rows))
        # reshape: an empty list of rows has no second dimension
        return torch.tensor(rows + padding, dtype=torch.int64).reshape(-1, 3)

    def empty_field(self) -> "EntitiesField":
        """The field of a text without entities."""
        return EntitiesField([], self.sequence_field.empty_field(), self._label_namespace)

    def human_readable_repr(self) -> list[tuple[int, int, str]]:
        """The spans with the names of their types."""
        return list(self.entities)

    def __len__(self) -> int:
        return len(self.entities)

    def __str__(self) -> str:
        return f"EntitiesField of {len(self.entities)} entities: {self.entities}"
