"""`allennlp train --dry-run`: what it reports, and that it leaves nothing behind."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from allennlp.common import Params
from allennlp.training.trainer import Trainer
from dry_runs import EMBEDDER, config

from ner_plugins.commands.dry_run.run import dry_run
from ner_plugins.errors import ConfigError


def test_the_report(tmp_path: Path) -> None:
    params = Params(config(trainer={"no_grad": ["^text_field_embedder"]}))
    before = json.dumps(params.as_dict(quiet=True))
    report = dry_run(params)
    assert json.dumps(params.as_dict(quiet=True)) == before and list(tmp_path.glob("ner-*")) == []
    lines = [" ".join(line.split()) for line in report.splitlines()]
    assert lines[:2] == ["checks", "nothing to remark"]
    assert "data train validation" in lines and "sentences 30 30" in lines
    assert any(re.fullmatch(r"text_field_embedder 0 [\d,]+", line) for line in lines)
    assert "batches of an epoch 4 4" in lines and "sentences of a batch 7.5 7.5" in lines
    for pattern in (
        r"a step .* s for \d+ tokens with padding, loss .+",
        r"3 epochs .+",
        r"activations .+B",
        r"in all .+",
    ):
        assert any(re.fullmatch(pattern, line) for line in lines), pattern


def test_the_command_leaves_nothing(allennlp: Any, tmp_path: Path, tiny_overrides: str, repository: Path) -> None:
    run = ["train", "training_config/biaffine.jsonnet", "--include-package", "ner_plugins", "-o", tiny_overrides]
    before = sorted(path.name for path in repository.iterdir())
    done = allennlp(*run, "-s", tmp_path / "run", "--dry-run")
    assert done.returncode == 0 and "at the peak of a step" in done.stdout, done.stderr
    assert "serialization directory" not in done.stdout and not (tmp_path / "run").exists()
    assert allennlp(*run, "--dry-run").returncode == 0
    assert sorted(path.name for path in repository.iterdir()) == before


def test_a_run_in_the_folder_stays_as_it_is(allennlp: Any, trained: Path, tiny_overrides: str) -> None:
    run = ["train", "training_config/biaffine.jsonnet", "--include-package", "ner_plugins", "-s", trained, "--recover"]
    more = json.dumps({**json.loads(tiny_overrides), "trainer.num_epochs": 7})
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*")}
    done = allennlp(*run, "-o", more, "--dry-run")
    assert done.returncode == 0 and "7 epochs" in done.stdout, done.stderr
    assert {path: path.stat().st_mtime_ns for path in trained.rglob("*")} == before
    other = json.dumps({**json.loads(tiny_overrides), "model.projection.dim": 17})
    assert "model.projection.dim was 16 and is 17" in allennlp(*run, "-o", other, "--dry-run").stderr


def test_remarks_are_in_the_report() -> None:
    report = dry_run(Params(config(model={"type": "biaffine", "max_span_width": 1})))
    assert "  - train_data_path: " in report and "wider than max_span_width, 1 tokens" in report


def test_one_of_several_processes() -> None:
    given = {**config(), "distributed": {"cuda_devices": [-1, -1]}, "evaluation": {}, "random_seed": 3}
    del given["trainer"]["cuda_device"]
    assert "one of 2 that share the data" in dry_run(Params(given))


def test_a_figure_that_a_model_of_others_does_not_produce(tmp_path: Path) -> None:
    (tmp_path / "stock.txt").write_text("他###O 在###O\n")
    encoder = {"type": "lstm", "input_size": 4, "hidden_size": 4}
    given = {
        **config(),
        "dataset_reader": {"type": "sequence_tagging"},
        "model": {"type": "simple_tagger", "text_field_embedder": EMBEDDER, "encoder": encoder},
        "train_data_path": str(tmp_path / "stock.txt"),
        "validation_data_path": str(tmp_path / "stock.txt"),
    }
    good = json.loads(json.dumps(given))
    good["trainer"]["validation_metric"] = "+accuracy"
    assert "an epoch" in dry_run(Params(good))
    given["trainer"]["validation_metric"] = "+acuracy"
    with pytest.raises(ConfigError, match="has 'acuracy', but the model produces accuracy, accuracy3, loss"):
        dry_run(Params(given))


def test_a_trainer_of_another_kind() -> None:
    @Trainer.register("dry_run_test", exist_ok=True)
    class Own(Trainer):
        def __init__(self, model: Any) -> None:
            self.model = model

    given = config()
    given["trainer"] = {"type": "dry_run_test"}
    with pytest.raises(ConfigError, match="cannot try a step with the trainer Own, which is no GradientDescentTrainer"):
        dry_run(Params(given))
