"""Which models are token classifiers of Transformers, and their weights as such."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from export_sources import source_of
from gpu_cases import build_with_reader

from ner_plugins.errors import ConfigError
from ner_plugins.exports.token_classifier import label_names, linear_scores, obstacles, token_classifier
from ner_plugins.heads.tag_scorers import FactoredTagScorer
from ner_plugins.modules.crf.tagging import TagSet
from ner_plugins.tag_schemes import SCHEMES, spans_to_tags, tags_to_spans


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("encoders")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_names_of_legal_tags_say_the_same_entities_as_bio(scheme: str) -> None:
    tag_set = TagSet(["PER", "B-LOC"], scheme)
    names = dict(zip(tag_set.tags, label_names(tag_set), strict=True))
    spans = [(0, 1, "PER"), (1, 3, "PER"), (4, 7, "B-LOC"), (7, 8, "PER"), (8, 9, "B-LOC")]
    tags = spans_to_tags(spans, 10, scheme)
    assert tags_to_spans([names[tag] for tag in tags], "BIO") == spans


def test_factored_scores_are_those_of_one_layer() -> None:
    torch.manual_seed(2)
    scorer = FactoredTagScorer(5, TagSet(["PER", "LOC"], "BIOES"))
    weight, bias = linear_scores(scorer, 5)
    vectors = torch.randn(7, 5)
    torch.testing.assert_close(vectors @ weight.T + bias, scorer(vectors))


@pytest.mark.parametrize(
    "head, encoder, reason",
    [
        ("crf", "transformer", "its decoder is a CRF"),
        ("biaffine", "transformer", "its head BiaffineHead scores spans"),
        ("pointer", "transformer", "its head PointerHead scores spans"),
        ("softmax", "bilstm", r"model.encoder \(LstmSeq2SeqEncoder\) is a layer between"),
        ("softmax", "flat", "model.lattice_encoder reads the words of a lexicon"),
        ("softmax", "embedding", "its tokens are embedded by NerEmbedding, not by one ner_transformer"),
    ],
)
def test_other_models_are_refused_with_the_reason(head: str, encoder: str, reason: str, folder: Path) -> None:
    model, _, _ = build_with_reader(head, encoder, folder)
    with pytest.raises(ConfigError, match=f"{reason}.*Use --to onnx or --to spacy"):
        token_classifier(model)


def test_all_reasons_are_given(folder: Path) -> None:
    def mixed(params: dict[str, Any]) -> None:
        params["head"]["decoder"] = "crf"
        params["text_field_embedder"]["token_embedders"]["tokens"]["last_layer_only"] = False
        params["encoder"] = {"type": "lstm", "hidden_size": 4}

    found = list(obstacles(source_of(folder, change=mixed).model))
    assert [reason.split()[1] for reason in found] == ["decoder", "(LstmSeq2SeqEncoder)", "mixes"]


def test_classes_of_transformers_with_other_layers_are_refused(folder: Path) -> None:
    from transformers import AutoConfig, AutoModel

    model = copy.copy(source_of(folder).model)
    modern = AutoConfig.for_model(
        "modernbert", vocab_size=60, hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2,
    )  # fmt: skip
    [embedder] = model.text_field_embedder._token_embedders.values()
    embedder.encoder = AutoModel.from_config(modern)
    with pytest.raises(ConfigError, match=r"ModernBertForTokenClassification of Transformers has more layers.*head"):
        token_classifier(model)
    embedder.encoder = AutoModel.from_config(AutoConfig.for_model("t5", d_model=32, num_layers=1, vocab_size=60))
    with pytest.raises(ConfigError, match=r"Use --to onnx"):
        token_classifier(model)


def test_dropout_is_kept_for_further_training(folder: Path) -> None:
    source = source_of(folder)
    assert token_classifier(source.model).config.classifier_dropout == source.model.dropout.p == 0.1
