"""The length of an instance in a batch."""

from allennlp.data import Instance
from allennlp.data.fields import TextField

from ner_plugins.fields.lattice_field import LatticeField


def padded_length(instance: Instance) -> int:
    """
    The number of tokens of an indexed instance as the model pads it: the highest of its texts' numbers of tokens and
    pieces, and the words of its lattice.
    """
    length = words = 0
    for field in instance.fields.values():
        if isinstance(field, TextField):
            length = max(length, len(field), *field.get_padding_lengths().values())
        elif isinstance(field, LatticeField):
            words += field.get_padding_lengths()["num_words"]
    return length + words
