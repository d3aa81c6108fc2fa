import pickle
from collections import defaultdict

import pytest
import torch
from allennlp.data import Batch, Instance, Vocabulary
from allennlp.data.fields import ListField
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.errors import ConfigError
from ner_plugins.fields import LatticeField
from ner_plugins.lexicon import Lexicon


class Words(Lexicon):
    """By brute force."""

    def __init__(self, *words, only_seen=False):
        self._words, self.only_seen = words, only_seen

    @property
    def words(self):
        return self._words

    def normalize(self, text):
        return text.lower()

    def match(self, text):
        text = text.lower()
        spans = ((start, end) for start in range(len(text)) for end in range(start + 1, len(text) + 1))
        found = ((start, end, text[start:end]) for start, end in spans)
        return [(start, end, self._words.index(word)) for start, end, word in found if word in self._words]


LEXICON = Words("ab", "bc", "abc", "cd", "x")
UNITS = [(i, i + 1) for i in range(30)]


def field(text, offsets=None, lexicon=LEXICON, **options):
    return LatticeField(text, UNITS[: len(text)] if offsets is None else offsets, lexicon, **options)


def vocabulary(*words):
    return Vocabulary(counter={"lattice_words": {word: 9 - place for place, word in enumerate(words)}})


def batch_of(vocab, *fields):
    batch = Batch([Instance({"lattice": one}) for one in fields])
    batch.index_instances(vocab)
    return batch.as_tensor_dict()["lattice"]


def test_batch():
    vocab = vocabulary("bc", "abc")  # 2 and 3, so that other words have 4 + their place
    tensors = batch_of(vocab, field("xABC"), field("ab"), field("?"))
    assert tensors["words"].tolist() == [[8, 4, 3, 2], [4, 0, 0, 0], [0, 0, 0, 0]]
    assert tensors["heads"].tolist() == [[0, 1, 1, 2], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert tensors["tails"].tolist() == [[0, 2, 3, 3], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert tensors["mask"].tolist() == [[True] * 4, [True] + [False] * 3, [False] * 4]
    assert tensors.pop("greatest") == (1, 2, 1)  # the words x; AB, BC; ABC
    assert tensors.pop("lexicon").tolist() == [LEXICON.digest] * 3
    types = {name: tensor.dtype for name, tensor in tensors.items()}
    assert types == {"words": torch.int64, "heads": torch.int64, "tails": torch.int64, "mask": torch.bool}


@pytest.mark.parametrize("texts", [[""], ["", "?"], ["e"]])
def test_batch_without_any_word(texts):
    tensors = batch_of(vocabulary(), *map(field, texts))
    assert tensors.pop("greatest") == ()
    assert tensors.pop("lexicon").shape == (len(texts),)
    assert {name: tensor.shape for name, tensor in tensors.items()} == dict.fromkeys(tensors, (len(texts), 0))
    assert tensors["words"].dtype == torch.int64 and tensors["mask"].dtype == torch.bool


def test_lexicons_are_told_apart() -> None:
    assert Words("ab", "bc").digest == Words("ab", "bc").digest
    assert len({Words(*words).digest for words in (("ab", "bc"), ("bc", "ab"), ("ab",), ("abbc",))}) == 4


def test_words_that_were_seen_alone():
    lexicon = Words("ab", "bc", "abc", only_seen=True)
    tensors = batch_of(vocabulary("abc"), field("abc", lexicon=lexicon), field("ab", lexicon=lexicon))
    assert tensors["words"].tolist() == [[2], [0]] and tensors["mask"].tolist() == [[True], [False]]


def test_vocabulary_without_the_namespace():
    assert batch_of(Vocabulary(), field("ab"))["words"].tolist() == [[2]]  # after padding and unknown


def test_another_namespace():
    vocab = Vocabulary(counter={"mine": {"ab": 1}})
    assert batch_of(vocab, field("ab", namespace="mine"))["words"].tolist() == [[2]]
    assert batch_of(vocab, field("abc", namespace="mine"))["words"].tolist() == [[2, 3 + 2, 3 + 1]]


def test_counts():
    counter = defaultdict(lambda: defaultdict(int))
    field("abcab").count_vocab_items(counter)
    field("AB").count_vocab_items(counter)
    assert counter == {"lattice_words": {"ab": 3, "abc": 1, "bc": 1}}


@pytest.mark.parametrize(
    "offsets, expected",
    [
        ([(0, 2), (2, 3)], [(0, 0, "ab"), (0, 1, "abc")]),  # bc begins inside a token
        ([(0, 3)], [(0, 0, "abc")]),
        ([(0, 1), (2, 3)], [(0, 1, "abc")]),  # b has no token
        ([(1, 2), (2, 3)], [(0, 1, "bc")]),
        ([(0, 0)], []),  # that which stands for an empty text
        ([(0, 1), (0, 1), (1, 1), (1, 2), (2, 3), (2, 3)], [(0, 3, "ab"), (0, 5, "abc"), (3, 5, "bc")]),
    ],
)
def test_words_begin_and_end_with_a_token(offsets, expected):
    assert field("abc", offsets).human_readable_repr() == expected


tokens = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3)), max_size=9)


@settings(max_examples=200, deadline=None)
@given(st.text("abcdx", max_size=14), tokens)
def test_positions_are_those_of_the_words_characters(text, parts):
    offsets, end = [], 0
    for gap, width in parts:
        if end + gap + width <= len(text):
            offsets.append((end + gap, end + gap + width))
            end += gap + width
    found = list(field(text, offsets).words())
    expected = [
        (head, tail, word)
        for start, end, word in LEXICON.match(text)
        for head, (first, _) in enumerate(offsets)
        for tail, (_, last) in enumerate(offsets)
        if (first, last) == (start, end)
    ]
    assert found == expected


def test_a_field_travels_without_its_lexicon():
    one = field("abc", lexicon=None)
    assert pickle.loads(pickle.dumps(one)) == one
    assert one.human_readable_repr() == []
    for use in (one.count_vocab_items, one.index):
        with pytest.raises(ConfigError, match="apply_token_indexers"):
            use(Vocabulary() if use == one.index else defaultdict(lambda: defaultdict(int)))


def test_duplicate_shares_the_lexicon():
    one = field("abc")
    one.index(vocabulary("ab"))
    other = one.duplicate()
    assert other == one and other.lexicon is LEXICON and len(other) == 3
    other.index(vocabulary())
    assert other != one


def test_empty_field_pads_a_list_field():
    listed = ListField([field("abc"), field("ab")])
    listed.index(vocabulary("ab"))
    lengths = listed.get_padding_lengths()
    lengths["num_fields"] = 3
    assert listed.as_tensor(lengths)["words"].tolist() == [[2, 5, 4], [2, 0, 0], [0, 0, 0]]


def test_truncation():
    one = field("abc")
    one.index(vocabulary("ab"))
    assert one.as_tensor({"num_words": 2})["words"].tolist() == [2, 5]
    assert str(one) == "LatticeField of 3 words"
