"""Each tokenizer through the indexer: what the encoder reads, and of which characters each vector is."""

import copy
import pickle
import unicodedata
from itertools import accumulate, pairwise

import pytest
from allennlp.data import Vocabulary
from allennlp.data.tokenizers import Token
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from normalising_tokenizers import ALPHABET, KINDS, make_tokenizer
from tiny_encoders import FAMILIES, make_encoder

from ner_plugins.segmentation.characters import lower_characters, replace_surrogates
from ner_plugins.token_indexers import TransformerIndexer
from ner_plugins.tokenizers import NerCharacterTokenizer, NerSubwordTokenizer, NerWordTokenizer
from ner_plugins.tokenizers.ner_subwords import SubwordToken

TEXT = st.text(st.sampled_from(ALPHABET) | st.characters(exclude_categories=()), max_size=20)
quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def indexers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizers")
    paths = {kind: make_tokenizer(folder / kind, kind) for kind in KINDS}
    paths |= {family: make_encoder(folder / family, family, layers=1) for family in FAMILIES}
    return {name: TransformerIndexer(path) for name, path in paths.items()}


def index(indexer, tokens):
    """The pieces of each token."""
    indexed = indexer.tokens_to_indices(tokens, Vocabulary())
    counts, ids = indexed["piece_counts"], indexed["piece_ids"]
    assert len(counts) == len(tokens) == len(indexed["mask"]) and sum(counts) == len(ids)
    ends = list(accumulate(counts))
    return [ids[end - count : end] for count, end in zip(counts, ends, strict=True)]


def alone(indexer, word):
    """What the tokenizer makes of a word by itself."""
    word = word.lower() if indexer.lowercase else word
    given = indexer.tokenizer([word], is_split_into_words=True, add_special_tokens=False)["input_ids"]
    unknown = indexer.tokenizer.unk_token_id
    return given or ([] if unknown is None else [unknown])


@pytest.mark.parametrize("name", [*KINDS, *FAMILIES])
@pytest.mark.parametrize(
    "tokenizer", [NerCharacterTokenizer(), NerWordTokenizer(), NerWordTokenizer(True)], ids=["chars", "words", "split"]
)
@quick
@given(text=TEXT)
def test_characters_and_words_are_read_one_by_one(indexers, name, tokenizer, text):
    tokens = tokenizer.tokenize(text)
    safe = replace_surrogates(text)
    assert all(token.text == safe[token.idx : token.idx_end] for token in tokens)
    assert index(indexers[name], tokens) == [alone(indexers[name], token.text) for token in tokens]


@pytest.mark.parametrize("name", [*KINDS, *FAMILIES])
@quick
@given(text=TEXT)
def test_subwords_are_read_as_the_tokenizer_gave_them(indexers, name, text):
    indexer = indexers[name]
    tokenizer = NerSubwordTokenizer(indexer.model_name)
    tokens = tokenizer.tokenize(text)
    read = index(indexer, tokens)
    assert read == [list(token.piece_ids) if token.text_id is None else [token.text_id] for token in tokens]
    assert all(isinstance(token, SubwordToken) == (token.text_id is None) for token in tokens)
    safe = replace_surrogates(text)
    safe = safe[tokenizer._segmenter._removed_at_start(safe) :]
    read_by_it = lower_characters(safe) if indexer.lowercase else safe
    whole = indexer.tokenizer(read_by_it, add_special_tokens=False)["input_ids"]
    rest = iter(whole)
    assert all(piece in rest for pieces in read for piece in pieces)


@pytest.mark.parametrize("name", ["roberta", "albert", "bert", "nfd", "bytes", "bpe-fallback"])
def test_plain_sentences_are_read_whole(indexers, name):
    """Words one space apart: the encoder reads exactly what it was trained to read."""
    indexer = indexers[name]
    for text in ("我在北京 the sing abc", "한국은 값 뷁뷁 (각)", "é é ㈜ ½", "😀 我"):
        tokens = NerSubwordTokenizer(indexer.model_name, lowercase=False).tokenize(text)
        read = [piece for pieces in index(indexer, tokens) for piece in pieces]
        assert read == indexer.tokenizer(text, add_special_tokens=False)["input_ids"]


def test_mixed_tokens(indexers):
    """Those with pieces of their own, with one id, and with neither, in one sentence."""
    indexer = copy.copy(indexers["nfd"])
    indexer._memo = {}
    tokens = [Token("가"), SubwordToken("각", 0, 1, [5, 6, 7]), Token("x", text_id=9), Token("a"), Token("가")]
    assert index(indexer, tokens) == [alone(indexer, "가"), [5, 6, 7], [9], alone(indexer, "a"), alone(indexer, "가")]
    assert set(indexer._memo) == {"가", "a"}  # what brings its pieces along is not looked up
    assert index(indexer, tokens[1:2]) == [[5, 6, 7]] and index(indexer, []) == []
    assert index(pickle.loads(pickle.dumps(indexer)), pickle.loads(pickle.dumps(tokens))) == index(indexer, tokens)


@pytest.mark.data
@pytest.mark.parametrize("encoder", ["bge-small-zh-v1.5-int8deq", "simbert-tiny-electra"])
@pytest.mark.parametrize("corpus", ["kmou", "conll2003"])
def test_real_encoders_on_real_sentences(shared_data, shared_encoders, encoder, corpus):
    texts = kmou_sentences(shared_data) if corpus == "kmou" else conll_sentences(shared_data)
    assert len(texts) == (931 if corpus == "kmou" else 3250)
    tokenizer = NerSubwordTokenizer(str(shared_encoders / encoder))
    indexer = TransformerIndexer(str(shared_encoders / encoder))
    for text, tokens in zip(texts, tokenizer.batch_tokenize(texts), strict=True):
        assert all(token.text == text[token.idx : token.idx_end] for token in tokens)
        assert all(a.idx_end <= b.idx for a, b in pairwise(tokens))
        covered = {place for token in tokens for place in range(token.idx, token.idx_end)}
        uncovered = {text[place] for place in set(range(len(text))) - covered}
        assert all(c.isspace() or unicodedata.category(c) in ("Cc", "Cf") for c in uncovered), uncovered
        whole = indexer.tokenizer(text.lower(), add_special_tokens=False)["input_ids"]
        assert [piece for pieces in index(indexer, tokens) for piece in pieces] == whole
        for chars in (NerCharacterTokenizer(), NerWordTokenizer(), NerWordTokenizer(True)):
            assert all(index(indexer, chars.tokenize(text)))


def kmou_sentences(shared_data):
    """The second line of each block in the validation files."""
    import tarfile

    texts = []
    with tarfile.open(shared_data / "kmou" / "kmou_ner.tar.gz") as archive:
        for member in archive:
            if member.name.endswith(("CORPUS_009.txt", "CORPUS_010.txt")):
                lines = archive.extractfile(member).read().decode("utf-8-sig").split("\n")
                texts += [line.removeprefix("## ") for line in lines if line.startswith("## ")][1::3]
    return texts


def conll_sentences(shared_data):
    sentences, words = [], []
    for line in [*(shared_data / "conll2003" / "eng.testa").read_text(encoding="utf-8").split("\n"), ""]:
        if line.strip():
            words.append(line.split(" ")[0])
        else:
            if words and words != ["-DOCSTART-"]:
                sentences.append(" ".join(words))
            words = []
    return sentences
