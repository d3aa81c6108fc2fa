import pytest
from allennlp.common import Params
from allennlp.data import Batch, Token, TokenIndexer, Vocabulary
from allennlp.data.fields import TextField
from allennlp.data.token_indexers import SingleIdTokenIndexer
from allennlp.nn.util import get_text_field_mask
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.dataset_readers import CluenerReader
from ner_plugins.errors import ConfigError
from ner_plugins.token_indexers import BigramIndexer


def tokens(text):
    return [Token(character) for character in text]


def bigrams(text, **options):
    indexer = BigramIndexer(**options)
    counter = {indexer.namespace: dict.fromkeys(["上海", "海人", "人<end>", "00", "0<end>", "A0"], 1)}
    vocab = Vocabulary(counter=counter)
    ids = indexer.tokens_to_indices(tokens(text), vocab)["tokens"]
    return [vocab.get_token_from_index(index, indexer.namespace) for index in ids]


def test_each_token_with_the_next():
    assert bigrams("上海人") == ["上海", "海人", "人<end>"]
    assert bigrams("人上海") == ["@@UNKNOWN@@", "上海", "@@UNKNOWN@@"]
    assert bigrams("上海人", namespace="mine") == ["上海", "海人", "人<end>"]
    assert bigrams("人") == ["人<end>"] and bigrams("") == []


def test_normalisation():
    assert bigrams("Ａ１９", normalize=["digits"]) == ["@@UNKNOWN@@", "00", "0<end>"]
    assert bigrams("Ａ１９", normalize=["full_width", "digits"]) == ["A0", "00", "0<end>"]
    params = Params({"type": "ner_bigrams", "normalize": ["digit"]}, "dataset_reader.token_indexers.bigrams.")
    with pytest.raises(ConfigError, match=r'token_indexers\.bigrams\.normalize\.0 is "digit"'):
        TokenIndexer.from_params(params)


@given(st.text("ab", max_size=8))
def test_counting_is_of_what_is_indexed(text):
    counter = {"bigrams": dict.fromkeys(["aa", "ab", "ba", "bb", "a<end>", "b<end>"], 0)}
    BigramIndexer().count_text(tokens(text), counter)
    expected = [first + second for first, second in zip(text, [*text[1:], "<end>"], strict=False)]
    assert {word: number for word, number in counter["bigrams"].items() if number} == {
        word: expected.count(word) for word in expected
    }


def test_in_a_reader():
    indexers = {"characters": SingleIdTokenIndexer(), "bigrams": BigramIndexer()}
    reader = CluenerReader(token_indexers=indexers)
    instances = [reader.text_to_instance(text, []) for text in ("上海人", "", "上海")]
    for instance in instances:
        reader.apply_token_indexers(instance)
    vocab = Vocabulary.from_instances(instances)
    assert set(vocab.get_token_to_index_vocabulary("bigrams")) == {
        "@@PADDING@@", "@@UNKNOWN@@", "上海", "海人", "人<end>", "海<end>", "<end>",
    }  # fmt: skip
    batch = Batch(instances)
    batch.index_instances(vocab)
    tensors = batch.as_tensor_dict()["tokens"]
    assert tensors["bigrams"]["tokens"].shape == tensors["characters"]["tokens"].shape == (3, 3)
    assert get_text_field_mask(tensors).tolist() == [[True] * 3, [True, False, False], [True, True, False]]
    names = [vocab.get_token_from_index(i, "bigrams") for i in tensors["bigrams"]["tokens"][2].tolist()]
    assert names == ["上海", "海<end>", "@@PADDING@@"]


def test_a_text_field_gives_it_one_token_at_a_time():
    field = TextField(tokens("ab"), {"bigrams": BigramIndexer()})
    with pytest.raises(ConfigError, match="use a dataset reader of ner_plugins"):
        field.count_vocab_items({})


def test_from_params():
    params = {"type": "ner_bigrams", "namespace": "b", "normalize": ["digits"], "token_min_padding_length": 3}
    indexer = TokenIndexer.from_params(Params(params))
    assert isinstance(indexer, BigramIndexer)
    assert TokenIndexer.from_params(Params(indexer.to_params().as_dict())) == indexer != BigramIndexer()
    assert indexer.get_empty_token_list() == {"tokens": []}
