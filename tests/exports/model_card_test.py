"""The model card: its facts against the run's files, its metadata as the hub reads them, and its code, which runs."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from export_sources import source_of
from fitted_archive import fitted_archive

from ner_plugins.entities import Entity
from ner_plugins.exports import huggingface
from ner_plugins.exports.card_facts import card_facts, data_name
from ner_plugins.exports.model_card import code, model_card, write_card
from ner_plugins.exports.target import ExportOptions, ExportSource
from ner_plugins.tagger.archive import ArchiveBackend

METRICS = {
    "best_epoch": 1,
    "best_validation_seqeval/micro_f1": 0.75,
    "best_validation_seqeval/micro_precision": 0.7,
    "best_validation_seqeval/micro_recall": 0.8077,
    "best_validation_seqeval/macro_f1": 0.5,
    "best_validation_seqeval/name/precision": 0.6,
    "best_validation_seqeval/name/recall": 0.9,
    "best_validation_seqeval/name/f1": 0.72,
    "best_validation_seqeval/name/support": 1234.0,
    "best_validation_loss": 3.0,
    "training_seqeval/micro_f1": 0.99,
    "test_seqeval/micro_f1": 0.71,
}
RECORD = {
    "format_version": 1,
    "seconds": 150.0,
    "epochs": {"done": 4, "planned": 9},
    "best_epoch": 1,
    "seeds": {"pytorch_seed": 77},
    "versions": {"python": "3.11.7", "torch": "2.13.0"},
    "data": {"train": {"sentences": 10748}, "validation": {"sentences": 1343}},
}
CONFIG = {
    "dataset_reader": {"type": "cluener"},
    "train_data_path": "/home/somebody/corpora/cluener#train",
    "validation_data_path": "/home/somebody/corpora/cluener#dev",
    "test_data_path": "/home/somebody/corpora/cluener/test.json",
    "trainer": {"num_epochs": 9, "optimizer": {"type": "huggingface_adamw", "lr": 0.001}},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cards")


@pytest.fixture(scope="module")
def source(folder: Path) -> ExportSource:
    made = source_of(folder, {"scheme": "BIOES"}, steps=150)
    run = folder / "run"
    run.mkdir()
    (run / "config.json").write_text(json.dumps(CONFIG))
    (run / "metrics.json").write_text(json.dumps(METRICS))
    (run / "run.json").write_text(json.dumps(RECORD))
    return replace(made, path=str(run / "model.tar.gz"), config={**CONFIG, "model": made.config["model"]})


@pytest.fixture(scope="module")
def exported(source: ExportSource, folder: Path) -> tuple[Path, dict[str, Any]]:
    made = folder / "exported"
    made.mkdir()
    details = dict(huggingface.export(source, made, ExportOptions()))
    write_card(source, made, "huggingface", details, "my-model")
    return made, details


@pytest.fixture(scope="module")
def card(exported: tuple[Path, dict[str, Any]]) -> str:
    return (exported[0] / "README.md").read_text(encoding="utf-8")


def rows(card: str, heading: str) -> list[list[str]]:
    part = card.split(f"## {heading}\n")[1].split("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line[:1] == "|"]
    return [row for row in cells if not set(row[0]) <= set("-: ") or row[0] == ""]


def test_the_hub_reads_the_metadata(card: str) -> None:
    from huggingface_hub import ModelCard

    data = ModelCard(card, ignore_metadata_errors=False).data
    assert (data.language, data.library_name, data.pipeline_tag) == ("zh", "transformers", "token-classification")
    assert data.metrics == ["f1", "precision", "recall"] and data.model_name == "my-model"
    found = {(one.dataset_type, one.dataset_name, one.metric_type): one.metric_value for one in data.eval_results}
    assert found == {
        ("cluener", "test.json", "f1"): 0.71,
        ("cluener", "cluener#dev", "f1"): 0.75,
        ("cluener", "cluener#dev", "precision"): 0.7,
        ("cluener", "cluener#dev", "recall"): 0.8077,
    }


def test_the_figures_are_those_of_the_run(card: str) -> None:
    found = rows(card, "Metrics")
    assert ["`name`", "0.6000", "0.9000", "0.7200", "1,234"] in found
    assert ["**micro**", "0.7000", "0.8077", "0.7500", ""] in found
    assert ["**macro**", "–", "–", "0.5000", ""] in found and ["**micro**", "–", "–", "0.7100", ""] in found
    assert "0.99" not in card
    trained, chosen = ["training", "`cluener#train`", "10,748"], ["validation", "`cluener#dev`", "1,343"]
    assert rows(card, "Data")[1:] == [trained, chosen]
    assert "somebody" not in card


def test_the_settings_are_those_of_the_run(card: str) -> None:
    found = dict(rows(card, "Settings"))
    assert found["encoder"] == "`bert-24`" and found["head"] == "`tags, each token by itself, scheme BIOES`"
    assert found["epochs"] == "`4 of 9; weights of epoch 2`" and found["seed"] == "`77`"
    assert found["trained with"] == "`python 3.11.7, torch 2.13.0`" and found["training time"] == "`2.5 minutes`"
    assert found["optimizer"] == "`huggingface_adamw, learning rate 0.001`" and found["tokens"] == "`characters`"


def test_the_limits_of_transformers_are_told(card: str) -> None:
    limits = " ".join(card.split("## Limits\n")[1].split())
    assert "cut off after 24 pieces" in limits and "stride=6" in limits
    assert "the best tag of each token by itself" in limits and "scheme BIOES" in limits
    assert "tokenizer splits" not in limits and "Entities do not overlap" in limits


def run_code(
    card: str, text: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> str:
    monkeypatch.chdir(folder)
    [program] = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    capsys.readouterr()
    exec(program.replace("刘晓燕去了北京", text), {})
    return capsys.readouterr().out


def test_the_code_runs(
    card: str, exported: tuple[Path, dict[str, Any]], source: ExportSource, folder: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    shutil.copytree(exported[0], folder / "my-model")
    printed = [line.split() for line in run_code(card, "张三在北京大学读书", folder, capsys, monkeypatch).splitlines()]
    backend = ArchiveBackend(source.model, source.reader)
    [expected] = backend.find(backend.encode(["张三在北京大学读书"], [""]))
    assert expected
    assert [Entity(int(start), int(end), type_) for start, end, type_, _ in printed] == expected


def test_the_code_for_tokens_of_several_pieces_runs(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = source_of(folder, family="roberta")
    (tmp_path / "other").mkdir()
    details = huggingface.export(made, tmp_path / "other", ExportOptions())
    write_card(made, tmp_path / "other", "huggingface", details, "other")
    text = (tmp_path / "other/README.md").read_text(encoding="utf-8")
    printed = [line.split() for line in run_code(text, "张三在北", tmp_path, capsys, monkeypatch).splitlines()]
    scores, _, _ = huggingface.model_scores(made, "张三在北")
    tags = [made.model.head.tag_set.tags[tag] for tag in scores.argmax(-1).tolist()]
    assert printed == [[*pair] for pair in zip("张三在北", tags, strict=True)]
    assert "No `aggregation_strategy`" in text


def test_an_archive_elsewhere_has_no_figures(source: ExportSource, tmp_path: Path) -> None:
    facts = card_facts(replace(source, path=str(tmp_path / "tuned.tar.gz")))
    assert facts["scores"] == [] and dict(facts["settings"])["epochs"] == "up to 9"
    text = model_card(facts, "onnx", {}, "m")
    assert "Unknown: the archive was not in the folder" in text and "model-index" not in text
    assert facts["data"] == [("training", "cluener#train", None), ("validation", "cluener#dev", None)]


def test_what_was_measured_of_the_export(source: ExportSource) -> None:
    measured = {"data": "/home/somebody/dev.json", "sentences": 1343, "micro_f1": {"float32": 0.8, "int8": 0.79876}}
    text = model_card(card_facts(source), "onnx", {"measured": measured}, "m")
    assert "on `dev.json` (1,343 sentences): 0.8000 in float32, 0.7988 in int8.\n" in text
    assert "reads 24 pieces at once" in text and "somebody" not in text


def test_models_with_spans_and_thresholds(repository: Path) -> None:
    from allennlp.models.archival import load_archive

    path = str(fitted_archive(repository, "biaffine"))
    overrides = '{"model.decoding": "nested", "model.thresholds": {"name": 0.25}}'
    archive = load_archive(path, overrides=overrides)
    loaded = ExportSource(path, archive.model, archive.validation_dataset_reader, archive.config.as_dict(quiet=True))
    facts = card_facts(loaded, "zh")
    text = model_card(facts, "onnx", {}, "m")
    assert "Entities may contain one another" in text and "`name` 0.25." in text
    assert dict(facts["settings"])["head"] == "biaffine, decoding nested"
    head = archive.model.head
    assert head.max_span_width is None or f"more than {head.max_span_width} tokens" in text


def test_names_cannot_break_the_card(source: ExportSource) -> None:
    facts = dict(card_facts(source))
    facts["types"] = ["a|b`c`", "<b>\n# x", "\u202e"]
    text = model_card(facts, "huggingface", {"aggregation_strategy": "simple", **_details()}, 'x"\n---\ny')
    assert "- `a\\|b'c'`\n- `<b> # x`\n- `\\u202e`\n" in text and text.count("\n---\n") == 1
    assert code("") == "" and data_name(None) == "unknown" and data_name("a/b.json,c/d") == "b.json; d"


def _details() -> dict[str, Any]:
    of_tags = {"constrained": False, "scheme": "BIO", "tags": ["O"], "pooling": "mean"}
    return {"max_length": 8, **of_tags, "read_differently": {"share": 0.015, "examples": ["é"]}}
