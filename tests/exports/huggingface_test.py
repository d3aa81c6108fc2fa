"""What Transformers itself loads of an export: equal scores, and through its pipeline equal entities."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from export_sources import SENTENCES, source_of
from fitted_archive import run_here
from tiny_encoders import FAMILIES

from ner_plugins.commands.ner_export import NerExportCommand
from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError
from ner_plugins.exports.huggingface import export, model_scores, pooled_logits
from ner_plugins.exports.target import ExportOptions, ExportSource
from ner_plugins.exports.token_classifier import embedder_of
from ner_plugins.segmentation.blanks import without_blank_edges
from ner_plugins.tag_schemes import IllegalTagError, tags_to_spans
from ner_plugins.tagger import Tagger
from ner_plugins.tagger.archive import ArchiveBackend
from ner_plugins.tokenizers import NerSubwordTokenizer, NerWordTokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("encoders")


def entities_of_pipeline(folder: Path, texts: list[str], strategy: str, **options: Any) -> list[list[tuple]]:
    """What the pipeline finds, without blanks at the edges, as a `Tagger` leaves them out and the pipeline does not."""
    from transformers import pipeline

    recognise = pipeline("token-classification", model=str(folder), aggregation_strategy=strategy, device=-1, **options)
    found = [[Entity(e["start"], e["end"], e["entity_group"]) for e in recognise(text)] for text in texts]
    trimmed = [without_blank_edges(entities, text) for entities, text in zip(found, texts, strict=True)]
    return [[(entity.start, entity.end, entity.type) for entity in entities] for entities in trimmed]


def entities_of(source: ExportSource, texts: list[str]) -> list[list[tuple]]:
    tagged = Tagger(ArchiveBackend(source.model, source.reader))(texts)
    return [[(entity.start, entity.end, entity.type) for entity in one.entities] for one in tagged]


def best_tags_are_legal(source: ExportSource, text: str) -> bool:
    """Whether the best tag of each token by itself gives a sequence that the scheme allows."""
    tag_set = source.model.head.tag_set
    scores, _, _ = model_scores(source, text)
    try:
        tags_to_spans([tag_set.tags[tag] for tag in scores.argmax(-1).tolist()], tag_set.scheme, "strict")
    except IllegalTagError:
        return False
    return True


@pytest.mark.parametrize("pooling", ["first", "mean"])
@pytest.mark.parametrize("family", FAMILIES)
def test_scores_are_equal_through_transformers_own_loading(
    family: str, pooling: str, folder: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    def pool(params: dict[str, Any]) -> None:
        params["text_field_embedder"]["token_embedders"]["tokens"]["pooling"] = pooling

    source = source_of(folder, {"scheme": "BIOES", "tag_head": "factored"}, family, change=pool)
    details = export(source, tmp_path, ExportOptions())
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in tmp_path.iterdir()}
    model = AutoModelForTokenClassification.from_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert not model.training
    embedder = embedder_of(source.model)
    before, after = embedder.prefix_ids.tolist(), embedder.suffix_ids.tolist()
    for text in ("张三在北京", "我 在\t上", "abXY1，", "서울"):
        scores, pieces, counts = model_scores(source, text)
        assert len(pieces) <= embedder.window_size
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([[*before, *pieces, *after]])).logits[0, len(before) :]
        torch.testing.assert_close(pooled_logits(logits, counts, pooling), scores, atol=1e-5, rtol=0)
        if not details["read_differently"]["share"]:
            assert tokenizer(text)["input_ids"] == [*before, *pieces, *after]
    assert tokenizer.model_max_length == embedder.window_size + len(before) + len(after)


@pytest.mark.parametrize(
    "scheme, constrain", [("BIO", False), ("BIO", True), ("IOB1", True), ("BIOES", True), ("BMES", True)]
)
def test_the_pipeline_finds_the_same_entities(scheme: str, constrain: bool, folder: Path, tmp_path: Path) -> None:
    source = source_of(folder, {"scheme": scheme, "constrain": constrain}, steps=150)
    details = export(source, tmp_path, ExportOptions())
    assert details["aggregation_strategy"] == "simple" and details["constrained"] == constrain
    texts = [text for text in SENTENCES if best_tags_are_legal(source, text)]
    expected = entities_of(source, texts)
    assert sum(map(len, expected)) >= 4
    assert entities_of_pipeline(tmp_path, texts, "simple") == expected


def test_the_labels_are_those_of_the_tag_scheme(folder: Path, tmp_path: Path) -> None:
    details = export(source_of(folder), tmp_path, ExportOptions())
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert [config["id2label"][str(index)] for index in range(len(details["tags"]))] == details["tags"]
    assert config["label2id"] == {tag: index for index, tag in enumerate(details["tags"])}
    assert config["architectures"] == ["BertForTokenClassification"]
    assert str(folder) not in (tmp_path / "config.json").read_text() + (tmp_path / "tokenizer_config.json").read_text()


def test_long_texts_need_a_stride(folder: Path, tmp_path: Path) -> None:
    source = source_of(folder, steps=150)
    details = export(source, tmp_path, ExportOptions())
    assert details["max_length"] == 24
    text = "我在上海，" * 12
    [cut] = entities_of_pipeline(tmp_path, [text], "simple")
    assert cut and cut[-1][1] <= 22
    [whole] = entities_of_pipeline(tmp_path, [text], "simple", stride=6)
    assert whole[-1][1] > 50


def test_words_take_the_tag_of_their_first_piece(folder: Path, tmp_path: Path) -> None:
    def pool(params: dict[str, Any]) -> None:
        params["text_field_embedder"]["token_embedders"]["tokens"]["pooling"] = "first"

    source = source_of(folder, {"constrain": False}, change=pool)
    source.reader.tokenizer = NerWordTokenizer(split_punctuation=True)
    details = export(source, tmp_path, ExportOptions())
    assert details["aggregation_strategy"] == "first" and not details["read_differently"]["share"]
    texts = ["abing cd 서울", "김철수 the thing, abc (the)", "서울에서 일하고"]
    expected = entities_of(source, texts)
    assert sum(map(len, expected)) >= 2
    assert entities_of_pipeline(tmp_path, texts, "first") == expected


def test_sub_words_are_what_the_tokenizer_makes_of_the_text(folder: Path, tmp_path: Path) -> None:
    source = source_of(folder, {"constrain": False})
    name = embedder_of(source.model).model_name
    source.reader.tokenizer = NerSubwordTokenizer(name)
    details = export(source, tmp_path, ExportOptions())
    assert details["aggregation_strategy"] == "simple" and not details["read_differently"]["share"]
    texts = ["abing cd 서울", "김철수 the thing, abc (the)", *SENTENCES]
    expected = entities_of(source, texts)
    assert sum(map(len, expected)) >= 5
    assert entities_of_pipeline(tmp_path, texts, "simple") == expected


def test_models_that_average_pieces_have_no_strategy(folder: Path, tmp_path: Path) -> None:
    details = export(source_of(folder, family="roberta"), tmp_path, ExportOptions())
    assert details["aggregation_strategy"] is None and details["pooling"] == "mean"


def test_the_command_refuses_other_models_and_writes_nothing(tmp_path: Path, repository: Path) -> None:
    archive = repository / "fixtures/archives/biaffine.tar.gz"
    with pytest.raises(ConfigError, match="its head BiaffineHead scores spans"):
        run_here(NerExportCommand(), "ner-export", archive, "-o", tmp_path / "out", "--to", "huggingface")
    assert not any(tmp_path.iterdir())


def test_other_scores_are_found_out(folder: Path, tmp_path: Path) -> None:
    source = source_of(folder)
    of_transformers = source.model.head.score

    class Doubled(type(source.model.head)):  # type: ignore[misc]
        def score(self, encoded: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return 2 * of_transformers(encoded, mask)

    source.model.head.__class__ = Doubled
    with pytest.raises(ConfigError, match="gives other scores than this model"):
        export(replace(source), tmp_path, ExportOptions())
