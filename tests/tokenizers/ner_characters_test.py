from allennlp.common import Params
from allennlp.data.tokenizers import Tokenizer
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.segmentation.characters import replace_surrogates
from ner_plugins.tokenizers import NerCharacterTokenizer

ODD = "\ud800\udfff\u200d\u0301\u00ad😀　\x00\r\n İ"
ANY_TEXT = st.text(st.characters(exclude_categories=()) | st.sampled_from(ODD))


@given(ANY_TEXT)
def test_one_token_for_each_code_point(text):
    tokens = NerCharacterTokenizer().tokenize(text)
    assert [(token.idx, token.idx_end) for token in tokens] == [(i, i + 1) for i in range(len(text))]
    assert "".join(token.text for token in tokens) == replace_surrogates(text)


@given(ANY_TEXT)
def test_token_texts_can_be_written_and_only_surrogates_differ(text):
    safe = replace_surrogates(text)
    assert safe.encode("utf-8").decode("utf-8") == safe
    assert all(a == b or (b == "\ufffd" and 0xD800 <= ord(a) <= 0xDFFF) for a, b in zip(text, safe, strict=True))


def test_registered_name():
    assert type(Tokenizer.from_params(Params({"type": "ner_characters"}))) is NerCharacterTokenizer
    assert NerCharacterTokenizer().to_params().params == {"type": "ner_characters"}
