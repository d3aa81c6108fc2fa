import json
from pathlib import Path
from typing import Any

import pytest
from allennlp.common.util import SigTermReceived
from bare_trainers import bare_trainer
from staged_runs import experiment, train, train_and_kill

from ner_plugins.files.run_record import RunRecord, read_record
from ner_plugins.training.watching import run_recorder, watchers
from ner_plugins.training.watching.curves import Curves
from ner_plugins.training.watching.run_recorder import exit_of

RECORDED = experiment({"type": "ner_run_record"}, validation_metric="+seqeval/micro_f1")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("record") / "run"
    train(RECORDED, folder)
    return folder


def test_what_a_record_has(run: Path) -> None:
    record = read_record(run)
    metrics = json.loads((run / "metrics.json").read_text())
    assert record["exit"] == "finished" and record["epochs"] == {"done": 2, "planned": 2}
    assert {"python", "ner_plugins", "torch", "transformers", "allennlp"} <= set(record["versions"])
    assert record["device"]["device"] == "cpu" and record["device"]["threads"] >= 1
    assert record["seeds"] == {"random_seed": 5, "numpy_seed": 6, "pytorch_seed": 7}
    assert record["data"]["train"]["sentences"] == record["data"]["validation"]["sentences"] == 14
    assert [Path(file["file"]).name for file in record["data"]["train"]["files"]] == ["train.json"]
    assert record["parameters"]["all"] == record["parameters"]["trainable"] > 0
    assert record["validation_metric"] == ["+seqeval/micro_f1"]
    assert record["peak_memory_mib"]["process"] > 50 and record["peak_memory_mib"]["cuda"] is None
    assert record["best_epoch"] == metrics["best_epoch"]
    assert record["training_loss"] == metrics["training_loss"]
    best = {name: value for name, value in metrics.items() if name.startswith("best_validation_")}
    assert {f"best_validation_{name}": value for name, value in record["best_validation"].items()} == best


def test_a_killed_run_and_its_resumption(tmp_path: Path) -> None:
    # `run.json` is written at the start (twice) and after each epoch: this is after the first.
    assert train_and_kill(RECORDED, tmp_path / "run", "run.json", number=3)
    assert read_record(tmp_path / "run")["exit"] == "running"
    train(RECORDED, tmp_path / "run", recover=True)
    record = read_record(tmp_path / "run")
    assert [part["exit"] for part in record["parts"]] == ["killed", "finished"] and record["exit"] == "finished"
    assert record["epochs"] == {"done": 2, "planned": 2}


@pytest.mark.parametrize(
    "error, expected",
    [
        (KeyboardInterrupt(), "interrupted"),
        (SigTermReceived(), "interrupted"),
        (ValueError("nan loss encountered"), "failed: nan loss encountered"),
        (MemoryError(), "failed: MemoryError"),
    ],
)
def test_training_that_ends_with_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, expected: str
) -> None:
    from allennlp.training.gradient_descent_trainer import GradientDescentTrainer

    def fail(self: Any, epoch: int) -> Any:
        raise error

    monkeypatch.setattr(GradientDescentTrainer, "_train_epoch", fail)
    with pytest.raises(type(error)):
        train(RECORDED, tmp_path / "run")
    assert read_record(tmp_path / "run")["exit"] == expected == exit_of(error)


def test_a_record_that_cannot_be_written_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warned: list[str] = []

    def fail(self: RunRecord) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RunRecord, "_write", fail)
    monkeypatch.setattr(run_recorder.logger, "warning", lambda message, *values: warned.append(message % values))
    train(RECORDED, tmp_path / "run")
    assert len(warned) == 1 and "No space left" in warned[0] and "run.json" in warned[0]


def test_the_peak_of_the_gpu_outlives_a_reset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = iter([{"process": 10.0, "cuda": 5.0}, {"process": 20.0, "cuda": 9.0}, {"process": 20.0, "cuda": 7.0}])
    last = {"process": 30.0, "cuda": 6.0}
    monkeypatch.setattr(run_recorder, "peak_memory", lambda device: next(peaks, last))
    train(RECORDED, tmp_path / "run")
    assert read_record(tmp_path / "run")["peak_memory_mib"] == {"process": 30.0, "cuda": 9.0}


def test_a_trainer_adds_the_watchers_that_a_config_lacks(tmp_path: Path) -> None:
    own = Curves(str(tmp_path), picture=False)
    added = watchers([own], str(tmp_path))
    assert [type(one).__name__ for one in added] == ["EpochLines", "RunRecorder"]
    assert len(watchers([], str(tmp_path))) == 3


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trainer that is made in Python may have no serialization directory."""
    monkeypatch.chdir(tmp_path)
    trainer = bare_trainer()
    for one in watchers([], None):
        one.on_start(trainer)
        one.on_epoch(trainer, {"training_loss": 1.0}, 0)
        one.on_end(trainer, {"training_loss": 1.0}, 0)
    assert not list(tmp_path.iterdir())
