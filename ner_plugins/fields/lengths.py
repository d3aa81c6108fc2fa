"""The length of an instance in a batch."""

from typing import Iterator

from allennlp.data import Instance
from allennlp.data.fields import TextField

from ner_plugins.fields.lattice_field import LatticeField
from ner_plugins.fields.members_field import MembersField
from ner_plugins.fields.tokens_field import TokensField

_CONTEXT = ("___before_ids", "___after_ids", "___context_counts")


def padded_length(instance: Instance) -> int:
    """
    The number of tokens of an indexed instance as the model pads it: the highest of its texts' numbers of tokens and
    pieces, with the pieces of its context, and the words of its lattice. For an ensemble it is that of the member with
    the most.
    """
    length = words = 0
    for field in instance.fields.values():
        if isinstance(field, TextField):
            around = field.context_pieces if isinstance(field, TokensField) else 0
            length = max(length, len(field) + around, *(pieces + around for pieces in _pieces(field)))
        elif isinstance(field, LatticeField):
            words += field.get_padding_lengths()["num_words"]
        elif isinstance(field, MembersField):
            length = max(length, *map(padded_length, field.instances.values()))
    return length + words


def _pieces(field: TextField) -> Iterator[int]:
    """What each indexer made of the text itself, without its context."""
    for name, length in field.get_padding_lengths().items():
        if not name.endswith(_CONTEXT):
            yield length
