"""Batches in parts and whole."""

import pytest
import torch
from allennlp.data import Batch as InstanceBatch
from allennlp.data import Vocabulary
from torch import Tensor
from toy_models import TEXTS

from ner_plugins.dataset_readers.json.cluener import CluenerReader
from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError
from ner_plugins.models.ner_model import EncodedTokens
from ner_plugins.modules.losses.contrastive import NercoLoss, SupConLoss
from ner_plugins.training.stages.encoded_batches import encoded


class Encoder:
    """Gives each part the vectors that it is said to have."""

    def __init__(self, parts: list[EncodedTokens]) -> None:
        self.parts = iter(parts)

    def encode_tokens(self, part: dict[str, Tensor]) -> EncodedTokens:
        assert "entities" in part
        return next(self.parts)


def random_sentences(lengths: list[int], seed: int) -> EncodedTokens:
    """Sentences of some lengths whose entities, of one to three tokens, are numbered as rows of gold are."""
    generator = torch.Generator().manual_seed(seed)
    size = len(lengths), max(lengths)
    mask = torch.arange(size[1]) < torch.tensor(lengths).unsqueeze(1)
    entities = torch.arange(size[1]).expand(size) // 3
    entities = torch.where(mask & (torch.rand(size, generator=generator) < 0.7), entities, -1)
    types = torch.where(entities >= 0, entities % 2, -1)
    return EncodedTokens(torch.randn(*size, 5, generator=generator).double(), mask, types, entities)


@pytest.mark.parametrize("loss", [NercoLoss(), SupConLoss(), NercoLoss(positives="same_type_other_entity")])
@pytest.mark.parametrize("seed", range(4))
def test_a_loss_does_not_see_parts(loss: NercoLoss, seed: int) -> None:
    whole = random_sentences([9, 7, 6, 5, 2], seed)
    parts = [EncodedTokens(*(rows[a:b] for rows in whole)) for a, b in ((0, 2), (2, 4), (4, 5))]
    vectors = [part.vectors.clone().requires_grad_() for part in parts]
    given = [part._replace(vectors=rows) for part, rows in zip(parts, vectors, strict=True)]
    found = loss(*encoded(Encoder(given), [{"entities": torch.zeros(1)}] * 3))
    found.backward()
    one = whole._replace(vectors=whole.vectors.clone().requires_grad_())
    expected = loss(*encoded(Encoder([one]), [{"entities": torch.zeros(1)}]))
    expected.backward()
    assert expected.item() > 0.0
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(torch.cat([rows.grad for rows in vectors]), one.vectors.grad)


def test_a_sentence_without_a_label_is_named() -> None:
    reader = CluenerReader()
    instance = reader.text_to_instance(TEXTS[0], None, id="seven")
    reader.apply_token_indexers(instance)
    batch = InstanceBatch([instance])
    batch.index_instances(Vocabulary.from_instances([instance]))
    with pytest.raises(ConfigError, match="seven has no label"):
        encoded(Encoder([]), [batch.as_tensor_dict()])
    labelled = reader.text_to_instance(TEXTS[0], [Entity(0, 1, "name")], id="eight")
    assert "entities" in labelled.fields
