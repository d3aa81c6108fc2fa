"""200 kills at random moments, over heads, callbacks, averages and workers: `pytest -m exhaustive` runs them."""

import json
import random
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from killed_runs import MOVING_AVERAGE, assert_same, events, run, settings
from staged_runs import ROOT

HEADS: dict[str, dict[str, Any]] = {
    "crf": {"type": "tags"},
    "softmax": {"type": "tags", "decoder": "softmax"},
    "biaffine": {"type": "biaffine", "projection": {"dim": 4, "dropout": 0.2}},
    "pairs": {"type": "pairs", "negative_sampling": {"type": "ratio", "probability": 0.5}},
    "efficient_global_pointer": {"type": "efficient_global_pointer", "inner_dim": 4},
    "pointer": {"type": "pointer"},
}
CALLBACKS: dict[str, dict[str, Any]] = {
    "none": {},
    "average": MOVING_AVERAGE,
    "ema": {"callbacks": [{"type": "ema", "decay": 0.8}, {"type": "fgm"}]},
    "swa": {"callbacks": [{"type": "swa", "start_epoch": 1, "every_num_updates": 1}, {"type": "r_drop"}]},
    "accumulated": {"num_gradient_accumulation_steps": 2, "patience": 2},
}
KILLS = 200


def case(head: str, callbacks: str, workers: int) -> dict[str, Any]:
    made = settings(**CALLBACKS[callbacks])
    model = made["model"]
    kept = {name: model[name] for name in ("text_field_embedder", "encoder", "dropout")}
    made["model"] = {"type": "ner", **kept, "head": HEADS[head]}
    made["data_loader"] = {"batch_size": 4, "shuffle": True, "num_workers": workers}
    return made


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Any:
    @cache
    def finished(*key: Any) -> Path:
        folder: Path = tmp_path_factory.mktemp("unbroken") / "run"
        assert run(case(*key), folder)
        return folder

    return finished


@pytest.mark.exhaustive
@pytest.mark.parametrize("part", range(10))
def test_runs_killed_at_random_end_as_unbroken_ones(part: int, unbroken: Any, tmp_path: Path) -> None:
    """A fifth of the recovered runs is killed once more."""
    generator = random.Random(part)
    for number in range(KILLS // 10):
        key = generator.choice([*HEADS]), generator.choice([*CALLBACKS]), generator.choice([0, 2])
        whole, folder = unbroken(*key), tmp_path / str(number)
        for _ in range(1 + (generator.random() < 0.2)):
            run(case(*key), folder, (folder / "config.json").exists(), kill=generator.randint(1, events(whole)))
        if not (folder / "metrics.json").exists():
            assert run(case(*key), folder, recover=(folder / "config.json").exists()), key
        assert_same(folder, whole)


@pytest.mark.exhaustive
def test_the_archives_evaluation_is_the_best_epochs(tmp_path: Path) -> None:
    """After a kill between the checkpoint and `best.th`, and recovery."""
    options = case("crf", "none", 0)
    assert run(options, tmp_path / "whole")
    for kill in range(3, events(tmp_path / "whole"), 9):
        folder = tmp_path / str(kill)
        run(options, folder, kill=kill)
        assert run(options, folder, recover=(folder / "config.json").exists())
        command = [sys.executable, "-m", "allennlp", "evaluate", str(folder / "model.tar.gz")]
        command += [options["validation_data_path"], "--output-file", str(folder / "again.json")]
        subprocess.run([*command, "--include-package", "ner_plugins"], cwd=ROOT, check=True, capture_output=True)
        metrics, again = (json.loads((folder / name).read_text()) for name in ("metrics.json", "again.json"))
        for name, value in again.items():
            assert metrics[f"best_validation_{name}"] == pytest.approx(value, rel=1e-6), (kill, name)
