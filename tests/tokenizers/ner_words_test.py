import sys
import time
import unicodedata
from itertools import pairwise

import pytest
from allennlp.common import Params
from allennlp.data.tokenizers import Tokenizer
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.segmentation.characters import replace_surrogates
from ner_plugins.tokenizers import NerWordTokenizer

ODD = "\ud800\u200b\u200d\u0301\u00ad\ufeff\ufe0f😀👩👧🏽　\xa0\x00\x1c\x85\u2028\r\n İß한글각e北.,-'$%·「」①_"
ANY_TEXT = st.text(st.characters(exclude_categories=()) | st.sampled_from(ODD))


def words(text, **options):
    return [(token.text, token.idx, token.idx_end) for token in NerWordTokenizer(**options).tokenize(text)]


@given(ANY_TEXT)
def test_words_are_those_of_str_split(text):
    found = words(text)
    assert [word for word, _, _ in found] == replace_surrogates(text).split()
    assert all(replace_surrogates(text)[start:end] == word for word, start, end in found)
    assert all(a[2] < b[1] for a, b in pairwise(found))


@given(ANY_TEXT)
def test_split_words_cover_the_same_characters(text):
    whole, parts = words(text), words(text, split_punctuation=True)
    assert all(replace_surrogates(text)[start:end] == word != "" for word, start, end in parts)
    assert all(a[2] <= b[1] for a, b in pairwise(parts))
    assert [i for _, s, e in whole for i in range(s, e)] == [i for _, s, e in parts for i in range(s, e)]


@given(ANY_TEXT)
def test_punctuation_is_apart_from_everything_but_what_extends_it(text):
    for word, _, _ in words(text, split_punctuation=True):
        parts = word.replace("\u200d", "").strip()
        symbols = [character for character in parts if unicodedata.category(character)[0] in "PS"]
        if symbols and "\u200d" not in word:
            first, *rest = word.lstrip("".join(c for c in word if unicodedata.category(c)[0] in "MC"))
            assert first in symbols
            assert all(unicodedata.category(c)[0] == "M" or unicodedata.category(c) in ("Cf", "Sk") for c in rest)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Frau Müller-Lüdenscheidt, 3.5%!", "Frau Müller - Lüdenscheidt , 3 . 5 % !"),
        ("삼성전자(주)는 \u300c서울\u300d에서", "삼성전자 ( 주 ) 는 「 서울 」 에서"),
        ("can't", "can ' t"),
        ("…", "…"),
        ("ab😀😀c", "ab 😀 😀 c"),
        ("❤\ufe0f👩\u200d👧👍🏽!", "❤\ufe0f 👩\u200d👧 👍🏽 !"),
        ("Cafe\u0301,e\u0301", "Cafe\u0301 , e\u0301"),
        ("Han\u00addel €5 a\u200bb", "Han\u00addel € 5 a\u200bb"),
        ("①번", "①번"),
        ("一\u3000二\xa0三", "一 二 三"),
        ("", ""),
        (" \u2028\t", ""),
    ],
)
def test_splitting_punctuation(text, expected):
    assert [word for word, _, _ in words(text, split_punctuation=True)] == expected.split(" ") * bool(expected)


def test_left_in_the_word_by_default():
    assert words("「서울」, a.") == [("「서울」,", 0, 5), ("a.", 6, 8)]


def test_lone_surrogates_are_replaced():
    assert words("a\ud800 b") == [("a\ufffd", 0, 2), ("b", 3, 4)]


def test_tokens_of_one_text_are_shared():
    first, second = NerWordTokenizer().batch_tokenize(["한국 은행", "은행"])
    assert first[1].text is second[0].text is sys.intern("은행")


def test_it_is_fast():
    texts = ["한국은행 총재가 오늘, 서울에서"] * 50_000
    for options in ({}, {"split_punctuation": True}):
        began = time.process_time()
        tokens = NerWordTokenizer(**options).batch_tokenize(texts)
        assert sum(map(len, tokens)) == (250_000 if options else 200_000)
        assert time.process_time() - began < 10


@pytest.mark.parametrize("split", [False, True])
def test_registered_name(split):
    params = {"type": "ner_words", "split_punctuation": split}
    tokenizer = Tokenizer.from_params(Params(dict(params)))
    assert type(tokenizer) is NerWordTokenizer and tokenizer.to_params().params == params
    assert Tokenizer.from_params(Params({"type": "ner_words"})).split_punctuation is False
