"""`allennlp ner-compare` on runs with real archives."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from finished_runs import config_of, write_run
from fitted_archive import DATA, SENTENCES, fitted_archive, run_here

from ner_plugins.commands import ner_compare
from ner_plugins.commands.ner_compare import NerCompareCommand
from ner_plugins.errors import ConfigError
from ner_plugins.metrics import SeqevalMetric
from ner_plugins.reports.collect import run_model
from ner_plugins.tagger.tagger import Tagger

ROOT = Path(__file__).resolve().parents[2]


def compare(*arguments: object) -> None:
    run_here(NerCompareCommand(), "ner-compare", *arguments)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs of one model, with the same weights."""
    archive = fitted_archive(ROOT)
    found = []
    for seed in (1, 2):
        folder = tmp_path_factory.mktemp("runs") / f"biaffine-s{seed}"
        folder.mkdir()
        config = json.loads((archive.parent / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "random_seed": seed}))
        for name in ("metrics.json", "model.tar.gz"):
            shutil.copy(archive.parent / name, folder)
        found.append(folder)
    return found


@pytest.fixture(scope="module")
def peer(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of predictions with every third entity of the model."""
    tagger = Tagger.from_path(runs[0] / "model.tar.gz")
    lines = [json.loads(line) for line in (ROOT / "fixtures/sample/dev.json").read_text().splitlines()[:SENTENCES]]
    file = tmp_path_factory.mktemp("peer") / "peer.jsonl"
    found = [one.to_json() for one in tagger([line["text"] for line in lines])]
    for one in found:
        one["entities"] = one["entities"][::3]
    file.write_text("".join(f"{json.dumps(one)}\n" for one in found))
    return file


def test_archives_and_a_file_of_predictions(
    runs: list[Path], peer: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = str(ROOT / DATA)
    arguments = [*runs, peer, "--data", data, "--resamples", 200]
    compare(*arguments, "-o", tmp_path / "compared")
    printed = capsys.readouterr().out
    rows = list(csv.DictReader((tmp_path / "compared/comparison.csv").open()))
    micro = {row["model"]: row for row in rows if row["figure"] == "micro_f1"}
    assert micro.keys() == {"biaffine", "peer"} and (micro["biaffine"]["runs"], micro["peer"]["runs"]) == ("2", "1")
    assert micro["biaffine"]["std"] == "0.0" and float(micro["biaffine"]["mean"]) == expected_f1(runs[0])
    assert (tmp_path / "compared/comparison.md").read_text() in printed.replace("\n\ncomparison:", "\n")
    assert "| biaffine - peer | +" in printed and f"({SENTENCES} sentences)" in printed
    assert len(list((tmp_path / "compared").iterdir())) == 4
    assert [len(list((run / "predictions").iterdir())) for run in runs] == [1, 1]

    def fail(*_: Any) -> None:
        raise AssertionError("the predictions are there")

    monkeypatch.setattr(ner_compare, "_predict", fail)
    compare(*arguments)
    assert capsys.readouterr().out.split("\ncomparison:")[0].rstrip() == printed.split("\ncomparison:")[0].rstrip()
    compare(*arguments, "--seed", 2, "--baseline", "peer")
    assert "seed 2" in capsys.readouterr().out


def expected_f1(run: Path) -> float:
    from ner_plugins.commands.loading import load_ours

    archive = load_ours(str(run / "model.tar.gz"), -1)
    found = run_model(archive.model, archive.validation_dataset_reader, str(ROOT / DATA))
    metric = SeqevalMetric()
    metric([one.predicted for one in found.sentences], [one.gold for one in found.sentences])
    return metric.get_metric(reset=True)["micro_f1"]


def test_recorded_figures_need_no_data(tmp_path: Path, capsys: Any) -> None:
    folders = [write_run(tmp_path / f"{name}-{seed}", config_of(seed, type=name)) for name in "ab" for seed in (1, 2)]
    compare(*folders, "-o", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "comparison.csv", "comparison.md", "comparison.png",
    ]  # fmt: skip
    compare(*folders)
    assert "Tests of significance need predictions: add --data" in capsys.readouterr().out
    compare("--group", "all", *folders)
    assert "| all | 4 |" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "name the runs to compare"),
        (["--group", "a"], "--group a names no run"),
        (["RUN", "--resamples", "0"], "--resamples is 0"),
        (["RUN", "--level", "95"], "--level is 95.0; it must be between 0 and 1"),
        (["RUN", "--seed", "-1"], "--seed is -1"),
        (["RUN", "--baseline", "a"], "--baseline is for the tests of significance.*add --data"),
        (["FILE"], "a file of predictions needs the gold: add --data"),
        (["RUN", "--metric", "typed_span_f1"], "no figures of typed_span_f1"),
        (["RUN", "--data", "DATA"], r"there is no model\.tar\.gz"),
        (["FILE", "--data", "DATA"], "0 predictions"),
    ],
)
def test_mistakes(arguments: list[str], message: str, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (tmp_path / "predicted.jsonl").touch()
    names = {"RUN": run, "FILE": tmp_path / "predicted.jsonl", "DATA": ROOT / "fixtures/cluener/dev.json"}
    with pytest.raises(Exception, match=message) as error:
        compare(*(names.get(argument, argument) for argument in arguments))
    assert type(error.value).__name__ in ("ConfigError", "DataError")


def test_an_output_folder_that_is_not_empty_is_kept(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    with pytest.raises(ConfigError, match="is not empty: name another folder, or add --force"):
        compare(run, "-o", run)
