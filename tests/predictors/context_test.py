"""A model that has to read the sentence before: trained, evaluated, and asked in every way that there is."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from allennlp.commands.train import train_model
from allennlp.common import Params
from allennlp.models.archival import load_archive
from exported_models import export_model
from tiny_encoders import make_encoder

from ner_plugins.entities import Sentence
from ner_plugins.errors import ConfigError, DataError
from ner_plugins.exports.run import export
from ner_plugins.exports.target import ExportOptions, ExportSource
from ner_plugins.predictors.line_prediction import LinePrediction
from ner_plugins.predictors.ner_predictor import NerPredictor
from ner_plugins.reports.collect import run_model
from ner_plugins.tagger import Tagger
from ner_plugins.tagger.archive import ArchiveBackend
from ner_plugins.tagger.onnx.backend import OnnxBackend

NAMES = "王小明人大"  # a name is a person in a document that begins with 我, and else a place


def write_corpus(path: Path) -> None:
    lines = []
    for opening, kind in (("我", "PER"), ("他", "LOC")):
        for first in NAMES:
            lines += ["-DOCSTART- O", "", f"{opening} O", "", f"{first} B-{kind}", "是 O", ""]
    path.write_text("\n".join(lines), encoding="utf-8")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "train.txt"
    write_corpus(path)
    return path


@pytest.fixture(scope="module")
def run(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    encoder = make_encoder(tmp_path_factory.mktemp("encoder"), layers=1)
    named = {"type": "ner_transformer", "model_name": encoder}
    config: dict[str, Any] = {
        "dataset_reader": {
            "type": "conll_ner",
            "join": "",
            "token_indexers": {"tokens": dict(named)},
            "context_sentences": 1,
        },
        "train_data_path": str(corpus),
        "validation_data_path": str(corpus),
        "model": {
            "type": "crf_tagger",
            "text_field_embedder": {"token_embedders": {"tokens": dict(named)}},
            "metrics": [{"type": "seqeval"}],
        },
        "data_loader": {"batch_sampler": {"type": "token_budget", "budget": 40}},
        "trainer": {
            "type": "ner",
            "num_epochs": 8,
            "optimizer": {"type": "adam", "lr": 0.01},
            "validation_metric": "+seqeval/micro_f1",
        },
        "random_seed": 3,
        "pytorch_seed": 3,
    }
    folder = tmp_path_factory.mktemp("run") / "run"
    train_model(Params(config), str(folder))
    return folder


@pytest.fixture(scope="module")
def archive(run: Path) -> Any:
    return load_archive(run / "model.tar.gz")


@pytest.fixture
def predictor(archive: Any) -> NerPredictor:
    return NerPredictor(archive.model, archive.dataset_reader)


def kinds(predictor: NerPredictor, path: Path, corpus: bool) -> list[list[str]]:
    prediction = LinePrediction(
        predictor, input_format="json", batch_size=3, on_error="raise", to_line=lambda row: json.dumps(dict(row))
    )
    rows = prediction.run_corpus(str(path)) if corpus else prediction.run(str(path))
    return [[entity["type"] for entity in row["entities"]] for row in map(json.loads, rows)]


EXPECTED = [[], ["PER"]] * len(NAMES) + [[], ["LOC"]] * len(NAMES)


def test_evaluation_and_reports_read_the_context(run: Path, archive: Any, corpus: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["best_validation_seqeval/micro_f1"] == 1.0
    report = run_model(archive.model, archive.dataset_reader, str(corpus))
    assert [[entity.type for entity in one.predicted] for one in report.sentences] == EXPECTED


def test_a_corpus_is_predicted_with_its_context(
    predictor: NerPredictor, corpus: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert kinds(predictor, corpus, corpus=True) == EXPECTED
    assert "context_sentences" not in caplog.text


def test_lines_are_predicted_with_the_context_that_they_name(predictor: NerPredictor, tmp_path: Path) -> None:
    records = [{"text": "王是", "before": ["我"]}, {"text": "王是", "before": ["他"], "after": []}]
    path = tmp_path / "lines.json"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    assert kinds(predictor, path, corpus=False) == [["PER"], ["LOC"]]
    found = [predictor.predict_json(record) for record in records]
    assert [(one["text"], one["entities"][0]["type"]) for one in found] == [("王是", "PER"), ("王是", "LOC")]
    [instance] = [predictor._json_to_instance({**records[0], "id": 7})]
    assert instance["metadata"].metadata["id"] == 7
    with pytest.raises(DataError, match="`before` is '我'"):
        predictor.predict_json({"text": "王是", "before": "我"})


def test_texts_are_tagged_alone_and_said_to_be(archive: Any, caplog: pytest.LogCaptureFixture) -> None:
    tagger = Tagger(ArchiveBackend(archive.model, archive.dataset_reader))
    sentences = [Sentence("王是", before=[opening]) for opening in ("我", "他")]
    assert [one.entities[0].type for one in tagger(sentences)] == ["PER", "LOC"]
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        alone = tagger(["王是", sentences[1], "王是"])
        tagger(["王是"])
    assert alone[0] == alone[2] and alone[1].entities[0].type == "LOC"
    assert [record.message for record in caplog.records if "each is tagged alone" in record.message] != []
    assert sum("each is tagged alone" in record.message for record in caplog.records) == 1


@pytest.mark.exhaustive
def test_an_export_finds_what_the_archive_finds_without_context(
    archive: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    exported = Tagger(OnnxBackend(export_model(archive.model, archive.dataset_reader, tmp_path / "onnx")))
    texts = ["王是", "小是", "我"]
    expected = Tagger(ArchiveBackend(archive.model, archive.dataset_reader))(texts)
    for one, other in zip(exported(texts), expected, strict=True):
        assert [(e.start, e.end, e.type) for e in one.entities] == [(e.start, e.end, e.type) for e in other.entities]
    with pytest.raises(ConfigError, match="reads each text alone"):
        exported([Sentence("王是", before=["我"])])
    source = ExportSource("none", archive.model, archive.dataset_reader, {})
    with pytest.raises(OSError):  # there is no archive to take the digest of
        export(source, str(tmp_path / "second"), "onnx", ExportOptions())
    assert "an exported one reads each text alone" in caplog.text
