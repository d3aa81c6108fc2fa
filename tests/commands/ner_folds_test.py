"""`allennlp ner-folds`, with a program in place of `allennlp train` whose archive is a fitted one; once the real."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pretended_training
import pytest
from allennlp.common import Params
from allennlp.data import DatasetReader
from fitted_archive import fitted_archive, run_here

from ner_plugins.commands.fold_planning import FoldPlan
from ner_plugins.commands.ner_folds import NerFoldsCommand
from ner_plugins.errors import ConfigError, DataError
from ner_plugins.files.folds_file import RECORDS, FoldRecord, read_records
from ner_plugins.files.folds_manifest import MANIFEST
from ner_plugins.folds.folder import FoldsFolder
from ner_plugins.sweeps import training
from ner_plugins.sweeps.runner import Runner
from ner_plugins.tagger.tagger import Tagger

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "fixtures/experiments/biaffine.json"
# Pretends to train, and leaves an archive.
PROGRAM = """
import shutil, sys
sys.path.insert(0, {helpers!r})
import pretended_training
pretended_training.main()
shutil.copyfile({archive!r}, sys.argv[sys.argv.index("-s") + 1] + "/model.tar.gz")
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    lines = (ROOT / "fixtures/sample/dev.json").read_text(encoding="utf-8").splitlines()[:30]
    path = tmp_path / "train.json"
    path.write_text("\n".join([*lines, lines[0], ""]), encoding="utf-8")
    return path


@pytest.fixture
def folds(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the command, and returns its exit status."""
    monkeypatch.chdir(ROOT)
    archive = str(fitted_archive(ROOT))
    script = tmp_path / "program.py"
    script.write_text(PROGRAM.format(helpers=str(Path(pretended_training.__file__).parent), archive=archive))
    monkeypatch.setattr(training, "PROGRAM", [sys.executable, "-S", "-E", str(script)])

    def run(*arguments: object, **overrides: Any) -> int:
        changes = json.dumps({"train_data_path": str(data), **overrides})
        try:
            words = (CONFIG, "-o", tmp_path / "out", "-k", 3, "--overrides", changes, *arguments)
            run_here(NerFoldsCommand(), "ner-folds", *words)
        except SystemExit as exit:
            return int(exit.code or 0)
        return 0

    return run


def calls(tmp_path: Path) -> list[str]:
    return [Path(call["words"][3]).name for call in pretended_training.calls(tmp_path / "out")]


def records(tmp_path: Path) -> list[FoldRecord]:
    return list(read_records(tmp_path / "out")[1])


def test_every_sentence_is_predicted_by_the_model_of_its_fold(folds, tmp_path: Path, data: Path, capsys) -> None:
    assert folds("--parquet") == 0
    assert calls(tmp_path) == ["0", "1", "2"]
    manifest, _ = read_records(tmp_path / "out")
    found = records(tmp_path)
    lines = [json.loads(line) for line in data.read_text(encoding="utf-8").splitlines()]
    assert [one.text for one in found] == [line["text"] for line in lines] and found[0].fold == found[30].fold
    assert (manifest.k, manifest.grouped_by, manifest.nested, manifest.config) == (3, "text", False, CONFIG)
    assert [fold.records for fold in manifest.folds] == [sum(one.fold == n for one in found) for n in range(3)]
    predicted = Tagger.from_path(fitted_archive(ROOT), device=-1)([one.text for one in found])
    for record, tagged, line in zip(found, predicted, lines, strict=True):
        assert [(e.start, e.end, e.type, e.score) for e in record.predicted] == [
            (e.start, e.end, e.type, pytest.approx(e.score, abs=2e-5)) for e in tagged.entities
        ]
        known = {entity: entity.score for entity in record.candidates}
        assert all(known[entity] == entity.score for entity in record.predicted)
        spans = {(n, a, b + 1) for n, of in line["label"].items() for places in of.values() for a, b in places}
        assert {(e.type, e.start, e.end) for e in record.gold} == spans
        assert all(known.get(entity, entity.score) == entity.score for entity in record.gold)
    assert any(entity.score is not None and entity.score > 0.5 for record in found for entity in record.gold)
    # A training reads all but its fold.
    words = pretended_training.calls(tmp_path / "out")[1]["words"]
    overrides = json.loads(words[words.index("-o") + 1])
    assert overrides["dataset_reader"] == {
        "type": "cluener", "fold": {"assignment": str(tmp_path / "out/assignment.json"), "number": 1}
    }  # fmt: skip
    assert overrides["train_data_path"] == str(data)
    printed = capsys.readouterr().out
    assert "folds by text" in printed and "3 runs: 3 finished" in printed and "micro" in printed
    check_parquet(tmp_path, found)


def check_parquet(tmp_path: Path, found: list[FoldRecord]) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = parquet.read_table(tmp_path / "out/out_of_fold.parquet").to_pylist()
    assert rows == [one.to_json() for one in found]


def test_what_has_been_done_is_kept(folds, tmp_path: Path, capsys) -> None:
    assert folds() == 0
    first = (tmp_path / "out" / RECORDS).read_bytes()
    assert folds() == 0 and len(calls(tmp_path)) == 3
    assert folds("--floor", 0.2) == 0 and len(calls(tmp_path)) == 3
    assert read_records(tmp_path / "out")[0].floor == 0.2
    assert all(e.score >= 0.2 for one in records(tmp_path) for e in one.candidates if e not in one.predicted)
    assert folds("--floor", 0.01) == 0 and (tmp_path / "out" / RECORDS).read_bytes() == first
    (tmp_path / "out" / RECORDS).write_bytes(first[:-9])
    assert folds() == 0 and (tmp_path / "out" / RECORDS).read_bytes() == first and len(calls(tmp_path)) == 3


def test_a_fold_that_failed_is_tried_again(folds, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("PRETENDED", "fail")
    assert folds() == 1
    assert "3 failed" in capsys.readouterr().out
    with pytest.raises(DataError, match="these folds are not finished"):
        read_records(tmp_path / "out")
    monkeypatch.delenv("PRETENDED")
    assert folds("--seed", 4) == 0 and read_records(tmp_path / "out")[0].seed == 4  # nothing had been trained


def test_ctrl_c_is_passed_on_and_the_same_command_goes_on(folds, tmp_path: Path, monkeypatch, capsys) -> None:
    def show(self: Runner, bar: Any) -> None:
        if list((tmp_path / "out/folds").glob("*/*.th")):
            raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setenv("PRETENDED", "wait")
        context.setattr(Runner, "_show", show)
        with pytest.raises(KeyboardInterrupt):
            folds()
    assert "stopped; to continue, repeat the command" in capsys.readouterr().err
    with pytest.raises(ConfigError, match=r"the config or --overrides changed since \(folds.*: 0\)"):
        folds(**{"trainer.num_epochs": 3})
    assert folds() == 0
    words = [call["words"] for call in pretended_training.calls(tmp_path / "out")]
    assert [Path(one[3]).name for one in words] == ["0", "0", "1", "2"]
    assert ["--recover" in one for one in words] == [False, True, False, False]


def test_neighbours_need_documents_that_make_folds(data: Path, tmp_path: Path, monkeypatch) -> None:
    class Neighbours:
        def attach(self, records: Any) -> Any:
            return records

        def document_of(self, sentence: Any, file: str) -> str:
            return documents[sentence.text]

    monkeypatch.chdir(ROOT)
    texts = [json.loads(line)["text"] for line in data.read_text(encoding="utf-8").splitlines()]
    plan = FoldPlan(CONFIG, json.dumps({"train_data_path": str(data)}), FoldsFolder(tmp_path / "out"), 3, 0, 0.01)
    plan.data.reader.neighbours = Neighbours()  # type: ignore[assignment]
    documents = dict.fromkeys(texts, "one")
    with pytest.raises(ConfigError, match=r"context_sentences reads the neighbours of a sentence.*do not make 3 folds"):
        plan.assign()
    documents = {text: str(n // 5) for n, text in enumerate(texts[:30])}
    plan.assign()
    assert plan.folds.grouped_by == "document"


def test_folds_of_something_else_are_refused(folds, tmp_path: Path, data: Path) -> None:
    assert folds() == 0
    for arguments, overrides, what in (
        (("--seed", 1), {}, "--seed changed"),
        (("-k", 2), {}, "-k changed"),
        ((), {"trainer.num_epochs": 3}, "the config or --overrides changed"),
    ):
        with pytest.raises(ConfigError, match=f"folds of something else: {what} since.*trained: 0, 1, 2"):
            folds(*arguments, **overrides)
    data.write_text(data.read_text(encoding="utf-8").replace("。", "！"), encoding="utf-8")
    with pytest.raises(ConfigError, match="the training data changed since"):
        folds()
    assert len(calls(tmp_path)) == 3


def test_a_damaged_manifest_can_be_deleted(folds, tmp_path: Path) -> None:
    assert folds() == 0
    (tmp_path / "out" / MANIFEST).write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"damaged: .*Delete .*folds\.json if the config and the training data"):
        folds()
    for name in (MANIFEST, "calls.jsonl"):  # the latter is the pretended trainings'
        (tmp_path / "out" / name).unlink()
    assert folds() == 0 and calls(tmp_path) == [] and len(records(tmp_path)) == 31


def test_two_in_one_folder_are_refused(folds, tmp_path: Path) -> None:
    with FoldsFolder(tmp_path / "out").locked(), pytest.raises(ConfigError, match="another ner-folds is at work in it"):
        folds()


def test_a_dry_run_shows_the_folds_and_writes_nothing(folds, tmp_path: Path, capsys) -> None:
    assert folds("--dry-run") == 0
    assert "fold  sentences  entities" in capsys.readouterr().out and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments, overrides, message",
    [
        (("-k", 1), {}, "-k is 1, but there have to be at least 2 folds"),
        (("-k", 31), {}, "-k is 31, but the training data have 30 different texts"),
        (("--floor", 1.5), {}, "--floor is 1.5, but must be a probability"),
        (("--gpus", 0), {}, "--gpus 0: there is no such GPU"),
        ((), {"dataset_reader.max_instances": 3}, "max_instances is 3, but folds are of all training data"),
        ((), {"dataset_reader.fold": {"assignment": "x", "number": 1}}, "dataset_reader.fold is what ner-folds sets"),
        ((), {"train_data_path": ["x"]}, "train_data_path is .* need one data path"),
        ((), {"modell.x": 3}, "modell"),
        ((), {"model.max_span": 3}, "max_span"),
    ],
)
def test_mistakes_are_reported_before_the_first_training(folds, tmp_path: Path, arguments, overrides, message) -> None:
    with pytest.raises(Exception, match=message):
        folds(*arguments, **overrides)
    assert calls(tmp_path) == []


def test_data_without_labels_or_in_another_folder_are_refused(folds, tmp_path: Path, data: Path) -> None:
    data.write_text('{"text": "没有标注"}\n', encoding="utf-8")
    with pytest.raises(DataError, match="this sentence has no label"):
        folds()
    (tmp_path / "out/text").touch()
    (tmp_path / "out" / MANIFEST).unlink(missing_ok=True)
    with pytest.raises(ConfigError, match="is not empty, and is not a folder of ner-folds"):
        folds()


@pytest.mark.exhaustive
def test_with_the_real_command(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    run_here(NerFoldsCommand(), "ner-folds", CONFIG, "-o", tmp_path, "-k", 2)
    manifest, records = read_records(tmp_path)
    found = list(records)
    assert [fold.records for fold in manifest.folds] == [4, 4]
    for fold in range(2):
        config = json.loads((tmp_path / f"folds/{fold}/config.json").read_text())
        reader = DatasetReader.from_params(Params(config["dataset_reader"]))
        trained = {instance["metadata"].metadata["text"] for instance in reader.read(config["train_data_path"])}
        assert trained == {one.text for one in found if one.fold != fold}
        assert Tagger.from_path(tmp_path / f"folds/{fold}/model.tar.gz")(["张三"])[0].text == "张三"
