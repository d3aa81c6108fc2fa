"""`allennlp ner-ensemble`: every command takes what it writes, and mistakes are told before the work."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from allennlp.commands.subcommand import Subcommand
from allennlp.models.archival import extracted_archive, load_archive
from fitted_archive import DATA, fitted_archive, run_here
from untrained_archives import HEADS, untrained_archive
from varied_archives import varied

from ner_plugins.archives.weights import load_weights
from ner_plugins.commands.evaluate import EvaluateCommand
from ner_plugins.commands.ner_ensemble import NerEnsembleCommand
from ner_plugins.commands.ner_export import NerExportCommand
from ner_plugins.commands.ner_report import NerReportCommand
from ner_plugins.commands.ner_threshold import NerThresholdCommand
from ner_plugins.commands.predict import PredictCommand
from ner_plugins.errors import ConfigError, NerError
from ner_plugins.reports.collect import run_model


def run(*arguments: object) -> None:
    run_here(NerEnsembleCommand(), "ner-ensemble", *arguments)


def f1_of(archive: Path, data: str) -> float:
    loaded = load_archive(archive)
    return run_model(loaded.model, loaded.validation_dataset_reader, data).metrics["typed_span_f1/micro_f1"]


def record_of(archive: Path) -> dict[str, Any]:
    with extracted_archive(archive) as folder:
        found: dict[str, Any] = json.loads(Path(folder, "ner_assets/ensemble.json").read_text(encoding="utf-8"))
        return found


@pytest.fixture(scope="module")
def members(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three taggers that differ a little."""
    folder = tmp_path_factory.mktemp("members")
    one = fitted_archive(repository, "crf_tagger")
    return [one, *(varied(one, folder / f"{noise}.tar.gz", noise, size=0.1) for noise in (1, 2))]


@pytest.mark.parametrize("method", ["votes", "scores", "soup", "greedy-soup"])
def test_the_table_and_the_record_have_what_runs_give(
    method: str, members: list[Path], repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert NerEnsembleCommand in map(Subcommand.by_name, Subcommand.list_available())
    data, new = str(repository / DATA), tmp_path / "new.tar.gz"
    run(*members, "--method", method, "--data", data, "-o", new)
    lines = capsys.readouterr().out.splitlines()
    figures = [f1_of(member, data) for member in members]
    found = f1_of(new, data)
    rows = {line.split()[0]: line.split() for line in lines if line}
    assert [rows[str(member)][-1] for member in members] == [f"{figure:.4f}" for figure in figures]
    assert rows["mean"][-1] == f"{sum(figures) / 3:.4f}" and rows["ensemble"][-1] == f"{found:.4f}"
    assert lines[-1] == f"archive: {new}"
    record = record_of(new)
    assert record["method"] == method and record["micro_f1"] == found
    assert [one["micro_f1"] for one in record["members"]] == figures
    assert [one["file"] for one in record["members"]] == [member.name for member in members]
    assert record["data"]["name"] == Path(DATA).name and record["data"]["sentences"] == 60
    if method == "greedy-soup":
        assert found >= max(figures)
    again = tmp_path / "again.tar.gz"
    run(*members, "--method", method, "--data", data, "-o", again)
    assert again.read_bytes() == new.read_bytes()


def test_votes_find_thresholds_that_are_no_worse(members: list[Path], repository: Path, tmp_path: Path) -> None:
    data = str(repository / DATA)
    run(*members, "-o", tmp_path / "plain.tar.gz", "--agreement", 0.3)
    run(*members, "-o", tmp_path / "tuned.tar.gz", "--agreement", 0.3, "--data", data)
    assert f1_of(tmp_path / "tuned.tar.gz", data) > f1_of(tmp_path / "plain.tar.gz", data) > 0.1


def test_weights_are_found_and_members_without_are_left_out(
    members: list[Path], repository: Path, tmp_path: Path
) -> None:
    data, new = str(repository / DATA), tmp_path / "new.tar.gz"
    bad = varied(members[0], tmp_path / "bad.tar.gz", noise=9, size=3.0)
    run(members[0], bad, "-o", new, "--data", data, "--find-weights")
    weights = [member["weight"] for member in record_of(new)["members"]]
    assert weights[0] > 0 and weights[1] == 0
    assert list(load_archive(new).config["model"]["members"].as_dict()) == ["member1"]
    assert f1_of(new, data) >= f1_of(members[0], data)


def test_the_mean_of_weights_is_in_the_archive(members: list[Path], tmp_path: Path) -> None:
    run(*members[:2], "--method", "soup", "--weights", 3, 1, "-o", tmp_path / "new.tar.gz")
    found = []
    for archive in (*members[:2], tmp_path / "new.tar.gz"):
        with extracted_archive(archive) as folder:
            found.append(load_weights(Path(folder, "weights.th")))
    assert found[0].keys() == found[2].keys()
    for name, tensor in found[2].items():
        assert (tensor - (3 * found[0][name] + found[1][name]) / 4).abs().max() < 1e-6


def test_every_command_takes_an_ensemble(
    members: list[Path], repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, new = str(repository / DATA), tmp_path / "new.tar.gz"
    run(*members, fitted_archive(repository, "biaffine"), "-o", new)
    run_here(EvaluateCommand(), "evaluate", new, data, "--output-file", tmp_path / "metrics.json")
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["typed_span_f1/micro_f1"] == pytest.approx(f1_of(new, data)) and metrics["gold"] > 50
    options = ("--use-dataset-reader", "--silent", "--output-file", tmp_path / "found.jsonl")
    run_here(PredictCommand(), "predict", new, data, *options)
    lines = [json.loads(line) for line in (tmp_path / "found.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 400 and any(line["entities"] for line in lines)
    run_here(NerReportCommand(), "ner-report", new, data, "-o", tmp_path / "report")
    assert (tmp_path / "report/report.html").is_file()
    run_here(NerThresholdCommand(), "ner-threshold", new, data, "-o", tmp_path / "tuned.tar.gz")
    assert f1_of(tmp_path / "tuned.tar.gz", data) >= f1_of(new, data)
    run_here(NerThresholdCommand(), "ner-threshold", new, data, "--guarantee", "recall=0.01")
    for target in ("onnx", "huggingface"):
        with pytest.raises(ConfigError, match="an ensemble of 4"):
            run_here(NerExportCommand(), "ner-export", new, "-o", tmp_path / "no", "--to", target)
    assert not (tmp_path / "no").exists()


def test_thresholds_and_rules_of_members(
    members: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Votes keep those of each member; means keep what all have in common."""

    def with_threshold(config: Any) -> None:
        config["model"]["thresholds"] = {"name": 0.5}

    strict = [varied(member, tmp_path / f"s{n}.tar.gz", config=with_threshold) for n, member in enumerate(members)]
    for method in ("scores", "soup"):
        run(*strict, "--method", method, "-o", tmp_path / "all.tar.gz", "--force")
        assert load_archive(tmp_path / "all.tar.gz").config["model"]["thresholds"].as_dict() == {"name": 0.5}
        run(members[0], *strict[1:], "--method", method, "-o", tmp_path / "some.tar.gz", "--force")
        assert load_archive(tmp_path / "some.tar.gz").config["model"].get("thresholds") is None
        assert "model.thresholds" in capsys.readouterr().out
    run(*strict, "-o", tmp_path / "votes.tar.gz")
    kept = load_archive(tmp_path / "votes.tar.gz").config["model"]["members"].as_dict()
    assert all(member["thresholds"] == {"name": 0.5} for member in kept.values())


def test_an_archive_may_be_named_twice(
    members: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        run(members[0], members[0], "-o", tmp_path / "new.tar.gz")
    assert "a member 2 times" in caplog.text


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["one.tar.gz", "-o", "new.tar.gz"], "at least two"),
        (["one.tar.gz", ".", "-o", "new.tar.gz"], "name the model.tar.gz in it"),
        (["one.tar.gz", "text.tar.gz", "-o", "new.tar.gz"], "text.tar.gz: not a complete model archive"),
        (["one.tar.gz", "two.tar.gz", "-o", "one.tar.gz"], "exists. --force"),
        (["one.tar.gz", "two.tar.gz", "-o", "no/new.tar.gz"], "no folder"),
        (["one.tar.gz", "two.tar.gz", "-o", "new.tar.gz", "--weights", "1"], "has 1 numbers, but there are 2"),
        (["one.tar.gz", "two.tar.gz", "-o", "new.tar.gz", "--weights", "0", "0"], "not all of them 0"),
        (["one.tar.gz", "two.tar.gz", "-o", "new.tar.gz", "--weights", "nan", "1"], "numbers from 0 on"),
        (["one.tar.gz", "two.tar.gz", "-o", "new.tar.gz", "--method", "greedy-soup"], "add --data"),
        (["one.tar.gz", "two.tar.gz", "-o", "new.tar.gz", "--method", "soup", "--agreement", "0.5"], "no effect"),
        (["one.tar.gz", "two.tar.gz", "-o", "new.tar.gz", "--agreement", "7"], "from 0 to 1"),
        (["one.tar.gz", "two.tar.gz", "-o", "new.tar.gz", "--find-weights"], "add --data"),
        (["one.tar.gz", "two.tar.gz", "-o", "new.tar.gz", "--find-weights", "--method", "soup"], "it is for votes"),
        (["one.tar.gz", "few.tar.gz", "-o", "new.tar.gz"], "which few.tar.gz lacks"),
        (["one.tar.gz", "bio.tar.gz", "-o", "new.tar.gz", "--method", "scores"], "scheme of the head"),
        (["one.tar.gz", "bio.tar.gz", "-o", "new.tar.gz", "--method", "soup"], "differ in model.head.scheme"),
        (["one.tar.gz", "span.tar.gz", "-o", "new.tar.gz", "--method", "scores"], "the head .TagsHead and Biaffine"),
        (["one.tar.gz", "words.tar.gz", "-o", "new.tar.gz", "--method", "scores"], "differ in the tokens"),
        (["one.tar.gz", "later.tar.gz", "-o", "new.tar.gz", "--method", "soup"], "--method votes"),
        (["one.tar.gz", "both.tar.gz", "-o", "new.tar.gz"], "a NerEnsemble, which is not one that can be a member"),
    ],
)
def test_mistakes_are_told(
    arguments: list[str], message: str, archives: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(archives)
    before = sorted(path.name for path in archives.iterdir())
    with pytest.raises(NerError, match=message):
        run(*arguments)
    assert sorted(path.name for path in archives.iterdir()) == before


@pytest.fixture(scope="module")
def archives(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of archives that do not fit each other."""
    folder = tmp_path_factory.mktemp("archives")
    crf, bio = HEADS["crf"], {**HEADS["crf"], "scheme": "BIO"}
    few = {"type": "cluener", "entity_types": ["name", "company"]}
    words = {"type": "cluener", "tokenizer": "ner_words"}
    untrained_archive(repository, folder / "one.tar.gz", crf, 1)
    untrained_archive(repository, folder / "two.tar.gz", crf, 2)
    untrained_archive(repository, folder / "later.tar.gz", crf, 2, first=60)
    untrained_archive(repository, folder / "bio.tar.gz", bio, 1)
    untrained_archive(repository, folder / "span.tar.gz", HEADS["biaffine"], 1)
    untrained_archive(repository, folder / "few.tar.gz", crf, 1, reader=few)
    untrained_archive(repository, folder / "words.tar.gz", crf, 1, reader=words)
    (folder / "text.tar.gz").write_text("no archive")
    run(folder / "one.tar.gz", folder / "two.tar.gz", "-o", folder / "both.tar.gz")
    return folder


def test_a_file_that_is_missing(archives: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="none"):
        run(archives / "one.tar.gz", tmp_path / "none.tar.gz", "-o", tmp_path / "new.tar.gz")
