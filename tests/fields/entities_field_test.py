import logging
from collections import defaultdict

import pytest
import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import Batch, Instance, Token, Vocabulary
from allennlp.data.fields import ListField, TextField
from allennlp.data.token_indexers import SingleIdTokenIndexer

from ner_plugins.fields import EntitiesField


def text_field(length):
    return TextField([Token(str(i)) for i in range(length)], {"tokens": SingleIdTokenIndexer()})


def instance(length, *entities):
    tokens = text_field(length)
    return Instance({"tokens": tokens, "entities": EntitiesField(entities, tokens)})


def batch_of(*instances, types=None):
    batch = Batch(instances)
    vocab = Vocabulary.from_instances(batch)
    if types is not None:
        vocab = Vocabulary(counter={"entity_labels": {t: 9 - i for i, t in enumerate(types)}})
    batch.index_instances(vocab)
    return batch.as_tensor_dict()["entities"], vocab


def test_batch_of_lists_of_different_length():
    tensor, vocab = batch_of(instance(4, (0, 2, "B"), (1, 2, "A"), (3, 4, "A")), instance(2), instance(1, (0, 1, "B")))
    assert vocab.get_vocab_size("entity_labels") == 2  # no padding, no unknown
    a, b = (vocab.get_token_index(t, "entity_labels") for t in "AB")
    pad = [-1, -1, -1]
    assert tensor.dtype == torch.int64
    assert tensor.tolist() == [[[0, 2, b], [1, 2, a], [3, 4, a]], [pad, pad, pad], [[0, 1, b], pad, pad]]


def test_batch_without_any_entity():
    tensor, _ = batch_of(instance(4), instance(2))
    assert tensor.shape == (2, 0, 3) and tensor.dtype == torch.int64


def test_unknown_type_has_no_row_and_is_said_once(caplog):
    EntitiesField._reported.clear()
    with caplog.at_level(logging.WARNING):
        tensor, _ = batch_of(instance(4, (0, 1, "NEW"), (1, 2, "A")), instance(4, (2, 3, "NEW")), types=["A"])
    assert tensor.tolist() == [[[1, 2, 0]], [[-1, -1, -1]]]
    assert sum("NEW" in record.getMessage() for record in caplog.records) == 1


def test_vocabulary_without_the_namespace():
    tensor, _ = batch_of(instance(4, (0, 1, "A")), types=[])
    assert tensor.shape == (1, 0, 3)


def test_counts():
    counter = defaultdict(lambda: defaultdict(int))
    instance(4, (0, 2, "B"), (1, 2, "A"), (3, 4, "A")).count_vocab_items(counter)
    assert counter["entity_labels"] == {"A": 2, "B": 1}


@pytest.mark.parametrize("span", [(-1, 1), (0, 0), (2, 1), (1, 3), (2, 3)])
def test_spans_must_lie_in_the_sequence(span):
    with pytest.raises(ConfigurationError, match="2 tokens"):
        EntitiesField([(*span, "A")], text_field(2))


def test_empty_field_pads_a_list_field():
    fields = [EntitiesField([(0, 1, "A")], text_field(3)), EntitiesField([], text_field(3))]
    listed = ListField(fields)
    listed.index(Vocabulary(counter={"entity_labels": {"A": 1}}))
    lengths = listed.get_padding_lengths()
    lengths["num_fields"] = 3
    assert listed.as_tensor(lengths).tolist() == [[[0, 1, 0]], [[-1] * 3], [[-1] * 3]]


def test_readable():
    field = EntitiesField([(0, 1, "A")], text_field(3))
    assert field.human_readable_repr() == [(0, 1, "A")]
    assert len(field) == 1 and "(0, 1, 'A')" in str(field)
