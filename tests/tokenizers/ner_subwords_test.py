import json
import pickle
from itertools import pairwise

import pytest
from allennlp.common import Params
from allennlp.data.tokenizers import Tokenizer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_encoders import FAMILIES, make_encoder, vocabulary
from tokenizers import Tokenizer as RustTokenizer
from tokenizers import models, normalizers, pre_tokenizers

from ner_plugins.segmentation.characters import lower_characters, replace_surrogates
from ner_plugins.tokenizers import NerSubwordTokenizer
from ner_plugins.tokenizers.ner_subwords import merge_pieces

ODD = "\ud800\u200b\u200d\u0301\u00ad\ufeff😀👩‍👧　\x00\x1c\r\n\tİßﬁ한글각가e\u0301北京ABCab ᄒ\u1161\u11ab"
ANY_TEXT = st.text(st.sampled_from(ODD) | st.characters(exclude_categories=()), max_size=30)


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoders")
    made = {family: NerSubwordTokenizer(make_encoder(folder / family, family, layers=1)) for family in FAMILIES}
    for form in ("NFD", "NFKC"):  # pieces inside a syllable; one character to several and several to one
        made[form] = NerSubwordTokenizer(normalising(folder / form, form))
    return made


def normalising(folder, form):
    """A WordPiece vocabulary of jamo, letters and combining marks over a normalised text."""
    jamo = [chr(c) for c in range(0x1100, 0x1200)]
    pieces = [*dict.fromkeys([*vocabulary(upper=True), *jamo, "\u0301", "\u0307"])]
    pieces += ["##" + piece for piece in pieces if len(piece) == 1 and "##" + piece not in pieces]
    tokenizer = RustTokenizer(models.WordPiece({p: i for i, p in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = getattr(normalizers, form)()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]", "pad_token": "[PAD]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    return str(folder)


@pytest.mark.parametrize("name", [*FAMILIES, "NFD", "NFKC"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=ANY_TEXT)
def test_offsets_are_exact_whatever_the_text(tokenizers, name, text):
    tokens = tokenizers[name].tokenize(text)
    ends = [0] + [token.idx_end for token in tokens]
    safe = replace_surrogates(text)
    for token, previous in zip(tokens, ends, strict=False):
        assert previous <= token.idx < token.idx_end <= len(text)
        assert token.text == safe[token.idx : token.idx_end]
        assert token.text == token.text.strip() != ""


@pytest.mark.parametrize("name", ["bert", "roberta", "deberta-v2"])
def test_letters_are_covered(tokenizers, name):
    text = "我 在北京\u200b上海，the ab"
    tokens = tokenizers[name].tokenize(text)
    covered = {i for token in tokens for i in range(token.idx, token.idx_end)}
    assert covered >= {i for i, character in enumerate(text) if not character.isspace() and character != "\u200b"}


def test_characters_without_a_piece_belong_to_no_token(tokenizers):
    tokens = tokenizers["bert"].tokenize("我\u00ad \x00在")
    assert [(token.text, token.idx, token.idx_end) for token in tokens] == [("我", 0, 1), ("在", 4, 5)]


def test_bytes_of_a_character_make_one_token(tokenizers):
    tokens = tokenizers["roberta"].tokenize("😀 the中")
    assert [token.text for token in tokens] == ["😀", "the", "中"]
    assert [token.text_id is None for token in tokens] == [True, True, True]
    read = [id_ for token in tokens for id_ in token.piece_ids]  # the space before "the" among them
    assert read == tokenizers["roberta"]._tokenizer("😀 the中", add_special_tokens=False)["input_ids"]


def test_jamo_of_a_syllable_make_one_token(tokenizers):
    assert [token.text for token in tokenizers["NFD"].tokenize("한글 각")] == ["한", "글", "각"]


def test_id_of_a_single_piece(tokenizers):
    text = "我 the talking 北京"
    ids = tokenizers["bert"]._tokenizer(text, add_special_tokens=False)["input_ids"]
    assert [token.text_id for token in tokenizers["bert"].tokenize(text)] == ids


def test_no_special_tokens_and_nothing_is_cut(tokenizers):
    text = "我在" * 1000  # the tiny encoder's limit is 40
    assert [token.text for token in tokenizers["bert"].tokenize(text)] == list(text)
    assert tokenizers["bert"].tokenize("") == []
    assert tokenizers["bert"].tokenize("  \n") == []
    assert tokenizers["bert"].batch_tokenize([]) == []


def test_batch_equals_one_by_one(tokenizers):
    texts = ["我在 北京", "", "THE", "  x"]
    for tokenizer in tokenizers.values():
        assert tokenizer.batch_tokenize(texts) == [tokenizer.tokenize(text) for text in texts]


def test_lower_casing(tmp_path):
    tokenizer = RustTokenizer(models.WordPiece({"[UNK]": 0, "the": 1, "北": 2, "i": 3}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    expected = [("İ", 0, 1, 0), ("THE", 2, 5, 1), ("北", 6, 7, 2)]
    for lowercase in (True, None):  # the vocabulary has no upper-case letter
        lowered = NerSubwordTokenizer(str(tmp_path), lowercase=lowercase).tokenize("İ THE 北")
        assert [(token.text, token.idx, token.idx_end, token.text_id) for token in lowered] == expected
    kept = NerSubwordTokenizer(str(tmp_path), lowercase=False).tokenize("THE")
    assert kept[0].text_id == 0


@given(st.text())
def test_lower_characters_is_one_for_one(text):
    lowered = lower_characters(text)
    assert len(lowered) == len(text)
    assert all(a.lower() == b.lower() or a.lower() in "σς" for a, b in zip(text, lowered, strict=True))


@given(st.text("ab ", max_size=12), st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=8))
def test_merged_pieces_are_disjoint_and_cover_the_same(text, offsets):
    offsets = [(min(s, len(text)), min(e, len(text))) for s, e in offsets]
    tokens = merge_pieces(text, range(len(offsets)), offsets)
    assert all(a.idx_end <= b.idx for a, b in pairwise(tokens))
    assert all(token.text == text[token.idx : token.idx_end] for token in tokens)
    covered = {i for token in tokens for i in range(token.idx, token.idx_end) if not text[i].isspace()}
    assert covered == {i for s, e in offsets for i in range(s, e) if not text[i].isspace()}


def test_from_params_and_pickle(tokenizers):
    name = tokenizers["bert"].model_name
    tokenizer = Tokenizer.from_params(Params({"type": "ner_subwords", "model_name": name}))
    assert tokenizer.to_params().params == {"type": "ner_subwords", "model_name": name, "lowercase": None}
    copy = pickle.loads(pickle.dumps(tokenizer))
    assert copy.tokenize("the 北京\x00") == tokenizer.tokenize("the 北京")
