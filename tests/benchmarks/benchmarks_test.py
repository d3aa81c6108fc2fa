"""The measuring scripts themselves, on next to no data."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from forked import run_forked, run_instead
from tiny_encoders import make_encoder

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import importlib

    return importlib.import_module


@pytest.fixture
def run_script(script, monkeypatch: pytest.MonkeyPatch):
    """Runs a script's `main`; the commands that it runs are forked."""

    def run(name: str, *arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        module = script(name)
        for found in (module, script("training_runs")):
            if hasattr(found, "subprocess"):
                monkeypatch.setattr(found, "subprocess", SimpleNamespace(run=run_instead, DEVNULL=subprocess.DEVNULL))
        module.main()

    return run


def test_spread_and_machine(script) -> None:
    results = script("results")
    assert results.spread([3.0, 1.0, 2.0], "s") == "median 2 s (min 1, max 3, 3 repeats)"
    assert "cores" in results.machine() and "torch" in results.versions("torch")


def test_cluener_runs_both_models_once_and_not_again(run_script, capsys, tmp_path: Path) -> None:
    encoder = make_encoder(tmp_path / "encoder")
    arguments = [
        "cluener", "--data", "fixtures/cluener", "--encoder", encoder,
        "--epochs", "4", "--models", "biaffine", "softmax_peer",
        "--runs", str(tmp_path / "runs"),
    ]  # fmt: skip
    with pytest.raises(SystemExit, match=r"needs .* for a fair comparison"):
        run_script(*arguments)
    first = capsys.readouterr().out
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").glob("*.json")}
    assert sorted(json.loads(path.read_text())["model"] for path in files) == ["biaffine", "softmax_peer"]
    with pytest.raises(SystemExit, match=r"needs .* for a fair comparison"):
        run_script(*arguments)
    assert capsys.readouterr().out.splitlines()[-2:] == first.splitlines()[-2:]
    assert files == {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").glob("*.json")}


def arguments_of(training_runs, tmp_path: Path, *more: str):
    import argparse

    parser = argparse.ArgumentParser()
    training_runs.add_arguments(parser, str(tmp_path / "tiny"), 3, list(training_runs.HEADS))
    return parser.parse_args([*more])


def test_what_was_not_run_is_said_and_blocks_nothing(script, tmp_path: Path) -> None:
    training_runs = script("training_runs")
    corpus = training_runs.Corpus("own", "cluener", "fixtures/cluener/train.json", "fixtures/cluener/dev.json")
    arguments = arguments_of(training_runs, tmp_path, "--minutes", "0", "--seeds", "1", "2")
    figures = {"dev_micro_f1": 0.5, "dev_macro_f1": 0.25, "dev_official_macro_f1": 0.75}
    for seed in (1, 2):
        done = {"model": "span", "encoder": "tiny", "epochs": 3, "seed": seed, **figures}
        done["dev_micro_f1"] += seed / 10
        (tmp_path / f"span-tiny-e3-lr0.0002-s{seed}.json").write_text(json.dumps(done))
    results = training_runs.run_all(
        corpus, training_runs.runs_of(corpus, training_runs.HEADS, arguments), tmp_path, arguments.minutes
    )
    assert [result["seed"] for result in results] == [1, 2]
    rows = training_runs.table(results, ["span", "biaffine"]).splitlines()
    assert rows[2] == "| span | tiny | 3 | 1, 2 | 0.6500 ± 0.0707 | 0.2500 ± 0.0000 | 0.7500 ± 0.0000 |"
    assert rows[3] == "| biaffine | | | | not run | not run | not run |"
    assert rows[0].count("|") == rows[1].count("|") == rows[2].count("|")


@pytest.mark.parametrize("head", ["crf_tagger", "biaffine"])
def test_a_run_changes_the_encoders_rate_alone(
    script, head: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training_runs = script("training_runs")
    monkeypatch.setattr(training_runs, "subprocess", SimpleNamespace(run=run_instead))
    arguments = arguments_of(training_runs, tmp_path, "--learning-rate", "0.25", "--bfloat16", "--models", head)
    corpus = training_runs.Corpus("own", "cluener", "fixtures/cluener/train.json", "fixtures/cluener/dev.json")
    [run] = training_runs.runs_of(corpus, training_runs.HEADS, arguments)
    found = run.changes()
    groups = found["trainer.optimizer.parameter_groups"]
    rates = {patterns[0]: settings.get("lr") for patterns, settings in groups}
    assert [rate for pattern, rate in rates.items() if "(?=.*token_embedder)" in pattern] == [0.25, 0.25]
    assert rates.get(r"^head\.crf\.", 1e-2) == 1e-2 and len(groups) == 3 + (head == "crf_tagger")
    assert found["trainer.amp_dtype"] == "bfloat16"


def test_other_corpora_are_trained_and_tested_once(run_script, capsys, tmp_path: Path) -> None:
    encoder = make_encoder(tmp_path / "encoder")
    common = ["--encoder", encoder, "--epochs", "1", "--models", "crf_tagger"]
    for corpus, more, figures in (("weibo", [], 5), ("kmou", ["--sentences", "5"], 3)):
        runs = tmp_path / corpus
        run_script("corpora", corpus, "--data", f"fixtures/{corpus}", "--runs", str(runs), *common, *more)
        [result] = [json.loads(path.read_text()) for path in runs.glob("*.json")]
        assert sum("_f1" in name and "epoch" not in name for name in result) == figures
        assert len(result["sha256"]) == (3 if corpus == "weibo" else 2) and result["seconds"] >= 0
        assert f"| crf_tagger | encoder | 1 | 1 | {result['dev_micro_f1']:.4f} |" in capsys.readouterr().out
        if more:
            assert len((runs / "data/train_5.json").read_text().splitlines()) == 5


def test_indexing_counts_every_piece(tmp_path: Path) -> None:
    encoder = make_encoder(tmp_path / "encoder")
    arguments = ["--child", "ours", "--encoder", encoder, "--data", "fixtures/cluener/train.json"]
    done = run_forked(*arguments, script=ROOT / "benchmarks/indexing.py")
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    assert measured["sentences"] == len((ROOT / "fixtures/cluener/train.json").read_text().splitlines())
    assert measured["pieces"] >= measured["sentences"] and measured["seconds"] > 0
