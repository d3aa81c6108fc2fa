"""The callbacks `wandb` and `mlflow`, with libraries of the same interface, and with the real ones if there are any."""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from allennlp.training.callbacks import TrainerCallback
from staged_runs import experiment, train

from ner_plugins.errors import ConfigError
from ner_plugins.training.tracking import (
    NerWandBCallback,
    flat_parameters,
    mlflow_metrics,
    tracking_library,
)
from ner_plugins.training.watching.epoch_figures import EpochFigures

WANDB = {"type": "wandb", "summary_interval": 1, "should_log_parameter_statistics": False, "project": "ner"}


class Calls(ModuleType):
    """A module that notes the calls of its functions, each of which returns what `answers` has for it."""

    def __init__(self, name: str, **answers: Any) -> None:
        super().__init__(name)
        self._calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self._answers = answers

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self._calls.append((name, args, kwargs))
            answer = self._answers.get(name)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call

    def of(self, name: str) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        return [(args, kwargs) for called, args, kwargs in self._calls if called == name]

    def names(self) -> list[str]:
        return list(dict.fromkeys(name for name, _, _ in self._calls))


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> Calls:
    module = Calls("wandb", init=SimpleNamespace(id="run-1"))
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> Calls:
    module = Calls("mlflow", start_run=SimpleNamespace(info=SimpleNamespace(run_id="run-1")))
    monkeypatch.setitem(sys.modules, "mlflow", module)
    return module


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_missing_library_is_reported_before_anything_else(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=rf"{name} needs the package {name}: pip install 'ner_plugins\[tracking\]'"):
        TrainerCallback.by_name(name)(serialization_dir=str(tmp_path))


def test_a_library_that_is_broken_is_not_reported_as_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mlflow.py").write_text("import a_module_that_nobody_has")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "mlflow", raising=False)
    with pytest.raises(ModuleNotFoundError, match="a_module_that_nobody_has"):
        tracking_library("mlflow")


def test_the_name_wandb_is_this_packages_class() -> None:
    assert TrainerCallback.by_name("wandb") is NerWandBCallback


def test_wandb_logs_batches_and_epochs(wandb: Calls, tmp_path: Path) -> None:
    train(experiment(WANDB), tmp_path / "run")
    [(_, given)] = wandb.of("init")
    assert given["project"] == "ner" and given["id"] is None and "anonymous" not in given
    assert given["config"]["model"]["type"] == "crf_tagger"
    logged = [args[0] for args, _ in wandb.of("log")]
    assert [values["epoch"] for values in logged if "validation/loss" in values] == [0, 1]
    assert sum("train/batch_loss" in values for values in logged) == 2 * 4
    assert [Path(args[0]).name for args, _ in wandb.of("save")] == ["config.json", "out.log"]
    assert wandb.names()[-1] == "finish" and len(wandb.of("watch")) == 1


def test_wandb_resumes_the_run_of_the_checkpoint(wandb: Calls, tmp_path: Path) -> None:
    train(experiment(WANDB), tmp_path / "run")
    callback = NerWandBCallback(str(tmp_path / "run"))
    callback.load_state_dict({"run_id": "run-7"})
    callback.on_start(SimpleNamespace(model=None))
    _, given = wandb.of("init")[-1]
    assert (given["id"], given["resume"]) == ("run-7", "allow")


def test_mlflow_logs_the_config_and_each_epoch(mlflow: Calls, tmp_path: Path) -> None:
    options = {"tracking_uri": "http://localhost", "experiment": "ner", "tags": {"a": "b"}}
    train(experiment({"type": "mlflow", **options}), tmp_path / "run")
    assert mlflow.names() == [
        "set_tracking_uri", "set_experiment", "start_run", "log_params", "log_metrics", "log_artifact", "end_run",
    ]  # fmt: skip
    assert mlflow.of("start_run") == [((), {"run_id": None, "run_name": "run", "tags": {"a": "b"}})]
    parameters = {key: value for (values,), _ in mlflow.of("log_params") for key, value in values.items()}
    assert parameters["model.type"] == "crf_tagger" and parameters["trainer.num_epochs"] == "2"
    for epoch, ((values,), given) in enumerate(mlflow.of("log_metrics")):
        metrics = json.loads((tmp_path / f"run/metrics_epoch_{epoch}.json").read_text())
        assert given == {"step": epoch} and values["training/loss"] == metrics["training_loss"]
        assert values["validation/seqeval/micro_f1"] == metrics["validation_seqeval/micro_f1"]
        assert values["learning_rate"] == 0.01
    assert epoch == 1
    assert mlflow.of("end_run") == [(("FINISHED",), {})]


def test_mlflow_resumes_the_run_of_the_checkpoint(
    mlflow: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from allennlp.training.gradient_descent_trainer import GradientDescentTrainer

    train_epoch = GradientDescentTrainer._train_epoch

    def stop(self: Any, epoch: int) -> Any:
        if epoch == 1:
            raise KeyboardInterrupt
        return train_epoch(self, epoch)

    monkeypatch.setattr(GradientDescentTrainer, "_train_epoch", stop)
    with pytest.raises(KeyboardInterrupt):
        train(experiment({"type": "mlflow"}), tmp_path / "run")
    monkeypatch.setattr(GradientDescentTrainer, "_train_epoch", train_epoch)
    mlflow._calls.clear()
    train(experiment({"type": "mlflow"}), tmp_path / "run", recover=True)
    assert mlflow.of("start_run")[0][1]["run_id"] == "run-1"
    assert not mlflow.of("log_params"), "MLflow does not let a run change its parameters"
    assert [given["step"] for _, given in mlflow.of("log_metrics")] == [1]


@pytest.mark.parametrize(
    "error, status", [(KeyboardInterrupt(), "KILLED"), (ValueError("nan loss encountered"), "FAILED")]
)
def test_the_status_of_a_run_that_does_not_finish(
    mlflow: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: str
) -> None:
    from allennlp.training.gradient_descent_trainer import GradientDescentTrainer

    def fail(self: Any, epoch: int) -> Any:
        raise error

    monkeypatch.setattr(GradientDescentTrainer, "_train_epoch", fail)
    with pytest.raises(type(error)):
        train(experiment({"type": "mlflow"}), tmp_path / "run")
    assert mlflow.of("end_run") == [((status,), {})]


def test_a_server_that_is_away_ends_the_start_but_not_the_training(
    mlflow: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warned: list[str] = []
    monkeypatch.setattr(
        "ner_plugins.training.tracking.logger.warning", lambda message, *values: warned.append(message % values)
    )
    mlflow._answers["log_metrics"] = ConnectionError("refused")
    train(experiment({"type": "mlflow"}), tmp_path / "run")
    assert warned == ["mlflow: not everything could be logged: refused"]
    mlflow._answers["start_run"] = ConnectionError("refused")
    with pytest.raises(ConfigError, match="mlflow cannot start a run: refused"):
        train(experiment({"type": "mlflow"}), tmp_path / "other")


def test_names_and_values_that_mlflow_accepts() -> None:
    figures = EpochFigures(
        epoch=0, epochs=1, seconds=2.0, seconds_left=0.0, rates={"head": 0.5, "other": 0.25}, training_loss=None,
        validation={"seqeval/地址(新)/f1": 0.5}, watched=[], best_epoch=0, best={},
    )  # fmt: skip
    assert mlflow_metrics(figures) == {
        "seconds": 2.0, "learning_rate/head": 0.5, "learning_rate/other": 0.25, "validation/seqeval/地址_新_/f1": 0.5,
    }  # fmt: skip
    flat = flat_parameters({"a": {"b": [1, {"c": None}], "d": {}}, "e+": "x" * 600})
    assert flat == {"a.b": '[1, {"c": null}]', "a.d": "{}", "e_": "x" * 500}


def test_the_real_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    library = pytest.importorskip("mlflow")
    store = f"file://{tmp_path / 'store'}"
    train(experiment({"type": "mlflow", "tracking_uri": store, "experiment": "ner"}), tmp_path / "run")
    [run] = library.MlflowClient(store).search_runs(
        [library.MlflowClient(store).get_experiment_by_name("ner").experiment_id]
    )
    assert run.info.status == "FINISHED" and run.data.params["model.type"] == "crf_tagger"
    metrics = json.loads((tmp_path / "run/metrics_epoch_1.json").read_text())
    assert run.data.metrics["validation/seqeval/micro_f1"] == metrics["validation_seqeval/micro_f1"]
    history = library.MlflowClient(store).get_metric_history(run.info.run_id, "training/loss")
    assert [point.step for point in history] == [0, 1]
    files = library.MlflowClient(store).list_artifacts(run.info.run_id)
    assert {file.path for file in files} == {"config.json", "out.log"}


def test_the_real_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "wandb"))
    pytest.importorskip("wandb")
    train(experiment(WANDB), tmp_path / "run")
    [written] = (tmp_path / "run/wandb").glob("offline-run-*/run-*.wandb")
    assert written.stat().st_size > 1000
