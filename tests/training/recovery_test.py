"""Runs that are killed at any moment, and go on with --recover."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from staged_runs import NERCO, experiment, train, train_and_kill

from ner_plugins.archives import weights as safe_load
from ner_plugins.errors import ArchiveError
from ner_plugins.training.stages.stage import Stage

NERCO_AND_HEAD = {**NERCO, "epochs": 3, "patience": 2, "head_only_epochs": 2, "loss": {"projection_head": "mlp"}}
TWO_STAGE = {"type": "two_stage", "freeze": "embedder", "epochs": 3}


def result(folder: Path) -> tuple[dict[str, torch.Tensor], list[Any], Any]:
    """The final weights, what stages logged, and what training's epochs gave."""
    name = "nerco" if (folder / "nerco").exists() else "two_stage"
    lines = [json.loads(line) for line in (folder / name / "losses.jsonl").read_text().splitlines()]
    for line in lines:
        line.pop("seconds", None)
    metrics = json.loads((folder / "metrics.json").read_text())
    kept = {name: value for name, value in metrics.items() if "duration" not in name and "_MB" not in name}
    return safe_load.load(folder / "best.th"), lines, kept


def assert_same(one: Path, other: Path) -> None:
    weights, lines, metrics = result(one)
    other_weights, other_lines, other_metrics = result(other)
    assert lines == other_lines and metrics == other_metrics
    for name, tensor in weights.items():
        assert torch.equal(tensor, other_weights[name]), name


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Any:
    @cache
    def run(name: str) -> Path:
        folder: Path = tmp_path_factory.mktemp("unbroken") / name
        train(experiment({"nerco": NERCO_AND_HEAD, "two_stage": TWO_STAGE}[name]), folder)
        return folder

    return run


# Which file was last, and whether it got its name.
MOMENTS = [
    ("contrastive_constant.th", 1, False),
    ("checkpoint.th", 1, False),  # before anything can be gone on with
    ("contrastive_after_1.th", 1, True),  # in the first epoch, as far as anyone knows
    ("checkpoint.th", 2, True),  # after it
    ("contrastive_after_3.th", 1, False),
    ("head_only_constant.th", 1, True),  # between the stages
    ("head_only_after_1.th", 1, True),
    ("finished.th", 1, False),  # after the last stage
    ("finished.th", 1, True),  # before the trainer's first epoch
    ("model_state_e1", 1, False),  # in the trainer's first epoch
]


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda m: f"{m[0]}-{m[1]}-{'after' if m[2] else 'before'}")
def test_a_killed_run_ends_as_an_unbroken_one(moment, unbroken, tmp_path, monkeypatch) -> None:
    settings = experiment(NERCO_AND_HEAD)
    assert train_and_kill(settings, tmp_path / "run", *moment)
    trained = []
    epoch = Stage._epoch

    def note(self):
        trained.append((self.name, self.progress.epochs))
        epoch(self)

    monkeypatch.setattr(Stage, "_epoch", note)
    train(settings, tmp_path / "run", recover=True)
    assert_same(tmp_path / "run", unbroken("nerco"))
    if moment[0].startswith(("finished", "model", "training")) and moment != ("finished.th", 1, False):
        assert trained == []
    if "head" in moment[0]:
        assert "contrastive" not in dict(trained)


def test_killed_again_and_again(unbroken, tmp_path) -> None:
    """After every single checkpoint, each time in the run that went on."""
    settings = experiment(NERCO_AND_HEAD)
    kills = 0
    while train_and_kill(settings, tmp_path / "run", "checkpoint.th", recover=kills > 0):
        kills += 1
        assert kills < 20
    assert kills == 2 + len(result(tmp_path / "run")[1]) - 2  # two stages begin; two lines are of no epoch
    assert_same(tmp_path / "run", unbroken("nerco"))


def test_a_run_that_is_interrupted_in_the_first_epoch_keeps_the_stages(unbroken, tmp_path, monkeypatch) -> None:
    from allennlp.training.gradient_descent_trainer import GradientDescentTrainer

    def interrupt(self, epoch):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(GradientDescentTrainer, "_train_epoch", interrupt)
        train(experiment(NERCO_AND_HEAD), tmp_path / "run")
    monkeypatch.setattr(Stage, "_epoch", interrupt)
    train(experiment(NERCO_AND_HEAD), tmp_path / "run", recover=True)
    assert_same(tmp_path / "run", unbroken("nerco"))


@pytest.mark.parametrize("moment", [("checkpoint.th", 2, True), ("finished.th", 1, True)])
def test_two_stage_goes_on_too(moment, unbroken, tmp_path) -> None:
    assert train_and_kill(experiment(TWO_STAGE), tmp_path / "run", *moment)
    train(experiment(TWO_STAGE), tmp_path / "run", recover=True)
    assert_same(tmp_path / "run", unbroken("two_stage"))


def test_the_stages_are_left_alone_once_the_trainer_has_a_checkpoint(tmp_path) -> None:
    settings = experiment(NERCO_AND_HEAD, num_epochs=3)
    settings["model"]["dropout"] = 0.0  # for which recovered runs of AllenNLP draw other random numbers
    assert train_and_kill(settings, tmp_path / "run", "training_state_e2")
    files = {path.name for path in (tmp_path / "run/nerco").iterdir()}
    assert files == {"losses.jsonl"}
    train(settings, tmp_path / "run", recover=True)
    whole = train(settings, tmp_path / "whole")
    best = safe_load.load(tmp_path / "run/best.th")
    assert all(torch.equal(tensor, best[name]) for name, tensor in whole.state_dict().items())


def test_only_what_changes_is_written_every_epoch(tmp_path) -> None:
    callback = {**NERCO, "freeze": "token_embedder"}
    assert train_and_kill(experiment(callback), tmp_path / "run", "losses.jsonl")
    folder = tmp_path / "run/nerco"
    constant = safe_load.load(folder / "contrastive_constant.th")["model"]
    changed = safe_load.load(folder / "contrastive_after_1.th")["model"]
    assert "text_field_embedder.token_embedder_tokens.weight" in constant
    assert "text_field_embedder.token_embedder_tokens.weight" not in changed
    assert {name.split(".")[0] for name in changed} == {"encoder", "head"}
    # ... and what nobody needs any longer is gone.
    assert {path.name for path in folder.iterdir()} == {
        "checkpoint.th", "contrastive_constant.th", "contrastive_after_1.th", "losses.jsonl"
    }  # fmt: skip


def test_a_damaged_checkpoint_is_told(tmp_path) -> None:
    settings = experiment(NERCO)
    assert train_and_kill(settings, tmp_path / "run", "checkpoint.th", 2)
    path = tmp_path / "run/nerco/checkpoint.th"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ArchiveError, match=r"checkpoint.th"):
        train(settings, tmp_path / "run", recover=True)


def test_another_stage_than_the_config_has_is_told(tmp_path) -> None:
    settings = experiment(NERCO)
    assert train_and_kill(settings, tmp_path / "run", "checkpoint.th", 2)
    path = tmp_path / "run/nerco/checkpoint.th"
    safe_load.save({**safe_load.load(path), "stage": "head_only"}, path)
    with pytest.raises(Exception, match="has a checkpoint of the stage 'head_only'"):
        train(settings, tmp_path / "run", recover=True)
    safe_load.save({**safe_load.load(path), "version": 99}, path)
    with pytest.raises(ArchiveError, match="has format 99"):
        train(settings, tmp_path / "run", recover=True)
