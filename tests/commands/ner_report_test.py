"""`allennlp ner-report`: its figures are those of `allennlp evaluate` on the same archive and data."""

import csv
import json
from pathlib import Path

import pytest
import torch
from fitted_archive import DATA, SENTENCES, fitted_archive, run_here

from ner_plugins.commands.evaluate import EvaluateCommand
from ner_plugins.commands.ner_report import DRAWING, FIGURES, PAGE, PICTURE, TABLE, NerReportCommand
from ner_plugins.errors import NerError

OURS = ["--include-package", "ner_plugins"]


def run(*arguments: object) -> None:
    run_here(NerReportCommand(), "ner-report", *arguments)


def test_the_figures_are_those_of_evaluate(
    allennlp, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    archive, metrics = fitted_archive(repository), tmp_path / "metrics.json"
    run_here(EvaluateCommand(), "evaluate", archive, DATA, "--output-file", metrics)
    reported = allennlp("ner-report", archive, DATA, "-o", tmp_path / "new/report", *OURS, LC_ALL="C")
    assert reported.returncode == 0, reported.stderr
    expected = json.loads(metrics.read_text())
    del expected["loss"]
    assert 0.1 < expected["seqeval/micro_f1"] < 1.0

    folder = tmp_path / "new/report"
    figures = json.loads((folder / FIGURES).read_text(encoding="utf-8"))
    assert figures["metrics"] == expected and figures["sentences"] == SENTENCES
    assert figures["unreachable"]["number"] == expected["unreachable_gold"]
    for type_, found in figures["types"].items():
        for name in ("precision", "recall", "f1", "support"):
            assert found[name] == expected.get(f"seqeval/{type_}/{name}", 0.0)
    page = (folder / PAGE).read_text(encoding="utf-8")
    for name in ("seqeval/micro_f1", "seqeval/macro_f1", "cluener/macro_f1", "typed_span_f1/micro_precision"):
        assert f"{expected[name]:.4f}" in page, name
        assert f"{expected[name]:.4f}" in reported.stdout, name
    rows = list(csv.reader((folder / TABLE).open(encoding="utf-8")))
    correct = sum(int(rows[1 + place][1 + place]) for place in range(len(figures["types"])))
    assert correct == figures["kinds"]["correct"] > 0
    assert (folder / PICTURE).read_bytes().startswith(b"\x89PNG")
    assert str(folder / PAGE) in reported.stdout and "Traceback" not in reported.stderr


def test_examples_and_overrides(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    overrides = json.dumps({"model.thresholds": 1.0, "dataset_reader.max_instances": 5})
    run(fitted_archive(repository), repository / DATA, "-o", tmp_path, "--examples", 2, "--overrides", overrides)
    assert (tmp_path / PAGE).read_text(encoding="utf-8").count("<article") == 2
    figures = json.loads((tmp_path / FIGURES).read_text(encoding="utf-8"))
    assert (figures["sentences"], figures["predicted"]) == (5, 0)
    assert str(tmp_path / PAGE) in capsys.readouterr().out
    assert "at most 5 sentences (max_instances); for all of them: --overrides" in caplog.text


def test_a_folder_that_is_not_empty_stays_as_it_is_unasked(repository: Path, tmp_path: Path) -> None:
    (tmp_path / PAGE).write_text("mine")
    (tmp_path / "other").write_text("mine")
    with pytest.raises(NerError, match=r"not empty.*--force"):
        run("no such archive", DATA, "-o", tmp_path)
    assert (tmp_path / PAGE).read_text() == "mine"
    run(fitted_archive(repository), repository / DATA, "-o", tmp_path, "--force")
    assert (tmp_path / PAGE).read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert (tmp_path / "other").read_text() == "mine"


def test_several_files_and_other_weights(repository: Path, tmp_path: Path) -> None:
    archive = fitted_archive(repository)
    weights = torch.load(archive.with_name("best.th"), weights_only=True)
    torch.save({name: torch.zeros_like(tensor) for name, tensor in weights.items()}, tmp_path / "zero.th")
    files = f"{repository / DATA},{repository / 'fixtures/cluener/dev.json'}"
    run(archive, files, "-o", tmp_path / "r", "--weights-file", tmp_path / "zero.th")
    folders = sorted(path.name for path in (tmp_path / "r").iterdir())
    assert folders == ["1-sample-dev", "2-dev.json"]
    for folder, file in zip(folders, files.split(","), strict=True):
        names = sorted(path.name for path in (tmp_path / "r" / folder).iterdir())
        assert names == sorted([PAGE, FIGURES, TABLE, PICTURE, DRAWING])
        figures = json.loads((tmp_path / "r" / folder / FIGURES).read_text(encoding="utf-8"))
        assert figures["about"]["data"] == file and figures["gold"] > 0 and figures["predicted"] == 0


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["-o", "README.md"], "is a file"),
        (["-o", '{"model.thresholds": 0}'], "--overrides"),
        (["-o", "README.md/report"], "README.md is not writable"),
        (["-o", "new", "--examples", "-1"], "--examples"),
    ],
)
def test_mistakes_are_told_before_the_work(
    arguments: list[str], message: str, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    with pytest.raises(NerError, match=message):
        run("no such archive", DATA, *arguments)


def test_unlabelled_data_leave_no_report(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(NerError, match=r"test\.json:1: this sentence has no label.*labelled"):
        run(fitted_archive(repository), repository / "fixtures/cluener/test.json", "-o", tmp_path / "r")
    assert not (tmp_path / "r").exists()
