"""`allennlp ner-threshold`: micro F1 on the data is never lower, and every command applies what was found."""

import argparse
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from allennlp.commands.subcommand import Subcommand
from allennlp.models.archival import load_archive
from fitted_archive import DATA, fitted_archive, run_here

from ner_plugins.archives.copying import copy_with_thresholds
from ner_plugins.commands.ner_threshold import NerThresholdCommand, format_comparison, threshold_from_args
from ner_plugins.commands.predict import PredictCommand
from ner_plugins.errors import ConfigError, NerError
from ner_plugins.reports import thresholds as found_thresholds
from ner_plugins.reports.collect import run_model
from ner_plugins.reports.guarantees import losses_at, risk_bound


def run(*arguments: object) -> None:
    run_here(NerThresholdCommand(), "ner-threshold", *arguments)


def f1_of(archive: Path, repository: Path) -> float:
    loaded = load_archive(archive)
    return run_model(loaded.model, loaded.dataset_reader, str(repository / DATA)).metrics["seqeval/micro_f1"]


def thresholds_of(archive: Path) -> Any:
    return load_archive(archive).config["model"].get("thresholds")


def test_a_better_archive(repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert NerThresholdCommand in map(Subcommand.by_name, Subcommand.list_available())
    archive, new = fitted_archive(repository), tmp_path / "new.tar.gz"
    before_bytes = archive.read_bytes()
    capsys.readouterr()
    run(archive, repository / DATA, "-o", new)
    assert archive.read_bytes() == before_bytes and [path.name for path in tmp_path.iterdir()] == ["new.tar.gz"]
    before, after = f1_of(archive, repository), f1_of(new, repository)
    assert after > before > 0.1
    lines = capsys.readouterr().out.splitlines()
    micro = next(line for line in lines if line.startswith("micro")).split()
    assert [micro[5], micro[6]] == [f"{before:.4f}", f"{after:.4f}"]
    assert lines[-1] == f"archive: {new}"


@pytest.mark.parametrize("head", ["biaffine", "span", "crf_tagger"])
def test_predict_applies_what_was_found(
    head: str, repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, new = fitted_archive(repository, head), tmp_path / "new.tar.gz"
    run(archive, repository / DATA, "-o", new)
    thresholds = thresholds_of(new)
    assert set(thresholds) == set(load_archive(archive).model.types) and max(thresholds.values()) > 0
    assert f1_of(new, repository) > f1_of(archive, repository) > 0.1
    capsys.readouterr()
    before, after = (predictions(of, repository, tmp_path / "predictions.jsonl") for of in (archive, new))
    assert after and all(score >= thresholds[type_] - 1e-6 for *_, type_, score in after)
    dropped = set(before) - set(after)
    assert any(score < thresholds[type_] for *_, type_, score in dropped)
    # What stays unless its threshold drops it, but for what a flat decoder then puts into a free place.
    assert all(score >= thresholds[type_] or (place, type_, score) in dropped for place, type_, score in before)


def predictions(archive: Path, repository: Path, output: Path) -> list[tuple[tuple[int, int, int], str, float]]:
    """Each entity that `allennlp predict` finds: sentence, start and end; type; score."""
    data = repository / DATA
    run_here(PredictCommand(), "predict", archive, data, "--use-dataset-reader", "--silent", "--output-file", output)
    found = []
    for number, line in enumerate(output.read_text(encoding="utf-8").splitlines()):
        found += [((number, e["start"], e["end"]), e["type"], e["score"]) for e in json.loads(line)["entities"]]
    return found


@pytest.mark.parametrize("head", ["biaffine", "crf_tagger"])
def test_a_guaranteed_recall(head: str, repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive, new = fitted_archive(repository, head), tmp_path / "new.tar.gz"
    loaded = load_archive(archive)
    sentences = run_model(loaded.model, loaded.dataset_reader, str(repository / DATA)).sentences
    reachable = 1 - risk_bound(losses_at(sentences, 0.0))
    run(archive, repository / DATA, "-o", new, "--guarantee", f"recall={reachable / 2:.4f}")
    assert "exchangeable" in capsys.readouterr().out
    [threshold] = set(thresholds_of(new).values())
    tuned = load_archive(new)
    after = run_model(tuned.model, tuned.dataset_reader, str(repository / DATA)).sentences
    assert threshold > 0 and risk_bound(losses_at(after, 0.0)) <= 1 - reachable / 2 + 1e-4
    with pytest.raises(NerError, match=f"recall={int(reachable * 1e4 + 1e-6) / 1e4:.4f}"):
        run(archive, repository / DATA, "--guarantee", f"recall={min(0.9999, reachable + 0.001):.4f}")


def test_without_output_nothing_is_written(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = Path(shutil.copy(fitted_archive(repository), tmp_path))
    before = archive.read_bytes()
    run(archive, repository / DATA)
    assert "nothing was written" in capsys.readouterr().out
    assert archive.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_thresholds_that_the_archive_has_do_not_hide_what_they_drop(repository: Path, tmp_path: Path) -> None:
    fresh, strict = tmp_path / "fresh.tar.gz", tmp_path / "strict.tar.gz"
    types = load_archive(fitted_archive(repository)).model.types
    copy_with_thresholds(str(fitted_archive(repository)), str(strict), dict.fromkeys(types, 1.0))
    run(fitted_archive(repository), repository / DATA, "-o", fresh)
    strict.chmod(0o640)
    run(strict, repository / DATA, "--force")
    assert thresholds_of(strict) == thresholds_of(fresh) and strict.stat().st_mode & 0o777 == 0o640


def test_thresholds_that_change_nothing_are_not_stored(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, new, again = fitted_archive(repository), tmp_path / "new.tar.gz", tmp_path / "again.tar.gz"
    run(archive, repository / DATA, "-o", new)
    run(new, repository / DATA, "-o", again)
    assert again.read_bytes() == new.read_bytes() and "no thresholds are better" in capsys.readouterr().out


def test_what_is_worse_in_the_end_is_not_stored(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(found_thresholds, "best_thresholds", lambda _, types: dict.fromkeys(types, 1.0))
    archive, new = fitted_archive(repository), tmp_path / "new.tar.gz"
    run(archive, repository / DATA, "-o", new)
    assert new.read_bytes() == archive.read_bytes()
    assert "no thresholds are better" in capsys.readouterr().out
    # Where none at all are better than those of the archive, none at all it is.
    strict = tmp_path / "strict.tar.gz"
    copy_with_thresholds(str(archive), str(strict), dict.fromkeys(load_archive(archive).model.types, 0.99))
    run(strict, repository / DATA, "--force")
    assert set(thresholds_of(strict).values()) == {0.0}


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["there.tar.gz", DATA, "-o", "there.tar.gz"], "exists. --force"),
        (["there.tar.gz", DATA, "-o", "no/new.tar.gz"], "no folder"),
        (["there.tar.gz", DATA, "-o", "."], "is a folder"),
        (["there.tar.gz", DATA, "--guarantee", "precision=0.9"], "may fall when a threshold rises"),
        ([".", DATA], "name the model.tar.gz"),
        (["https://host/model.tar.gz", DATA, "--force"], "not a local file"),
    ],
)
def test_mistakes_are_told_before_the_work(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.tar.gz").write_bytes(b"")
    with pytest.raises(NerError, match=message):
        run(*arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["there.tar.gz"]


def test_a_failed_run_leaves_nothing_behind(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(NerError, match="labelled"):
        run(fitted_archive(repository), repository / "fixtures/cluener/test.json", "-o", tmp_path / "new.tar.gz")
    assert list(tmp_path.iterdir()) == []


def test_the_table_lines_up_with_wide_names_and_unseen_types() -> None:
    def metrics(f1: float) -> dict[str, float]:
        figures = {f"typed_span_f1/{average}_{rate}": f1 for average in ("micro", "macro")
                   for rate in ("precision", "recall", "f1")}  # fmt: skip
        for type_ in ("기관", "a/b"):
            figures |= {f"typed_span_f1/{type_}/{rate}": f1 for rate in ("precision", "recall", "f1")}
            figures[f"typed_span_f1/{type_}/support"] = 1000.0
        return figures

    lines = format_comparison(metrics(0.5), metrics(0.75), {"기관": 0.25, "PER": 0.0})
    cells = {line.split()[0]: line.split()[1:] for line in lines if not line.startswith("-")}
    assert cells["기관"] == ["0.2500", *["0.5000", "0.7500"] * 3, "1,000"]
    assert cells["a/b"][0] == "-" and cells["PER"] == ["0.0000", *["0.0000"] * 6, "0"]
    assert cells["micro"][-1] == "2,000"


def test_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    args = argparse.Namespace(archive_file="model.tar.gz", output=str(tmp_path / "pipe"), force=True, guarantee=None)
    with pytest.raises(ConfigError, match="is a device or a pipe: name a file"):
        threshold_from_args(args)
    assert (tmp_path / "pipe").is_fifo()
