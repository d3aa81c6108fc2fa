"""Comparisons of variants: their table, the budget of equal batches, and one tiny run of each script."""

import importlib
import json
import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from forked import run_instead
from tiny_encoders import make_encoder

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module


@pytest.fixture
def run_script(script: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a script's `main`; the commands that it runs are forked."""

    def run(name: str, *arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        for module in ("variants", "training_runs"):
            forked = SimpleNamespace(run=run_instead, DEVNULL=subprocess.DEVNULL)
            monkeypatch.setattr(script(module), "subprocess", forked)
        script(name).main()

    return run


def small(tmp_path: Path, *more: str) -> list[str]:
    encoder = make_encoder(tmp_path / "encoder")
    return [
        "--data", "fixtures/cluener", "--encoder", encoder, "--sentences", "6", "--epochs", "1", "--seeds", "1",
        "--runs", str(tmp_path / "runs"), "--records", str(tmp_path / "records"), *more,
    ]  # fmt: skip


def test_regularisers_are_trained_once_and_compared(run_script, capsys, tmp_path: Path) -> None:
    results = tmp_path / "RESULTS.md"
    results.write_text("# Results\n\n## Z\n\nz\n")
    arguments = small(tmp_path, "--only", "fgm", "layerwise_decay", "--results", str(results))
    run_script("regularisers", *arguments)
    first = capsys.readouterr().out
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "records").glob("*.json")}
    found = {json.loads(path.read_text())["model"]: path for path in files}
    assert sorted(found) == ["base", "fgm", "layerwise_decay"]
    assert len((tmp_path / "runs/data/train_6.json").read_text().splitlines()) == 6
    runs = {name: tmp_path / "runs" / path.stem for name, path in found.items()}
    configs = {name: json.loads((run / "config.json").read_text()) for name, run in runs.items()}
    assert configs["fgm"]["trainer"]["callbacks"] == [{"type": "fgm", "epsilon": 1.0}]
    inner = configs["layerwise_decay"]["trainer"]["optimizer"]["optimizer"]
    assert inner == configs["base"]["trainer"]["optimizer"]
    assert [group[1].get("lr") for group in inner["parameter_groups"]] == [2e-4, 2e-4, None, 1e-2]
    assert not list((tmp_path / "runs").glob("*/*.th")) and not list((tmp_path / "runs").glob("*/model.tar.gz"))
    score = json.loads(found["fgm"].read_text())["dev_micro_f1"]
    assert f"| `fgm` | epsilon 1.0 | 1 | {score:.4f} | " in first and "| `pgd` |" in first and "not run" in first
    assert "## Regularisers" in results.read_text() and "| `fgm` |" in results.read_text()
    run_script("regularisers", *arguments)
    assert capsys.readouterr().out.splitlines()[-13:] == first.splitlines()[-13:]
    assert files == {path: path.stat().st_mtime_ns for path in (tmp_path / "records").glob("*.json")}


def test_every_regulariser_is_an_experiment(script) -> None:
    """Its options exist."""
    from ner_plugins.commands.checks.config import walk_config

    regularisers = script("regularisers")
    for variant in regularisers.VARIANTS:
        trainer: dict[str, Any] = {"type": "ner", "optimizer": {"type": "adam", "lr": 1e-3}}
        model: dict[str, Any] = {
            "type": "crf_tagger",
            "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}},
        }
        if variant.optimizer is not None:
            trainer["optimizer"] = variant.optimizer(trainer["optimizer"])
        for key, value in variant.overrides.items():
            part, _, option = key.partition(".")
            {"trainer": trainer, "model": model}[part][option] = value
        config = {
            "dataset_reader": "cluener", "train_data_path": "t", "data_loader": {"batch_size": 4},
            "model": model, "trainer": trainer,
        }  # fmt: skip
        assert walk_config(config).mistakes == [], variant.name


def test_gains_and_times_are_compared_seed_by_seed(script) -> None:
    variants = script("variants")
    base, other = variants.Variant("base", "", {}), variants.Variant("fgm", "epsilon 1", {})

    def result(model: str, seed: int, score: float, seconds: float) -> dict[str, Any]:
        return {"model": model, "seed": seed, "dev_micro_f1": score, "epoch_seconds": [9 * seconds, seconds, seconds]}

    found = [
        result("base", 1, 0.5, 2.0), result("fgm", 1, 0.52, 4.0),
        result("base", 2, 0.6, 1.0), result("fgm", 2, 0.61, 3.0), result("fgm", 3, 0.9, 3.0),
    ]  # fmt: skip
    rows = variants.table(found, [base, other, variants.Variant("ema", "x", {})]).splitlines()
    assert rows[2] == "| `base` |  | 2 | 0.5500 ± 0.0707 |  | 1.5 s an epoch |"
    assert rows[3] == (
        "| `fgm` | epsilon 1 | 2 | 0.5650 ± 0.0636 | +0.0150 ± 0.0071 (+0.0100 to +0.0200) | 2.50 times |"
    )
    assert rows[4] == "| `ema` | x | not run |  |  |  |"


def test_the_budget_makes_as_many_batches(script) -> None:
    batching = script("batching")
    lengths = sorted((random.Random(1).randrange(2, 51) for _ in range(500)), reverse=True)
    budget = batching.budget_for(16, lengths)
    assert batching.batches_with(budget, lengths) <= 16 < batching.batches_with(budget - 1, lengths)


def test_batches_of_both_kinds_are_compared(run_script, capsys, tmp_path: Path, monkeypatch, script) -> None:
    monkeypatch.setattr(script("batching"), "SENTENCES", 2)
    run_script("batching", *small(tmp_path))
    shown = capsys.readouterr().out
    found = [json.loads(path.read_text()) for path in (tmp_path / "records").glob("*.json")]
    assert sorted(one["model"] for one in found) == ["bucket", "token_budget"]
    assert "| `bucket` | 2 sentences: 3 batches | 1 |" in shown and "tokens: 3 batches | 1 |" in shown


def test_a_student_is_compared_with_and_without_its_teacher(run_script, capsys, tmp_path: Path) -> None:
    arguments = small(tmp_path)
    run_script("distillation", *arguments)
    shown = capsys.readouterr().out
    found = {json.loads(path.read_text())["model"]: path.stem for path in (tmp_path / "records").glob("*.json")}
    assert sorted(found) == ["base", "distilled", "teacher", "text", "warmer"]
    assert (tmp_path / "runs" / found["teacher"] / "model.tar.gz").exists()
    configs = {name: json.loads((tmp_path / "runs" / run / "config.json").read_text()) for name, run in found.items()}
    assert "distillation" not in configs["base"]["model"]
    assert configs["text"]["model"]["distillation"] == configs["distilled"]["model"]["distillation"]
    lines = Path(configs["text"]["train_data_path"]).read_text(encoding="utf-8").splitlines()
    assert ["label" in json.loads(line) for line in lines] == [True] * 6 + [False] * 2
    assert "| `distilled` | 2 layers, temperature 1, weight 0.5 | 1 |" in shown
