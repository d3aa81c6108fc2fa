import logging

import pytest
import torch
from allennlp.common import Params
from allennlp.data import Vocabulary

from ner_plugins.archives.assets import loading
from ner_plugins.errors import ConfigError
from ner_plugins.lexicon import WordLexicon
from ner_plugins.modules.lattice.word_embedding import WordEmbedding

# Of the lexicon's words 上海 and 北京 are in the vocabulary, with ids 2 and 3; 4 is a word that is in no lexicon.
LEXICON = ["南京", "上海", "天津", "北京", "重庆"]
V = 5
VECTORS = {"上海": [3.0, 4.0], "重庆": [0.0, 2.0], "南京": [6.0, 8.0], "广州": [1.0, 0.0], "旧词": [5.0, 12.0]}


@pytest.fixture
def vocab():
    return Vocabulary(counter={"lattice_words": {"上海": 3, "北京": 2, "旧词": 1}})


@pytest.fixture
def files(tmp_path):
    """Options: a file of vectors and a directory with a lexicon."""
    (tmp_path / "words.txt").write_text("".join(f"{word}\n" for word in LEXICON), encoding="utf-8")
    content = "".join(f"{word} {x} {y}\n" for word, (x, y) in VECTORS.items())
    (tmp_path / "v.vec").write_text(f"5 2\n{content}", encoding="utf-8")
    (tmp_path / "run").mkdir()
    WordLexicon(str(tmp_path / "words.txt"), serialization_dir=tmp_path / "run")
    return {"dim": 2, "pretrained_file": str(tmp_path / "v.vec"), "serialization_dir": str(tmp_path / "run")}


def look_up(embedding, *ids):
    return embedding.eval()(torch.tensor([ids]))[0]


@pytest.mark.parametrize("normalize", [True, False])
def test_vectors(vocab, files, normalize):
    embedding = WordEmbedding(vocab, **files, normalize=normalize)

    def vector(word):
        numbers = torch.tensor(VECTORS[word])
        return numbers / numbers.norm() if normalize else numbers

    found = look_up(embedding, 2, V + 0, V + 4, 4)
    torch.testing.assert_close(found, torch.stack([vector(word) for word in ("上海", "南京", "重庆", "旧词")]))
    assert embedding.get_output_dim() == 2
    if normalize:
        torch.testing.assert_close(embedding.embedding.weight[1:].norm(dim=1), torch.ones(V - 1))
    assert torch.equal(look_up(embedding, 0), torch.zeros(1, 2))
    # 天津 has neither a place in the vocabulary nor a vector; and there is no sixth word.
    unknown = embedding.embedding.weight[1].expand(3, 2)
    assert torch.equal(look_up(embedding, V + 2, V + 5, 1), unknown)


def test_another_lexicon_is_refused(vocab, files):
    embedding = WordEmbedding(vocab, **files)
    own, other = WordLexicon(files["serialization_dir"] + "/../words.txt"), WordLexicon(files["pretrained_file"])
    loaded = WordEmbedding(vocab, dim=2)
    loaded.load_state_dict(embedding.state_dict())
    for made in (embedding, loaded):
        for _ in range(2):
            with pytest.raises(ConfigError, match=r"dataset_reader.lexicon is not the lexicon that the model"):
                made.check_lexicon(torch.tensor([other.digest]))
        made.check_lexicon(None)
        made.check_lexicon(torch.tensor([own.digest, own.digest]))
    # Without vectors of words that were not met, no id means a place in the lexicon.
    WordEmbedding(vocab, dim=2).check_lexicon(torch.tensor([other.digest]))


def test_what_of_the_lexicon_is_in_the_data_is_told(vocab, files, caplog):
    with caplog.at_level(logging.INFO):
        WordEmbedding(vocab, **files)
    # 上海 and 旧词 of 上海, 北京 and 旧词; 南京 and 重庆 of 南京, 天津 and 重庆.
    assert "vectors of 2 of the 3 different words of the data, and of 2 of the lexicon's 3 others" in caplog.text
    assert "no word of the lexicon" not in caplog.text
    with caplog.at_level(logging.INFO):
        WordEmbedding(Vocabulary(counter={"lattice_words": {}}), **files)
    assert "the training data contain no word of the lexicon" in caplog.text


def test_what_is_trained(vocab, files):
    embedding = WordEmbedding(vocab, **files, word_dropout=0.0)
    assert [name for name, _ in embedding.named_parameters()] == ["embedding.weight"]
    assert embedding.lexicon_vectors.shape == (2, 2)  # those that can occur
    ids = torch.tensor([[2, V + 0, V + 2, 0], [3, V + 4, 2, 0]])
    embedding(ids).sum().backward()
    expected = torch.zeros(V, 2)
    expected[1], expected[2], expected[3] = 1.0, 2.0, 1.0
    assert torch.equal(embedding.embedding.weight.grad, expected)
    frozen = WordEmbedding(vocab, **files, trainable=False)
    assert not any(parameter.requires_grad for parameter in frozen.parameters())


def test_lexicon_given(vocab, files, tmp_path):
    lexicon = WordLexicon(str(tmp_path / "words.txt"))
    options = {key: value for key, value in files.items() if key != "serialization_dir"}
    expected = look_up(WordEmbedding(vocab, **files), V, V + 4)
    assert torch.equal(look_up(WordEmbedding(vocab, **options, lexicon=lexicon), V, V + 4), expected)


def test_words_that_were_seen_alone(vocab, files, tmp_path):
    lexicon = WordLexicon(str(tmp_path / "words.txt"), only_seen=True)
    embedding = WordEmbedding(vocab, **files, lexicon=lexicon)
    assert embedding.lexicon_rows.shape == (0,) and embedding.lexicon_vectors.shape == (0, 2)
    torch.testing.assert_close(look_up(embedding, 2), torch.tensor([[0.6, 0.8]]))


def test_without_a_lexicon(vocab, files, caplog):
    files["serialization_dir"] = None
    embedding = WordEmbedding(vocab, **files)
    torch.testing.assert_close(look_up(embedding, 2), torch.tensor([[0.6, 0.8]]))
    assert torch.equal(look_up(embedding, V + 4), look_up(embedding, 1))
    assert "no lexicon" in caplog.text


def test_without_vectors(vocab, caplog):
    embedding = WordEmbedding(vocab, word_dropout=0.0)
    assert embedding.get_output_dim() == 50 and not caplog.records
    torch.testing.assert_close(embedding.embedding.weight[1:].norm(dim=1), torch.ones(V - 1))
    assert torch.equal(look_up(embedding, V + 3, 900), look_up(embedding, 1, 1))
    assert embedding(torch.zeros(2, 0, dtype=torch.int64)).shape == (2, 0, 50)


@pytest.mark.parametrize("trained_with_vectors", [True, False])
def test_a_trained_model_needs_no_file_and_no_lexicon(vocab, files, trained_with_vectors, tmp_path):
    if not trained_with_vectors:
        files["pretrained_file"] = None
    embedding = WordEmbedding(vocab, **files)
    torch.save(embedding.state_dict(), tmp_path / "weights.th")
    with loading():
        loaded = WordEmbedding.from_params(Params({"dim": 2}), vocab=vocab, serialization_dir="gone")
    missing = loaded.load_state_dict(torch.load(tmp_path / "weights.th", weights_only=True))
    assert not missing.missing_keys and not missing.unexpected_keys
    ids = range(V + 7)
    assert torch.equal(look_up(loaded, *ids), look_up(embedding, *ids))


def test_the_dim_of_the_file_is_known_when_the_model_is_loaded(vocab, files):
    del files["dim"]
    embedding = WordEmbedding(vocab, **files)
    assert embedding.get_output_dim() == 2
    with loading():
        loaded = WordEmbedding(vocab, serialization_dir=files["serialization_dir"])
    loaded.load_state_dict(embedding.state_dict())
    assert torch.equal(look_up(loaded, 2, V, V + 4), look_up(embedding, 2, V, V + 4))


def test_another_dim_is_not_loaded(vocab, files):
    state = WordEmbedding(vocab, **files).state_dict()
    with pytest.raises(RuntimeError, match="size mismatch"):
        WordEmbedding(vocab, dim=3).load_state_dict(state)


def test_word_dropout(vocab, files):
    torch.manual_seed(0)
    embedding = WordEmbedding(vocab, **files, word_dropout=0.25)
    with torch.no_grad():
        embedding.embedding.weight[1] = 9.0
    words = torch.tensor([2, V + 0, V + 4]).repeat(4000, 1)
    dropped = (embedding.train()(words) == 9.0).all(-1)
    assert abs(dropped.float().mean() - 0.25) < 0.02
    assert not (embedding.eval()(words) == 9.0).any()


def test_errors(vocab, files):
    with pytest.raises(ConfigError, match=r"the words' dim is 3, but the vectors of .*v\.vec have 2 numbers"):
        WordEmbedding(vocab, **{**files, "dim": 3})
    with pytest.raises(ConfigError, match="of lattice_words cannot have vectors of 0 numbers"):
        WordEmbedding(vocab, dim=0)
    for probability in (1.0, -0.1):
        with pytest.raises(ConfigError, match="word_dropout"):
            WordEmbedding(vocab, word_dropout=probability)


def test_it_grows_with_the_vocabulary(vocab, files):
    embedding = WordEmbedding(vocab, **files)
    before = look_up(embedding, 2, V + 4)
    vocab.add_token_to_namespace("新词", "lattice_words")
    embedding.embedding.extend_vocab(vocab)
    assert torch.equal(look_up(embedding, 2, V + 1 + 4), before)
