"""`ner_embedding`, and how all characters of a vector file come into the vocabulary."""

import gzip
import logging
from pathlib import Path

import pytest
import torch
from allennlp.common import Params
from allennlp.data import Batch, Vocabulary
from allennlp.data.token_indexers import SingleIdTokenIndexer
from allennlp.modules import TokenEmbedder

from ner_plugins.archives.assets import loading
from ner_plugins.dataset_readers import CluenerReader
from ner_plugins.errors import ConfigError
from ner_plugins.lexicon.word_files import WordFile
from ner_plugins.token_embedders import NerEmbedding

CHARACTERS = Path(__file__).parents[2] / "fixtures" / "lexicon" / "characters.vec"


@pytest.fixture
def vocab():
    return Vocabulary(counter={"characters": {"上": 5, "Ｂ": 4, "𠮷": 3}, "entity_labels": {"X": 1, "Y": 1}})


@pytest.fixture
def vectors(tmp_path):
    path = tmp_path / "c.vec.gz"
    path.write_bytes(gzip.compress("3 2\n上 3 4\nB 0 5\n下 1 1\n".encode()))
    return str(path)


def built(vocab, **options):
    params = {"type": "ner_embedding", "vocab_namespace": "characters", "embedding_dim": 2, **options}
    return TokenEmbedder.from_params(Params(params), vocab=vocab)


def test_vectors(vocab, vectors):
    embedding = built(vocab, pretrained_file=vectors)
    assert isinstance(embedding, NerEmbedding) and embedding.get_output_dim() == 2
    found = embedding.eval()(torch.tensor([[2, 3, 0]]))
    torch.testing.assert_close(found, torch.tensor([[[0.6, 0.8], [0.0, 1.0], [0.0, 0.0]]]))
    torch.testing.assert_close(embedding.weight[4].norm(), torch.tensor(1.0))
    raw = built(vocab, pretrained_file=vectors, normalize=False, pretrained_format="word2vec_text")
    torch.testing.assert_close(raw.weight[2:4], torch.tensor([[3.0, 4.0], [0.0, 5.0]]))


def test_options(vocab, vectors):
    embedding = built(vocab, pretrained_file=vectors, trainable=False, projection_dim=7)
    assert not embedding.weight.requires_grad and embedding.get_output_dim() == 7
    assert embedding(torch.tensor([[2, 3]])).shape == (1, 2, 7)
    without = built(vocab, embedding_dim=9)
    assert without.weight.shape == (5, 9) and without.weight.requires_grad
    labels = TokenEmbedder.from_params(
        Params({"type": "ner_embedding", "vocab_namespace": "entity_labels", "embedding_dim": 2, "token_dropout": 0.9}),
        vocab=vocab,
    )
    assert labels.padding_index is None and labels.weight[0].any()
    assert torch.equal(labels(torch.tensor([[0, 1]] * 50)), labels.weight.expand(50, 2, 2))  # it has no unknown


def test_width_of_the_file(vocab, vectors, tmp_path):
    def made(serialization_dir=str(tmp_path / "run"), **options):
        return NerEmbedding(vocab, vocab_namespace="characters", serialization_dir=serialization_dir, **options)

    embedding = made(pretrained_file=vectors)
    assert embedding.get_output_dim() == made(pretrained_file=vectors).get_output_dim() == 2
    assert made(None, pretrained_file=vectors).get_output_dim() == 2 and made(None).get_output_dim() == 50
    with loading():
        loaded = made()
        assert made(None).get_output_dim() == 50
    loaded.load_state_dict(embedding.state_dict())
    assert torch.equal(loaded.weight, embedding.weight)
    (tmp_path / "other.vec").write_text("上 1 2 3\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="two embeddings of characters have vectors of 2 and of 3 numbers"):
        made(pretrained_file=str(tmp_path / "other.vec"))
    assert made(pretrained_file=str(tmp_path / "other.vec"), embedding_dim=3).get_output_dim() == 3


def test_token_dropout(vocab, vectors):
    torch.manual_seed(0)
    embedding = built(vocab, pretrained_file=vectors, token_dropout=0.3)
    ids = torch.tensor([[2, 0]]).repeat(5000, 1)
    unknown = embedding.weight[1]
    dropped = (embedding.train()(ids) == unknown).all(-1)
    assert abs(dropped[:, 0].float().mean() - 0.3) < 0.03 and not dropped[:, 1].any()
    assert not (embedding.eval()(ids) == unknown).all(-1).any()


@pytest.mark.parametrize(
    "options", [{"embedding_dim": 3}, {"embedding_dim": 0}, {"token_dropout": 1.0}, {"token_dropout": -1}]
)
def test_errors(vocab, vectors, options):
    with pytest.raises(ConfigError, match=r"ner_embedding\.|vectors of 0 numbers"):
        built(vocab, pretrained_file=vectors, **options)


def test_rows_for_a_larger_vocabulary(vocab, vectors):
    embedding = built(vocab)
    before = embedding.weight.clone()
    for character in "中下":
        vocab.add_token_to_namespace(character, "characters")
    embedding.extend_vocab(vocab, extension_pretrained_file=vectors)
    assert torch.equal(embedding.weight[:5], before)
    torch.testing.assert_close(embedding.weight[5:].norm(dim=1), torch.ones(2))
    torch.testing.assert_close(embedding.weight[6], torch.full((2,), 0.5).sqrt())


def vocabulary_with_all(path, texts):
    reader = CluenerReader(token_indexers={"characters": SingleIdTokenIndexer(namespace="characters")})
    instances = [reader.text_to_instance(text, []) for text in texts]
    for instance in instances:
        reader.apply_token_indexers(instance)
    params = {"pretrained_files": {"characters": path}, "min_pretrained_embeddings": {"characters": -1}}
    vocab = Vocabulary.from_params(Params(params), instances=instances)
    batch = Batch(instances)
    batch.index_instances(vocab)
    return vocab, batch.as_tensor_dict()["tokens"]["characters"]["tokens"]


def check_all_are_known(path, tmp_path, missing):
    """All characters of the file get its vectors, in training and after the vocabulary was saved and read."""
    vocab, ids = vocabulary_with_all(path, [f"上海{missing}"])
    file = WordFile(path)
    expected = {}
    for _, character, vector in file.entries(lambda word: True):
        expected.setdefault(character, torch.from_numpy(vector))
    embedding = built(vocab, pretrained_file=path, embedding_dim=file.width, normalize=False)
    vocab.save_to_files(str(tmp_path / "vocabulary"))
    again = Vocabulary.from_files(str(tmp_path / "vocabulary"))
    index = again.get_token_to_index_vocabulary("characters")
    assert index == vocab.get_token_to_index_vocabulary("characters")
    assert set(index) == {*expected, missing, "@@PADDING@@", "@@UNKNOWN@@"}
    for character, vector in expected.items():
        assert torch.equal(embedding.weight[index[character]], vector), character
    assert ids[0].tolist() == [index["上"], index["海"], index[missing]]
    return len(expected)


@pytest.mark.parametrize("compressed", [False, True])
def test_all_characters_of_a_file_are_known(tmp_path, compressed, caplog):
    path = tmp_path / f"characters.vec{'.gz' * compressed}"
    path.write_bytes(gzip.compress(CHARACTERS.read_bytes()) if compressed else CHARACTERS.read_bytes())
    with caplog.at_level(logging.WARNING):
        assert check_all_are_known(str(path), tmp_path, "龘") > 1000
    assert not caplog.records


@pytest.mark.data
def test_all_characters_of_a_real_file_are_known(shared_data, tmp_path):
    path = shared_data / "lexicon" / "macropodus-0.0.7.w2v_model_wiki_char.vec.gz"
    assert check_all_are_known(str(path), tmp_path, "\U0001f600") > 24_000
