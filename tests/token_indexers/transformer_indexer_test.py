"""The indexer against one call of the tokenizer on the whole sentence."""

import copy
import pickle
import string
from pathlib import Path

import pytest
import torch
from allennlp.common import Params
from allennlp.data import Batch, DatasetReader, Instance, TokenIndexer, Vocabulary
from allennlp.data.fields import ListField, TextField
from allennlp.data.tokenizers import Token
from allennlp.nn.util import move_to_device
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_encoders import FAMILIES, HAN, HANGUL, LETTERS, SYMBOLS, make_encoder

from ner_plugins.archives.assets import asset_name
from ner_plugins.fields.tokens_field import TokensField
from ner_plugins.segmentation import piece_lookup
from ner_plugins.token_indexers import TransformerIndexer, transformer_indexer

ALPHABET = HAN[:6] + HANGUL[:6] + LETTERS[:4] + SYMBOLS[:4] + "AÉé \t\u3000\x00\u200b🙂龘"
words = st.one_of(st.sampled_from(list(ALPHABET)), st.text(ALPHABET, max_size=4), st.sampled_from(["thesing", "北京"]))


@pytest.fixture(scope="module")
def indexers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TransformerIndexer]:
    root = tmp_path_factory.mktemp("encoders")
    return {family: TransformerIndexer(make_encoder(root / family, family)) for family in FAMILIES}


def _index(indexer: TransformerIndexer, texts: list[str]) -> tuple[list[int], list[int]]:
    indexed = indexer.tokens_to_indices([Token(text) for text in texts], Vocabulary())
    assert indexed["mask"] == [True] * len(texts)
    return indexed["piece_ids"], indexed["piece_counts"]


def _directly(indexer: TransformerIndexer, texts: list[str]) -> tuple[list[int], list[int]]:
    """The sentence in one call, as transformers documents it for words; empty places filled."""
    if not texts:
        return [], []
    if indexer.lowercase:
        texts = [text.lower() for text in texts]
    encoding = indexer.tokenizer(texts, is_split_into_words=True, add_special_tokens=False)
    pieces: list[list[int]] = [[] for _ in texts]
    for piece, word in zip(encoding["input_ids"], encoding.word_ids(), strict=True):
        pieces[word].append(piece)
    pieces = [word or [indexer.tokenizer.unk_token_id] for word in pieces]
    return [piece for word in pieces for piece in word], [len(word) for word in pieces]


@pytest.mark.parametrize("family", FAMILIES)
@given(sentences=st.lists(st.lists(words, max_size=12), min_size=1, max_size=4))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_looking_up_equals_a_call_per_sentence(
    indexers: dict[str, TransformerIndexer], family: str, sentences: list[list[str]]
) -> None:
    for sentence in sentences:
        assert _index(indexers[family], sentence) == _directly(indexers[family], sentence)


def test_a_sentence_takes_one_call(indexers: dict[str, TransformerIndexer], monkeypatch: pytest.MonkeyPatch) -> None:
    indexer = copy.copy(indexers["bert"])
    indexer._memo = {}
    calls: list[list[str]] = []
    original = transformer_indexer.pieces_of_words

    def counted(tokenizer: object, texts: list[str]) -> list[list[int]]:
        calls.append(texts)
        return original(tokenizer, texts)

    monkeypatch.setattr(transformer_indexer, "pieces_of_words", counted)
    _index(indexer, list("我在北京我"))
    _index(indexer, list("北京在我"))
    _index(indexer, list("我在上海"))
    assert calls == [list("我在北京"), list("上海")]


def test_the_memo_is_bounded(indexers: dict[str, TransformerIndexer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(piece_lookup, "MEMO_SIZE", 5)
    indexer = copy.copy(indexers["bert"])
    indexer._memo = {}
    for sentence in ("我在北", "北京上", "海大学读", "我在北京上海大学"):
        assert _index(indexer, list(sentence)) == _directly(indexer, list(sentence))
    _index(indexer, ["我"])
    assert len(indexer._memo) <= 8


def test_what_yields_nothing_keeps_its_place(indexers: dict[str, TransformerIndexer]) -> None:
    unknown = indexers["bert"].tokenizer.unk_token_id
    ids, counts = _index(indexers["bert"], ["我", " ", "\x01", "", "在"])
    assert counts == [1] * 5 and ids[1:4] == [unknown] * 3
    bare = copy.copy(indexers["bert"])
    bare._memo, bare._no_piece = {}, ()
    assert _index(bare, ["我", " ", "在"])[1] == [1, 0, 1]


@pytest.mark.parametrize("family", FAMILIES)
def test_lone_surrogates_are_read_as_unreadable(indexers: dict[str, TransformerIndexer], family: str) -> None:
    assert _index(indexers[family], ["\ud800", "a\udfffb"]) == _index(indexers[family], ["\ufffd", "a\ufffdb"])


def test_tokens_with_an_id_are_that_piece(indexers: dict[str, TransformerIndexer]) -> None:
    indexer = indexers["bert"]
    tokens = [Token("北", text_id=77), Token("京"), Token("大学", text_id=78)]
    indexed = indexer.tokens_to_indices(tokens, Vocabulary())
    assert indexed["piece_ids"] == [77, *_index(indexer, ["京"])[0], 78] and indexed["piece_counts"] == [1, 1, 1]
    indexed = indexer.tokens_to_indices(tokens[::2], Vocabulary())
    assert indexed == {"piece_ids": [77, 78], "piece_counts": [1, 1], "mask": [True, True]}
    assert [token.text_id for token in indexer.indices_to_tokens(indexed, Vocabulary())] == [77, 78]


def test_lower_casing(indexers: dict[str, TransformerIndexer]) -> None:
    indexer = indexers["albert"]
    assert indexer.lowercase  # found out
    assert _index(indexer, list(string.ascii_uppercase)) == _index(indexer, list(string.ascii_lowercase))
    as_it_is = TransformerIndexer(indexer.model_name, lowercase=False)
    assert indexer.tokenizer.unk_token_id in _index(as_it_is, ["B"])[0]
    assert as_it_is != indexer and TransformerIndexer(indexer.model_name) == indexer


def test_batches_are_padded(indexers: dict[str, TransformerIndexer]) -> None:
    indexer = indexers["roberta"]
    sentences = ["我a", "b", ""]
    fields = [TextField([Token(c) for c in sentence], {"encoder": indexer}) for sentence in sentences]
    batch = Batch([Instance({"tokens": field}) for field in fields])
    batch.index_instances(Vocabulary())
    tensors = batch.as_tensor_dict()["tokens"]["encoder"]
    assert set(tensors) == {"piece_ids", "piece_counts", "mask"}
    assert tensors["piece_ids"].dtype == torch.int64 and tensors["mask"].dtype == torch.bool
    ids, counts = _index(indexer, list("我a"))
    assert tensors["piece_ids"][0].tolist() == ids and tensors["piece_counts"].tolist() == [counts, [2, 0], [0, 0]]
    padding = indexer.tokenizer.pad_token_id
    assert padding == 1 and tensors["piece_ids"][1, 2:].tolist() == [padding] * (len(ids) - 2)
    assert tensors["mask"].tolist() == [[True, True], [True, False], [False, False]]
    lengths = {"piece_ids": 2, "piece_counts": 1, "mask": 1}
    empty = indexer.as_padded_tensor_dict(indexer.get_empty_token_list(), lengths)
    assert empty["piece_ids"].tolist() == [1, 1] and empty["mask"].tolist() == [False]


def test_a_batch_has_the_number_of_pieces_of_each_text_on_the_host(indexers: dict[str, TransformerIndexer]) -> None:
    indexer = indexers["roberta"]
    fields = [TokensField([Token(c) for c in sentence], {"encoder": indexer}) for sentence in ("我a", "b", "")]
    batch = Batch([Instance({"tokens": field}) for field in fields])
    batch.index_instances(Vocabulary())
    tensors = batch.as_tensor_dict()["tokens"]["encoder"]
    expected = (len(_index(indexer, list("我a"))[0]), len(_index(indexer, ["b"])[0]), 0)
    assert tensors["piece_totals"] == expected
    moved = move_to_device(tensors, torch.device("meta"))
    assert moved["piece_totals"] == expected and moved["mask"].device.type == "meta"


def test_a_list_of_texts_has_no_such_numbers(indexers: dict[str, TransformerIndexer]) -> None:
    field = ListField([TokensField([Token(c) for c in sentence], {"encoder": indexers["bert"]}) for sentence in "我a"])
    batch = Batch([Instance({"texts": field})])
    batch.index_instances(Vocabulary())
    assert set(batch.as_tensor_dict()["texts"]["encoder"]) == {"piece_ids", "piece_counts", "mask"}


def test_it_travels_to_workers(indexers: dict[str, TransformerIndexer]) -> None:
    for indexer in indexers.values():
        sentence = ["我", "thesing", "A", " "]
        expected = _index(indexer, sentence)
        travelled = pickle.loads(pickle.dumps(indexer))
        assert travelled._memo == {} and indexer._memo and travelled == indexer
        assert _index(travelled, sentence) == expected


class _Reader(DatasetReader):  # type: ignore[misc]
    def __init__(self, token_indexers: dict[str, TokenIndexer], **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.token_indexers = token_indexers


def test_a_reader_passes_the_directory_down(indexers: dict[str, TransformerIndexer], tmp_path: Path) -> None:
    name = indexers["bert"].model_name
    params = Params({"token_indexers": {"encoder": {"type": "ner_transformer", "model_name": name}}})
    reader = _Reader.from_params(params, serialization_dir=str(tmp_path))
    assert reader.token_indexers["encoder"] == indexers["bert"]
    assert (tmp_path / "ner_assets" / asset_name(name) / "tokenizer.json").is_file()


@pytest.mark.data
def test_real_vocabulary(shared_encoders: Path) -> None:
    indexer = TransformerIndexer(str(shared_encoders / "bge-small-zh-v1.5-int8deq"))
    assert indexer.lowercase
    text = list("在ABC公司工作 \ud800가")
    ids, counts = _index(indexer, text)
    assert counts == [1] * len(text)
    assert indexer.tokenizer.convert_ids_to_tokens(ids)[:6] == ["在", "a", "b", "c", "公", "司"]
