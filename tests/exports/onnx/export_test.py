"""`ner-export --to onnx`: what is written, what is refused, and what quantization may lose."""

import json
from pathlib import Path
from typing import Any

import pytest
from exported_models import export_model
from fitted_archive import DATA, fitted_archive, run_here
from gpu_cases import build_with_reader

from ner_plugins.commands.evaluate import EvaluateCommand
from ner_plugins.commands.ner_export import NerExportCommand
from ner_plugins.errors import ConfigError, DataError
from ner_plugins.exports.onnx.writing import check_packages
from ner_plugins.files.export_manifest import MANIFEST, ExportManifest
from ner_plugins.tagger import Tagger
from ner_plugins.tagger.onnx.layout import ENCODER


def run(*arguments: object) -> None:
    run_here(NerExportCommand(), "ner-export", *arguments, "--to", "onnx")


def test_the_f1_of_the_export_is_that_of_the_archive(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, data = fitted_archive(repository, "crf_tagger"), f"{repository / DATA}"
    run(archive, "-o", tmp_path / "new", "--dev", data)
    manifest = ExportManifest.read(tmp_path / "new")
    measured = manifest.details["measured"]
    reader = Tagger.from_path(archive).backend.reader  # type: ignore[attr-defined]
    sentences = list(reader.sentences(data))
    assert measured["data"] == data and measured["sentences"] == len(sentences)
    run_here(
        EvaluateCommand(), "evaluate", archive, data, "--output-file", tmp_path / "metrics.json",
        "-o", json.dumps({"dataset_reader.max_instances": None}),
    )  # fmt: skip
    expected = json.loads((tmp_path / "metrics.json").read_text())["seqeval/micro_f1"]
    assert 0.02 < expected == pytest.approx(measured["micro_f1"]["float32"], abs=1e-6)
    texts = [sentence.text for sentence in sentences]
    found, of_archive = Tagger.from_path(tmp_path / "new")(texts), Tagger.from_path(archive)(texts)
    assert [[e[:4] for e in map(as_tuple, one.entities)] for one in found] == [
        [e[:4] for e in map(as_tuple, one.entities)] for one in of_archive
    ]


def as_tuple(entity: Any) -> tuple[Any, ...]:
    return entity.start, entity.end, entity.type, entity.text, entity.score


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    model, reader, _ = build_with_reader("crf", "transformer", tmp_path_factory.mktemp("model"))
    return model, reader


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, model: Any) -> Path:
    """Labelled with what the model finds, so that its F1 is 1."""
    from ner_plugins.tagger.archive import ArchiveBackend

    path = tmp_path_factory.mktemp("data") / "dev.json"
    lines = []
    for tagged in Tagger(ArchiveBackend(*model))(["张三在北京大学读书", "我在上海", "张三在北京", "北京 abc"] * 3):
        label: dict[str, Any] = {}
        for entity in tagged.entities:
            label.setdefault(entity.type, {}).setdefault(entity.text, []).append([entity.start, entity.end - 1])
        lines.append(json.dumps({"text": tagged.text, "label": label}, ensure_ascii=False))
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def plain(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_model(*model, tmp_path_factory.mktemp("plain") / "export")


@pytest.fixture
def written(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs that are copied, since they take seconds to write."""

    def copy(model: Any, embedders: Any, folder: Path) -> None:
        for path in plain.glob("*.onnx"):
            (folder / path.name).write_bytes(path.read_bytes())

    monkeypatch.setattr("ner_plugins.exports.onnx.graph_files.write_graphs", copy)


@pytest.mark.usefixtures("written")
def test_a_quantized_encoder_is_smaller_and_states_its_f1(model: Any, plain: Path, data: Path, tmp_path: Path) -> None:
    small = export_model(*model, tmp_path / "small", quantize="int8", dev=str(data), max_loss=100.0)
    details = ExportManifest.read(small).details
    micro_f1 = details["measured"]["micro_f1"]
    assert micro_f1["float32"] == 1.0 and 0 < micro_f1["int8"] <= 1.0 and details["quantization"] == "int8"
    assert (small / ENCODER).stat().st_size < (plain / ENCODER).stat().st_size
    assert sorted(path.name for path in small.iterdir()) == sorted(path.name for path in plain.iterdir())


@pytest.mark.usefixtures("written")
def test_too_great_a_loss_is_refused(model: Any, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = iter([0.9, 0.8969])
    monkeypatch.setattr("ner_plugins.exports.onnx.measuring.DevelopmentData.micro_f1", lambda *_: next(figures))
    lost = r"loses 0\.31 points of micro F1 on .* \(0\.9000 to 0\.8969\), more than 0\.3"
    with pytest.raises(ConfigError, match=lost):
        export_model(*model, tmp_path / "small", quantize="int8", dev=str(data))


def test_what_quantization_needs(model: Any, data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--quantize needs --dev"):
        export_model(*model, tmp_path / "a", quantize="int8")
    with pytest.raises(ConfigError, match="--max-loss is -1"):
        export_model(*model, tmp_path / "b", quantize="int8", dev=str(data), max_loss=-1.0)
    (tmp_path / "bare.json").write_text('{"text": "我"}')
    with pytest.raises(DataError, match="has no label"):
        export_model(*model, tmp_path / "c", dev=str(tmp_path / "bare.json"))
    plain = build_with_reader("crf", "embedding", tmp_path)
    with pytest.raises(ConfigError, match="this model has none: leave it out"):
        export_model(*plain[:2], tmp_path / "d", quantize="int8", dev=str(data))


@pytest.mark.parametrize(
    "head, encoder, change, message",
    [
        ("crf", "flat", {}, r"does not export a lattice \(FLAT\)"),
        (
            "crf",
            "embedding",
            {"encoder": {"type": "pass_through"}},
            "lstm and gru as the encoder, but this is a PassThr",
        ),
        ("crf", "bilstm", {"encoder": {"type": "lstm", "hidden_size": 4, "stateful": True}}, "stateful"),
    ],
)
def test_models_that_cannot_be_exported(
    head: str, encoder: str, change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    model, reader, _ = build_with_reader(head, encoder, tmp_path, change=lambda params: params.update(change))
    with pytest.raises(ConfigError, match=message):
        export_model(model, reader, tmp_path / "new")


def test_other_tokenizers_and_indexers_are_named(tmp_path: Path) -> None:
    from allennlp.data.token_indexers import SingleIdTokenIndexer
    from allennlp.data.tokenizers import WhitespaceTokenizer

    model, reader, _ = build_with_reader("crf", "embedding", tmp_path)
    reader.token_indexers = {"tokens": SingleIdTokenIndexer(start_tokens=["<s>"])}
    with pytest.raises(ConfigError, match="indexer single_id with a namespace and no other options"):
        export_model(model, reader, tmp_path / "a")
    reader.tokenizer = WhitespaceTokenizer()
    with pytest.raises(ConfigError, match="as the tokenizer, but this is a WhitespaceTokenizer"):
        export_model(model, reader, tmp_path / "b")


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    with pytest.raises(ConfigError, match=r"extra onnx .*pip install 'ner_plugins\[onnx\]'"):
        check_packages()


def test_the_manifest_is_read_by_people(model: Any, plain: Path) -> None:
    content = json.loads((plain / MANIFEST).read_text(encoding="utf-8"))
    assert content["types"] == model[0].types and content["details"]["segmentation"] == {"kind": "characters"}
