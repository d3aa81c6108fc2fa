"""A sentence in its context against the encoder's own output for the concatenation."""

import random
from dataclasses import replace
from typing import Any

import pytest
import torch
from allennlp.common import Params
from allennlp.data import Batch, Vocabulary
from allennlp.modules import TextFieldEmbedder
from tiny_encoders import HAN, make_encoder

from ner_plugins.dataset_readers.json.cluener import CluenerReader
from ner_plugins.entities import Sentence
from ner_plugins.fields.lengths import padded_length
from ner_plugins.segmentation.context import context_sizes
from ner_plugins.token_embedders import TransformerEmbedder
from ner_plugins.token_indexers import TransformerIndexer

POSITIONS = 24


@pytest.fixture(scope="module", params=["bert", "roberta"])
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_encoder(tmp_path_factory.mktemp(request.param), request.param, positions=POSITIONS)


def text(draw: random.Random, length: int) -> str:
    return "".join(draw.choice(HAN) for _ in range(length))


def sentences() -> list[Sentence]:
    draw = random.Random(5)
    sizes = [(2, (1, 1), (2,)), (4, (), (9, 30)), (9, (40,), ()), (1, (), ()), (50, (7,), (7,)), (0, (3,), (2,))]
    return [
        Sentence(text(draw, own), before=[text(draw, n) for n in before], after=[text(draw, n) for n in after])
        for own, before, after in sizes
    ]


def batch_of(encoder: str, given: list[Any]) -> dict[str, Any]:
    indexers = {"tokens": TransformerIndexer(encoder)}
    reader = CluenerReader(token_indexers=indexers, context_sentences=9, documents="file")
    batch = Batch(reader.texts_to_instances(given, [""] * len(given)))
    batch.index_instances(Vocabulary())
    return batch.as_tensor_dict()["tokens"]


def by_hand(embedder: TransformerEmbedder, encoder: str, sentence: Sentence) -> torch.Tensor:
    """The middle of what the encoder makes of the concatenation of as much as it reads. Shape: (characters, dim)"""
    pieces = TransformerIndexer(encoder).look_up
    before, own, after = (
        [piece for one in pieces(list(part)) for piece in one]
        for part in ("".join(sentence.before), sentence.text, "".join(sentence.after))
    )
    left, right = context_sizes(len(own), len(before), len(after), embedder.window_size)
    start = [*embedder.prefix_ids.tolist(), *before[len(before) - left :]]
    ids = torch.tensor([[*start, *own, *after[:right], *embedder.suffix_ids.tolist()]])
    with torch.no_grad():
        hidden = embedder.encoder(input_ids=ids).last_hidden_state[0, len(start) : len(start) + len(own)]
    counts = [len(one) for one in pieces(list(sentence.text))]
    return torch.stack([part.mean(dim=0) for part in hidden.split(counts)])


@pytest.mark.parametrize("padding", ["padded", "unpadded"])
def test_vectors_are_those_of_the_concatenation(encoder: str, padding: Any) -> None:
    """Alone and in a batch; with one side, both and none; a text longer than a window has no context."""
    plain = TransformerEmbedder(encoder).eval()
    embedder = TransformerEmbedder(encoder, padding=padding, attention_dropout=0.0).eval()
    given = sentences()
    with torch.no_grad():
        vectors = embedder(**batch_of(encoder, given)["tokens"])
        for row, sentence in enumerate(given):
            alone = embedder(**batch_of(encoder, [sentence])["tokens"])
            size = len(sentence.text)
            torch.testing.assert_close(vectors[row, :size], alone[0, :size], atol=1e-5, rtol=0)
            pieces = sum(map(len, TransformerIndexer(encoder).look_up(list(sentence.text))))
            if 0 < pieces <= embedder.window_size:
                expected = by_hand(plain, encoder, sentence)
                torch.testing.assert_close(vectors[row, :size], expected, atol=1e-5, rtol=0)
            elif pieces:
                bare = embedder(**batch_of(encoder, [sentence.text])["tokens"])
                torch.testing.assert_close(vectors[row, :size], bare[0], atol=1e-5, rtol=0)


def test_context_changes_vectors_and_its_absence_does_not(encoder: str) -> None:
    embedder = TransformerEmbedder(encoder).eval()
    first = sentences()[0]
    plain = {"piece_ids", "piece_counts", "mask", "piece_totals"}
    with torch.no_grad():
        around = embedder(**batch_of(encoder, [first])["tokens"])
        alone = embedder(**batch_of(encoder, [first.text])["tokens"])
        bare = {name: value for name, value in batch_of(encoder, [first.text])["tokens"].items() if name in plain}
        assert (around - alone).abs().max() > 0.01
        torch.testing.assert_close(embedder(**bare), alone)


def test_without_numbers_on_the_host_the_vectors_are_the_same(encoder: str) -> None:
    embedder = TransformerEmbedder(encoder).eval()
    tensors = batch_of(encoder, sentences())["tokens"]
    with torch.no_grad():
        expected = embedder(**tensors)
        on_device = {name: value for name, value in tensors.items() if not name.endswith("totals")}
        torch.testing.assert_close(embedder(**on_device), expected)


def test_a_narrower_window_reads_less_of_it(encoder: str) -> None:
    embedder = TransformerEmbedder(encoder, max_length=POSITIONS - 8).eval()
    first = replace(sentences()[1], text="北京")
    with torch.no_grad():
        vectors = embedder(**batch_of(encoder, [first])["tokens"])[0]
    torch.testing.assert_close(vectors, by_hand(embedder, encoder, first), atol=1e-5, rtol=0)


def test_the_field_embedder_and_the_length_of_a_batch(encoder: str) -> None:
    params = {"token_embedders": {"tokens": {"type": "ner_transformer", "model_name": encoder}}}
    embedder = TextFieldEmbedder.from_params(Params(params)).eval()
    given = sentences()[:2]
    vectors = embedder(batch_of(encoder, given))
    assert vectors.shape[:2] == (2, 4)
    indexers = {"tokens": TransformerIndexer(encoder)}
    reader = CluenerReader(token_indexers=indexers, context_sentences=9, documents="file")
    instances = reader.texts_to_instances(given, ["", ""])
    Batch(instances).index_instances(Vocabulary())
    pieces = TransformerIndexer(encoder).look_up(list(given[0].text + "".join(given[0].before) + given[0].after[0]))
    assert padded_length(instances[0]) == min(sum(map(len, pieces)), POSITIONS)
    assert padded_length(instances[1]) == POSITIONS  # as much as the tokenizer's limit allows
