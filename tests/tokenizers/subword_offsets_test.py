"""Offsets through tokenizers that normalise: what each token's pieces spell is what its characters normalise to."""

import pickle
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from normalising_tokenizers import ALPHABET, BYTES, EMOJI, KINDS, UNIGRAM, WORD_PIECE, make_tokenizer

from ner_plugins.dataset_readers.alignment import align_entities
from ner_plugins.entities import Entity
from ner_plugins.segmentation.characters import continues, replace_surrogates
from ner_plugins.tokenizers import NerSubwordTokenizer
from ner_plugins.tokenizers.ner_subwords import SubwordToken

TEXT = st.text(st.sampled_from(ALPHABET) | st.characters(exclude_categories=()), max_size=24)
# Of the alphabet alone, which every vocabulary has; no piece of it is unknown.
KNOWN_TEXT = st.text(st.sampled_from(ALPHABET), max_size=24)
NASTY = (
    "\ud800한\udfff \ufffd국",
    "İẞŉﬁ㈜½…ＡＢ１",
    EMOJI * 2,
    "\ufeff한국\u200b은 \u00ad서\u00ad울\u00ad",
    "\x00a\x1bb\x7f\x85\u2028c",
    "\u0301e\u0301 \u0301",
    "ㄱㅏㅋﾡￂｶﾞ",
)
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizers")
    return {kind: NerSubwordTokenizer(make_tokenizer(folder / kind, kind)) for kind in KINDS}


def normal_form(tokenizer, text):
    normalizer = tokenizer._tokenizer.backend_tokenizer.normalizer
    return text if normalizer is None else normalizer.normalize_str(text)


def blank(tokenizer, character):
    """White space, before or after normalisation, or removed by it."""
    return character.isspace() or normal_form(tokenizer, character).strip() == ""


def spans(tokens):
    return [(unicodedata.normalize("NFC", token.text), token.idx, token.idx_end) for token in tokens]


def is_sentencepiece(tokenizer):
    return "Precompiled" in str(tokenizer._tokenizer.backend_tokenizer.normalizer)


def extends(character):
    """Whether it makes one grapheme with the character before it."""
    return continues(character) or character in "\u200c\u200d" or "\U0001f3fb" <= character <= "\U0001f3ff"


def check_offsets(tokenizer, text):
    """All that holds for any text; returns the tokens."""
    safe = replace_surrogates(text)
    tokens = tokenizer.tokenize(text)
    assert all(0 <= token.idx < token.idx_end <= len(text) for token in tokens)
    assert all(a.idx_end <= b.idx for a, b in pairwise(tokens))
    assert all(token.text == safe[token.idx : token.idx_end] for token in tokens)
    for token in tokens:
        assert not blank(tokenizer, token.text[0])
        assert not blank(tokenizer, token.text[-1]) or continues(token.text[-1])
    covered = {place for token in tokens for place in range(token.idx, token.idx_end)}
    for place in set(range(len(text))) - covered:
        # Not covered: white space, removed, or composed with a character which is not covered either (and what
        # SentencePiece's normaliser loses after a character that it replaces).
        lost = extends(safe[place]) and (is_sentencepiece(tokenizer) or place - 1 not in covered)
        assert lost or blank(tokenizer, safe[place]), place
    return tokens


@pytest.mark.parametrize("kind", KINDS)
@quick
@given(text=TEXT)
def test_any_text(tokenizers, kind, text):
    check_offsets(tokenizers[kind], text)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", NASTY, ids=ascii)
def test_nasty_texts(tokenizers, kind, text):
    for variant in (text, " " + text, text * 2, "가" + text + "가", "\n".join([text, text])):
        check_offsets(tokenizers[kind], variant)


def own_pieces(tokenizer, token):
    ids = token.piece_ids if isinstance(token, SubwordToken) else (token.text_id,)
    return tokenizer._tokenizer.convert_ids_to_tokens(list(ids))


def squeezed(tokenizer, text):
    """What the tokenizer reads of a text, without white space."""
    return "".join(character for character in normal_form(tokenizer, text) if not character.isspace())


@pytest.mark.parametrize("kind", [*WORD_PIECE, *UNIGRAM])
@quick
@given(text=KNOWN_TEXT)
def test_pieces_spell_the_normal_form_of_their_characters(tokenizers, kind, text):
    tokenizer = tokenizers[kind]
    if is_sentencepiece(tokenizer):
        # Beside a character that it removes, and for one with marks, its normaliser mixes up what belongs to which.
        text = "".join(c for c in text if normal_form(tokenizer, c) and not extends(c))
    # Normal forms put marks in order; what is then a mark's own piece depends on its neighbours.
    assume(unicodedata.normalize("NFKD", text) == "".join(unicodedata.normalize("NFKD", c) for c in text))
    for token in check_offsets(tokenizer, text):
        pieces = own_pieces(tokenizer, token)
        if tokenizer._tokenizer.unk_token not in pieces:
            spelt = "".join(piece.removeprefix("##").removeprefix("▁") for piece in pieces)
            assert spelt == squeezed(tokenizer, token.text)


# As GPT-2 writes bytes: the visible characters of Latin-1 stand for themselves, the others from U+0100 on.
_VISIBLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_HIDDEN = sorted(set(range(0x100)) - set(_VISIBLE))
BYTE_OF = {chr(byte): byte for byte in _VISIBLE} | {chr(0x100 + i): byte for i, byte in enumerate(_HIDDEN)}


@pytest.mark.parametrize("kind", BYTES)
@quick
@given(text=TEXT)
def test_bytes_spell_their_characters(tokenizers, kind, text):
    tokenizer = tokenizers[kind]
    for token in check_offsets(tokenizer, text):
        written = bytes(BYTE_OF[letter] for piece in own_pieces(tokenizer, token) for letter in piece).decode("utf-8")
        assert "".join(written.split()) == "".join(normal_form(tokenizer, token.text).split())


@pytest.mark.parametrize("kind", KINDS)
@quick
@given(text=TEXT)
def test_pieces_are_lost_with_white_space_only(tokenizers, kind, text):
    """The tokens' pieces are the tokenizer's own for the text, in order, without some of blanks."""
    tokenizer = tokenizers[kind]
    safe = replace_surrogates(text)
    safe = safe[tokenizer._segmenter._removed_at_start(safe) :]
    encoding = tokenizer._tokenizer(safe, add_special_tokens=False, return_offsets_mapping=True)
    tokens = tokenizer.tokenize(safe)
    found = [id_ for token in tokens for id_ in getattr(token, "piece_ids", (token.text_id,))]
    all_ids, needed = [], []
    for id_, (start, end) in zip(encoding["input_ids"], encoding["offset_mapping"], strict=True):
        all_ids.append(id_)
        if not all(blank(tokenizer, character) for character in safe[start:end]):
            needed.append(id_)
    assert is_subsequence(needed, found) and is_subsequence(found, all_ids)


def is_subsequence(part, whole):
    rest = iter(whole)
    return all(item in rest for item in part)


# One text, and what each tokenizer makes of it.
NFC, NFD = "한국은 값", unicodedata.normalize("NFD", "한국은 값")
EXPECTED = [
    ("nfc", NFD, [("한국", 0, 6), ("은", 6, 9), ("값", 10, 13)]),
    ("bytes-nfc", NFD, [("한", 0, 3), ("국", 3, 6), ("은", 6, 9), ("값", 10, 13)]),
    ("sentencepiece", "é e\u0301a", [("é", 0, 1), ("é", 2, 4), ("a", 4, 5)]),
    ("nfd", NFC, [("한", 0, 1), ("국", 1, 2), ("은", 2, 3), ("값", 4, 5)]),
    ("bert", NFC, [("한", 0, 1), ("국", 1, 2), ("은", 2, 3), ("값", 4, 5)]),
    ("lower", "İa ẞB", [("İ", 0, 1), ("a", 1, 2), ("ẞ", 3, 4), ("B", 4, 5)]),
    ("nfkc", "ŉﬁ㈜½… ＡＢ", [(c, i, i + 1) for i, c in enumerate("ŉﬁ㈜½… ＡＢ") if c != " "]),
    ("nfkc", "ｶﾞㄱㅏㅋ", [("ｶﾞ", 0, 2), ("ㄱㅏ", 2, 4), ("ㅋ", 4, 5)]),
    ("bert", "e\u0301a\u0301 ", [("é", 0, 2), ("á", 2, 4)]),
    ("bert", "한\u00ad국 a\u00ad", [("한", 0, 1), ("국", 2, 3), ("a", 4, 5)]),
    ("bert-cased", "한\u00ad국\u00ad", [("한\u00ad국", 0, 3)]),
    ("bert-cased", "\ufeffa\u200bbc\x00", [("a", 1, 2), ("bc", 3, 5)]),
    ("sentencepiece", "\u200b한국\ufeff한국\ufffd한국", [("한국", 1, 3), ("한국", 4, 6), ("한국", 7, 9)]),
    ("sentencepiece", "\x1b한국", [("한국", 1, 3)]),  # the library says 0 to 2
    ("bert", "❤\ufe0f a👨\u200d👩", [("❤\ufe0f", 0, 2), ("a", 3, 4), ("👨", 4, 5), ("👩", 6, 7)]),
    ("metaspace", "\u3000北\xa0京\n", [("北", 1, 2), ("京", 3, 4)]),
    ("bytes", "👍🏽\u3000은뷁한", [("👍", 0, 1), ("🏽", 1, 2), ("은뷁", 3, 5), ("한", 5, 6)]),
    ("bpe-fallback", "뷁 a뷁", [("뷁", 0, 1), ("a", 2, 3), ("뷁", 3, 4)]),
    ("bytes", "a\udc80b", [("a", 0, 1), ("\ufffd", 1, 2), ("b", 2, 3)]),
]


@pytest.mark.parametrize("kind, text, expected", EXPECTED, ids=[f"{kind} {text!a}" for kind, text, _ in EXPECTED])
def test_what_becomes_of(tokenizers, kind, text, expected):
    assert spans(tokenizers[kind].tokenize(text)) == expected


def test_everything_that_composes_continues():
    """Each character that a normal form composes with the one before it, out of all of Unicode."""
    for code in range(0x110000):
        decomposed = unicodedata.normalize("NFD", chr(code))
        if unicodedata.normalize("NFC", decomposed) == chr(code) != decomposed:
            assert all(continues(character) for character in decomposed[1:]), hex(code)
    for character in map(chr, range(0x3131, 0xFFDD)):
        if unicodedata.decomposition(character).startswith("<"):
            alone = unicodedata.normalize("NFKC", character)
            if any(len(unicodedata.normalize("NFKC", base + character)) == len(alone) for base in "ㄱカハ"):
                assert continues(character), hex(ord(character))
    assert not any(continues(character) for character in "a가ㄱᄀ我1 \u00ad\u200b\u200c\u200d😀カ")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_words_are_found_again_exactly(tokenizers, kind, form):
    """Whatever form the text has and whatever the tokenizer makes of it, gold that is whole words stays reachable."""
    words = ["한국은", "서울\u00ad값", "İé", "(㈜)", "ＡＢ½", "ㄱㅏ", "我在北京", "ﬁé…"]
    gold, text = [], ""
    for word in words:
        word = unicodedata.normalize(form, word)
        gold.append(Entity(len(text), len(text) + len(word), "X"))
        text += word + " "
    offsets = [(token.idx, token.idx_end) for token in check_offsets(tokenizers[kind], text)]
    for boundary in ("expand", "shrink", "drop"):
        found = align_entities(gold, offsets, boundary)
        inexact = [text[e.start : e.end] for e, s in zip(gold, found, strict=True) if s is None or not s.exact]
        assert inexact == []


@pytest.mark.parametrize("kind", KINDS)
@quick
@given(text=TEXT.filter(len), data=st.data())
def test_expanded_spans_contain_the_gold(tokenizers, kind, text, data):
    tokenizer = tokenizers[kind]
    offsets = [(token.idx, token.idx_end) for token in tokenizer.tokenize(text)]
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    covered = {place for a, b in offsets for place in range(a, b)} & set(range(start, end))
    for boundary in ("expand", "shrink", "drop"):
        (span,) = align_entities([Entity(start, end, "X")], offsets, boundary)
        if boundary == "expand":
            assert (span is not None) == bool(covered)
        if span is not None:
            found = range(offsets[span.start][0], offsets[span.end - 1][1])
            assert span.exact == (found == range(start, end))
            assert boundary != "expand" or covered <= set(found)
            assert boundary == "expand" or set(found) <= set(range(start, end))
            assert boundary != "drop" or covered <= set(found)


def test_very_long_runs_without_white_space(tokenizers):
    for unit in ("한", "a", "北", "😀", "e\u0301", "\u200b", "값"):
        text = unit * 5_000
        for kind, tokenizer in tokenizers.items():
            tokens = tokenizer.tokenize(text)
            assert [t.idx_end for t in tokens[:-1]] == [t.idx for t in tokens[1:]], (kind, unit)
            if tokens:
                assert tokens[0].idx == 0 and tokens[-1].idx_end == len(text)
            else:
                assert blank(tokenizer, unit)


def test_tokens_of_several_pieces_travel(tokenizers):
    (token,) = tokenizers["nfd"].tokenize("값")
    copied = pickle.loads(pickle.dumps(token))
    assert isinstance(copied, SubwordToken) and copied == token and copied.text_id is None
    assert copied.piece_ids == token.piece_ids and len(token.piece_ids) == 3
