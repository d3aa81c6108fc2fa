"""The runner, with a program in place of `allennlp train` that takes milliseconds."""

import json
import time
from pathlib import Path
from typing import Any

import pretended_training
import pytest

from ner_plugins.sweeps import training
from ner_plugins.sweeps.folder import SweepFolder, planned_record
from ner_plugins.sweeps.plan import PlannedRun
from ner_plugins.sweeps.runner import Runner, figure_of, summary
from ner_plugins.sweeps.sources import Listed
from ner_plugins.sweeps.sweep_file import Setting

pytestmark = pytest.mark.usefixtures("program")


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "PROGRAM", pretended_training.program())


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    found = SweepFolder(tmp_path)
    with found.locked():
        return found


def record(folder: SweepFolder, name: str, action: str = "", **overrides: Any) -> dict[str, Any]:
    run = PlannedRun(name, name, Setting("crf.jsonnet", overrides, {"NER_SEED": "3", "PRETENDED": action}))
    found = planned_record(run, {}, ("ner_plugins", "mine"))
    folder.write_record(found)
    return found


def do(folder: SweepFolder, *records: dict[str, Any], **options: Any) -> Runner:
    runner = Runner(folder, Listed(records, len(records)), **options)
    runner.run()
    return runner


def status(folder: SweepFolder) -> dict[str, str]:
    return {name: record["status"] for name, record in folder.records().items()}


def test_runs_are_processes_one_after_the_other(folder: SweepFolder) -> None:
    do(folder, record(folder, "a", **{"model.dropout": 0.3}), record(folder, "b"))
    first, second = pretended_training.calls(folder.path)
    assert first["words"] == [
        "train", "crf.jsonnet", "-s", str(folder.run_folder("a")), "-o", '{"model.dropout": 0.3}',
        "--include-package", "ner_plugins", "--include-package", "mine",
    ]  # fmt: skip
    assert "-o" not in second["words"] and first["environment"]["NER_SEED"] == "3"
    found = folder.record("a") or {}
    assert found["status"] == "finished" and found["starts"] == 1 and found["best_epoch"] == 2
    assert figure_of(found, "seqeval/micro_f1") == pytest.approx(0.903) and figure_of(found, "x") is None
    assert folder.output_file("a").read_text() == "training a\n"
    assert summary(folder, ["a", "b"]) == "2 runs: 2 finished"


def test_a_run_that_fails_does_not_stop_the_others(folder: SweepFolder, caplog: pytest.LogCaptureFixture) -> None:
    runner = do(folder, record(folder, "bad", "fail"), record(folder, "good"))
    assert status(folder) == {"bad": "failed", "good": "finished"} and runner.ended["failed"] == 1
    found = folder.record("bad") or {}
    assert found["exit"] == 1 and found["message"] == "training bad\nerror: the loss became NaN"
    assert "bad failed: error: the loss became NaN" in caplog.text
    text = summary(folder, ["bad", "good"])
    assert text.startswith("2 runs: 1 failed, 1 finished\nfailed: bad: error: the loss became NaN (")
    assert text.endswith("bad.txt)")


def interrupted(folder: SweepFolder, monkeypatch: pytest.MonkeyPatch, name: str, error: BaseException) -> None:
    """Do one run, and raise `error` in the runner as soon as the run has a checkpoint."""

    def show(self: Runner, bar: Any) -> None:
        if any((folder.run_folder(name)).glob("*.th")):
            raise error

    with monkeypatch.context() as context:
        context.setattr(Runner, "_show", show)
        with pytest.raises(type(error)):
            do(folder, folder.record(name) or {})


def test_an_interruption_ends_the_training_and_is_recovered(
    folder: SweepFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(folder, "a", "wait")
    interrupted(folder, monkeypatch, "a", KeyboardInterrupt())
    found = folder.record("a") or {}
    assert found["status"] == "interrupted" and found["exit"] == 143 and found["process"] is None
    do(folder, found)
    found = folder.record("a") or {}
    assert found["status"] == "finished" and found["starts"] == 2
    words = [call["words"] for call in pretended_training.calls(folder.path)]
    assert words[1] == [*words[0][:4], "--recover", *words[0][4:]]


def test_a_training_that_does_not_end_is_killed(folder: SweepFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    from allennlp.common.util import SigTermReceived

    monkeypatch.setattr(training.Process.wait, "__defaults__", (0.2,))
    record(folder, "a", "ignore")
    began = time.monotonic()
    interrupted(folder, monkeypatch, "a", SigTermReceived())
    assert time.monotonic() - began < 20 and (folder.record("a") or {})["exit"] == -9


def test_a_failed_start_begins_anew_and_a_changed_config_replaces_the_run(folder: SweepFolder) -> None:
    bad = record(folder, "a", "fail")
    do(folder, bad)
    do(folder, folder.record("a") or {})
    (folder.run_folder("a") / "best.th").touch()
    found = {**(folder.record("a") or {}), "changed": True, "environment": {"NER_SEED": "3"}}
    do(folder, found)
    words = [call["words"][4:] for call in pretended_training.calls(folder.path)]
    assert [[one for one in call if one in ("--recover", "--force")] for call in words] == [[], [], ["--force"]]
    assert status(folder) == {"a": "finished"}


def test_a_training_that_finished_without_its_record_is_not_repeated(folder: SweepFolder) -> None:
    do(folder, record(folder, "a"))
    do(folder, {**(folder.record("a") or {}), "status": "running"})
    assert len(pretended_training.calls(folder.path)) == 1 and status(folder) == {"a": "finished"}


def test_a_run_on_each_gpu(folder: SweepFolder) -> None:
    do(folder, *(record(folder, name) for name in "abcd"), gpus=(2, 5))
    devices = {call["words"][3][-1]: call["environment"]["CUDA_VISIBLE_DEVICES"] for call in _calls(folder)}
    assert devices["a"] == "2" and devices["b"] == "5" and set(devices.values()) == {"2", "5"}
    assert set(status(folder).values()) == {"finished"}


def test_gpus_are_counted_among_those_that_are_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-7")
    assert [training.visible_name(gpu) for gpu in (0, 1)] == ["3", "GPU-7"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert training.visible_name(1) == "1"


def _calls(folder: SweepFolder) -> list[dict[str, Any]]:
    return pretended_training.calls(folder.path)


def test_predictions_are_made_before_weights_are_deleted(folder: SweepFolder) -> None:
    found = {**record(folder, "a"), "predict": ["dev.json", "test.json"]}
    do(folder, found, keep="figures")
    words = [call["words"] for call in _calls(folder)]
    run = str(folder.run_folder("a"))
    packages = ["--include-package", "ner_plugins", "--include-package", "mine"]
    assert [call[0] for call in words] == ["train", "ner-compare", "ner-compare"]
    assert words[1] == ["ner-compare", run, "--data", "dev.json", *packages] and words[2][3] == "test.json"
    assert status(folder) == {"a": "finished"} and (folder.record("a") or {})["seconds"] > 0
    left = {path.name for path in folder.run_folder("a").iterdir()}
    assert left == {"config.json", "metrics.json", "run.json", "predictions"}


def test_a_run_whose_predictions_fail_is_not_trained_again(folder: SweepFolder) -> None:
    found = {**record(folder, "a", "unreadable"), "predict": ["dev.json"]}
    do(folder, found, keep="figures")
    assert status(folder) == {"a": "failed"} and (folder.run_folder("a") / "model.tar.gz").exists()
    do(folder, {**(folder.record("a") or {}), "environment": {}}, keep="figures")
    assert [call["words"][0] for call in _calls(folder)] == ["train", "ner-compare", "ner-compare"]
    assert status(folder) == {"a": "finished"} and (folder.record("a") or {})["starts"] == 2


@pytest.mark.parametrize(
    "keep, left", [("all", {"best.th", "model.tar.gz"}), ("archive", {"model.tar.gz"}), ("figures", set())]
)
def test_what_stays_of_a_run(folder: SweepFolder, keep: str, left: set[str]) -> None:
    do(folder, record(folder, "a"), keep=keep)
    others = {"config.json", "metrics.json", "run.json"}
    assert {path.name for path in folder.run_folder("a").iterdir()} - others == left


def test_the_epoch_of_a_run_is_shown(folder: SweepFolder) -> None:
    runner = Runner(folder, Listed([], 0))
    run = folder.run_folder("a")
    run.mkdir()
    assert runner._epoch("a") == ""
    (run / "run.json").write_text(json.dumps({"epochs": {"done": 2, "planned": 5}}))
    assert runner._epoch("a") == " 2/5"
