from collections import defaultdict

from allennlp.data import Token, Vocabulary
from allennlp.data.fields import TextField
from allennlp.data.token_indexers import SingleIdTokenIndexer

from ner_plugins.fields import TokensField
from ner_plugins.token_indexers import BigramIndexer

INDEXERS = {"characters": SingleIdTokenIndexer(namespace="characters"), "bigrams": BigramIndexer()}


def field(text, indexers=INDEXERS):
    return TokensField([Token(character) for character in text], indexers)


def test_counts():
    counter = defaultdict(lambda: defaultdict(int))
    field("上上海").count_vocab_items(counter)
    assert counter == {"characters": {"上": 2, "海": 1}, "bigrams": {"上上": 1, "上海": 1, "海<end>": 1}}


def test_it_is_otherwise_a_text_field():
    indexers = {"characters": SingleIdTokenIndexer()}
    tokens = [Token(character) for character in "上上海"]
    counters = []
    for one in (TokensField(tokens, indexers), TextField(tokens, indexers)):
        counters.append(defaultdict(lambda: defaultdict(int)))
        one.count_vocab_items(counters[-1])
    assert counters[0] == counters[1]


def test_duplicate_and_empty_field():
    one = field("上海")
    for copy in (one.duplicate(), one.empty_field()):
        assert isinstance(copy, TokensField)
        assert copy.token_indexers.keys() == INDEXERS.keys() and copy.token_indexers["bigrams"] is INDEXERS["bigrams"]
    assert one.duplicate() == one and len(one.empty_field()) == 0
    without = field("上海", None)
    assert without.duplicate() == without and without.duplicate()._token_indexers is None
    one.index(Vocabulary())
    assert one.duplicate()._indexed_tokens == one._indexed_tokens
    tensors = one.empty_field().as_tensor({"bigrams___tokens": 2, "characters___tokens": 1})
    assert tensors["bigrams"]["tokens"].tolist() == [0, 0]
