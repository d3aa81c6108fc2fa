"""Texts are read as the archive's reader reads them: the same tokens, offsets, pieces and ids."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from allennlp.common import Params
from allennlp.data import DatasetReader, Vocabulary
from allennlp.modules.text_field_embedders import BasicTextFieldEmbedder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from normalising_tokenizers import ALPHABET
from tiny_encoders import FAMILIES, make_encoder

from ner_plugins.exports.onnx.description import describe_indexers, describe_segmentation
from ner_plugins.tagger.onnx.features import PieceIndexer, Segmentation, VocabularyIndexer
from ner_plugins.token_embedders import TransformerEmbedder
from ner_plugins.token_embedders.ner_embedding import NerEmbedding

TEXT = st.text(st.sampled_from([*ALPHABET, *"我在北京the ABC,.\n\t\ud800"]) | st.characters(), max_size=16)
CHECKED = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("encoders")
    return {family: make_encoder(folder / family, family) for family in FAMILIES}


def source_of(reader: Any, embedder: Any, vocab: Vocabulary) -> Any:
    of_model = BasicTextFieldEmbedder({"tokens": embedder})
    model = SimpleNamespace(text_field_embedder=of_model, vocab=vocab)
    return SimpleNamespace(reader=reader, model=model, single_model=model)


def check(reader: Any, embedder: Any, vocab: Vocabulary, folder: Path) -> None:
    source = source_of(reader, embedder, vocab)
    segmentation = Segmentation(describe_segmentation(source, folder), folder)
    [details], _ = describe_indexers(source, folder)
    index: Any = (PieceIndexer if details["kind"] == "pieces" else VocabularyIndexer)(details, folder)

    @CHECKED
    @given(st.lists(TEXT, min_size=1, max_size=3))
    def compare(texts: list[str]) -> None:
        for text, found in zip(texts, segmentation(texts), strict=True):
            instance = reader.text_to_instance(text)
            reader.apply_token_indexers(instance)
            instance.index_fields(vocab)
            assert found.offsets == [tuple(pair) for pair in instance["metadata"].metadata["offsets"]]
            expected = instance["tokens"]._indexed_tokens["tokens"]
            if details["kind"] == "pieces":
                assert index(found) == (expected["piece_ids"], expected["piece_counts"])
            else:
                assert index(found) == expected["tokens"]

    compare()


@pytest.mark.parametrize("tokenizer", ["ner_characters", "ner_words", "ner_subwords"])
@pytest.mark.parametrize("family", FAMILIES)
def test_pieces_of_a_pretrained_encoder(family: str, tokenizer: str, encoders: dict[str, str], tmp_path: Path) -> None:
    part = {"type": "ner_transformer", "model_name": encoders[family]}
    params: dict[str, Any] = {"type": tokenizer}
    if tokenizer == "ner_subwords":
        params["model_name"] = encoders[family]
    config = {"type": "cluener", "tokenizer": params, "token_indexers": {"tokens": part}}
    reader = DatasetReader.from_params(Params(config))
    check(reader, TransformerEmbedder(encoders[family]), Vocabulary(), tmp_path)


@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize("split", [False, True])
def test_ids_of_a_vocabulary(lowercase: bool, split: bool, tmp_path: Path) -> None:
    indexer = {"type": "single_id", "lowercase_tokens": lowercase}
    words = {"type": "ner_words", "split_punctuation": split}
    config = {"type": "cluener", "tokenizer": words, "token_indexers": {"tokens": indexer}}
    reader = DatasetReader.from_params(Params(config))
    vocab = Vocabulary(tokens_to_add={"tokens": ["我", "在", "北京", "the", "a", "A", ",", "\n"]})
    check(reader, NerEmbedding(vocab, 3), vocab, tmp_path)
