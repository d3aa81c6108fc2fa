"""`allennlp ner-sweep`, with a program in place of `allennlp train` that takes milliseconds; once with the real one."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pretended_training
import pytest
from fitted_archive import run_here

from ner_plugins.commands.ner_compare import NerCompareCommand
from ner_plugins.commands.ner_sweep import NerSweepCommand
from ner_plugins.commands.sweep_planning import environment
from ner_plugins.errors import ConfigError
from ner_plugins.sweeps import training
from ner_plugins.sweeps.runner import Runner

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "fixtures/experiments/biaffine.json"
SMALL: dict[str, Any] = {
    "config": CONFIG,
    "axes": {"head": {"narrow": {"overrides": {"model.max_span_width": 4}}, "wide": {}}},
    "seeds": [1, 2],
}


@pytest.fixture(autouse=True)
def program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "PROGRAM", pretended_training.program())
    monkeypatch.chdir(ROOT)


@pytest.fixture
def sweep(tmp_path: Path) -> Callable[..., int]:
    """Runs the command, and returns its exit status."""

    def run(content: dict[str, Any], *arguments: object) -> int:
        (tmp_path / "sweep.json").write_text(json.dumps(content))
        try:
            run_here(NerSweepCommand(), "ner-sweep", tmp_path / "sweep.json", "-s", tmp_path / "out", *arguments)
        except SystemExit as exit:
            return int(exit.code or 0)
        return 0

    return run


def calls(tmp_path: Path) -> list[str]:
    """The runs that were trained, in order."""
    return [Path(call["words"][3]).name for call in pretended_training.calls(tmp_path / "out")]


def record(tmp_path: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tmp_path / f"out/records/{name}.json").read_text())
    return found


def test_a_grid_is_trained_once(sweep, tmp_path: Path, capsys) -> None:
    assert sweep(SMALL) == 0
    names = ["narrow-s1", "wide-s1", "narrow-s2", "wide-s2"]
    assert calls(tmp_path) == names
    printed = capsys.readouterr().out
    assert "4 runs: 4 finished" in printed and f"allennlp ner-compare {tmp_path / 'out'}" in printed
    one = record(tmp_path, "narrow-s2")
    assert one["status"] == "finished" and one["config"]["model"]["max_span_width"] == 4
    # The config does not take its seeds from NER_SEED.
    assert one["overrides"] == {"model.max_span_width": 4, "random_seed": 2, "numpy_seed": 2, "pytorch_seed": 2}
    assert one["environment"] == {"NER_SEED": "2"} and one["labels"] == {"head": "narrow"}
    assert sweep(SMALL) == 0 and calls(tmp_path) == names


def test_ner_compare_reads_a_sweep(sweep, tmp_path: Path, capsys, caplog) -> None:
    failing = {"overrides": {"model.max_span_width": 4}, "environment": {"PRETENDED": "fail"}}
    sweep({**SMALL, "axes": {"head": {**SMALL["axes"]["head"], "bad": failing}}})
    capsys.readouterr()
    run_here(NerCompareCommand(), "ner-compare", tmp_path / "out")
    printed = capsys.readouterr().out
    assert "| narrow | 2 | 90.15 ± 0.07 |" in printed and "| wide | 2 |" in printed
    assert "runs that have not finished are left out: 2 failed" in caplog.text
    run_here(NerCompareCommand(), "ner-compare", tmp_path / "out", "--where", "head=wide")
    assert "narrow" not in capsys.readouterr().out
    for condition, message in (("head=x", r"has no such runs\. It has: head=bad, head=narrow"), ("head", "AXIS=POINT")):
        with pytest.raises(ConfigError, match=message):
            run_here(NerCompareCommand(), "ner-compare", tmp_path / "out", "--where", condition)
    with pytest.raises(ConfigError, match="no run of this sweep has finished"):
        run_here(NerCompareCommand(), "ner-compare", tmp_path / "out", "--where", "head=bad")


def test_a_dry_run_lists_the_runs(sweep, tmp_path: Path, capsys) -> None:
    assert sweep(SMALL, "--dry-run") == 0
    printed = capsys.readouterr().out
    assert f"narrow-s1: to do: {CONFIG} NER_SEED=1 model.max_span_width=4 random_seed=1" in printed
    assert "4 runs, 4 of them to do" in printed and not (tmp_path / "out").exists()
    sweep({**SMALL, "seeds": [1]})
    capsys.readouterr()
    sweep({**SMALL, "axes": {"head": {"wide": {}}}}, "--dry-run")
    printed = capsys.readouterr().out
    assert "wide-s1: finished" in printed and "2 runs, 1 of them to do" in printed
    assert "new in the file: wide-s2\nnot in the file any more, and left as they are: narrow-s1" in printed


def test_new_runs_are_added_and_changed_ones_refused(sweep, tmp_path: Path, capsys) -> None:
    sweep({**SMALL, "seeds": [1]})
    capsys.readouterr()
    assert sweep({**SMALL, "seeds": [1, 2]}) == 0
    assert calls(tmp_path) == ["narrow-s1", "wide-s1", "narrow-s2", "wide-s2"]
    assert "new in the file: narrow-s2, wide-s2" in capsys.readouterr().out
    changed = {**SMALL, "overrides": {"model.max_span_width": 5}}
    with pytest.raises(ConfigError, match=r"(?s)wide-s1 has finished with another config.*max_span_width was 8 and"):
        sweep(changed)
    assert len(calls(tmp_path)) == 4


def test_a_run_that_failed_is_tried_again(sweep, tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("PRETENDED", "fail")
    assert sweep({**SMALL, "seeds": [1]}) == 1
    printed = capsys.readouterr().out
    assert "2 runs: 2 failed" in printed and "failed: narrow-s1: error: the loss became NaN" in printed
    monkeypatch.delenv("PRETENDED")
    assert sweep({**SMALL, "seeds": [1], "overrides": {"trainer.optimizer.lr": 0.001}}) == 0
    assert record(tmp_path, "wide-s1")["starts"] == 2 and record(tmp_path, "wide-s1")["status"] == "finished"


def test_ctrl_c_is_passed_on_and_the_sweep_goes_on_later(sweep, tmp_path: Path, monkeypatch) -> None:
    def show(self: Runner, bar: Any) -> None:
        if list((tmp_path / "out/runs").glob("*/*.th")):
            raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setenv("PRETENDED", "wait")
        context.setattr(Runner, "_show", show)
        with pytest.raises(KeyboardInterrupt):
            sweep(SMALL)
    assert record(tmp_path, "narrow-s1")["status"] == "interrupted" and record(tmp_path, "wide-s1")["status"] == "to do"
    assert sweep(SMALL) == 0
    assert "--recover" in pretended_training.calls(tmp_path / "out")[1]["words"]


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"config": "missing.jsonnet"}, r"the run narrow-s1: missing\.jsonnet: there is no such config"),
    ({"overrides": {"model.max_span": 3}}, r"the run narrow-s1: .*max_span"),
    ({"overrides": {"modell.x": 3}}, r"the run narrow-s1: overrides have keys that the config does not have"),
    ({"overrides": {"trainer.num_epochs": -1}}, r"the run narrow-s1: .*num_epochs"),
    ({"overrides": {"train_data_path": "missing.json"}}, r"the run narrow-s1: .*missing\.json"),
    ({"seeds": 1}, r"sweep\.json: seeds is 1"),
    (
        {"optuna": {"trials": 2, "parameters": {"model.max_span_width": {"low": 4, "high": 9}}}},
        r"the run narrow-s1 with model\.max_span_width=5\.91: .* has to be a whole number",
    ),
    (
        {"optuna": {"trials": 2, "parameters": {"NER_EPOCHS": {"low": 4, "high": 9}}}},
        r"the run narrow-s1: the environment variable NER_EPOCHS is '4\.0'; it has to be a whole number",
    ),
    (
        {"optuna": {"trials": 2, "metric": "seqeval/f1", "parameters": {"model.max_span_width": [4]}}},
        r'the run narrow-s1: optuna\.metric is "seqeval/f1", but the model does not produce',
    ),
]


@pytest.mark.parametrize("content, message", MISTAKES, ids=[next(iter(content)) for content, _ in MISTAKES])
def test_mistakes_are_reported_before_the_first_run(sweep, tmp_path: Path, content, message: str) -> None:
    if "optuna" in content:
        pytest.importorskip("optuna")
    with pytest.raises(ConfigError, match=message):
        sweep({**SMALL, **content})
    assert calls(tmp_path) == [] and not (tmp_path / "out/sweep.json").exists()
    assert not list(tmp_path.glob("out/records/*"))


def test_a_mistake_in_a_later_run_is_reported_before_the_first(sweep, tmp_path: Path) -> None:
    axes = {"head": {"narrow": {}, "wrong": {"overrides": {"trainer.num_epochs": -1}}}}
    with pytest.raises(ConfigError, match=r"the run wrong-s1: .*num_epochs"):
        sweep({**SMALL, "axes": axes})
    assert calls(tmp_path) == []


def test_other_folders_and_gpus_are_refused(sweep, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--gpus 0: there is no such GPU; there are 0"):
        sweep(SMALL, "--gpus", 0)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/text").touch()
    with pytest.raises(ConfigError, match=r"is not empty, and is not the folder of a sweep"):
        sweep(SMALL)


def test_a_run_on_each_gpu(sweep, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    with pytest.raises(ConfigError, match=r"--gpus 1 1: one of them is given twice"):
        sweep(SMALL, "--gpus", 1, 1)
    assert sweep(SMALL, "--gpus", 0, 1) == 0
    seen = {call["environment"]["CUDA_VISIBLE_DEVICES"] for call in pretended_training.calls(tmp_path / "out")}
    assert seen == {"0", "1"} and len(calls(tmp_path)) == 4


def test_a_search(sweep, tmp_path: Path, capsys) -> None:
    pytest.importorskip("optuna")
    optuna = {"trials": 3, "choose": ["head"], "parameters": {"model.dropout": {"low": 0.1, "high": 0.5}}}
    content = {**SMALL, "seeds": [1], "optuna": optuna}
    assert sweep(content, "--dry-run") == 0
    assert "a search by optuna: 3 trials of 1 runs" in capsys.readouterr().out and not (tmp_path / "out").exists()
    assert sweep(content) == 0
    assert calls(tmp_path) == ["t0000-s1", "t0001-s1", "t0002-s1"]
    assert "best trial: " in capsys.readouterr().out
    assert sweep({**content, "optuna": {**optuna, "trials": 4}}) == 0 and calls(tmp_path)[3:] == ["t0003-s1"]
    sweep(content, "--dry-run")
    printed = capsys.readouterr().out
    assert "t0003-s1: finished" in printed and "trial 3: model.dropout=" in printed


def test_the_environment_is_restored(monkeypatch) -> None:
    monkeypatch.setenv("NER_EPOCHS", "3")
    monkeypatch.delenv("NER_DEV", raising=False)
    with environment({"NER_EPOCHS": "4", "NER_DEV": "x"}):
        assert os.environ["NER_EPOCHS"] == "4" and os.environ["NER_DEV"] == "x"
    assert os.environ["NER_EPOCHS"] == "3" and "NER_DEV" not in os.environ


@pytest.mark.exhaustive
def test_with_the_real_command(sweep, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.undo()
    content = {"config": str(ROOT / CONFIG), "grid": {"model.max_span_width": [4, 8]}, "seeds": [1]}
    monkeypatch.chdir(ROOT)
    assert sweep({**content, "include_package": ["ner_plugins"]}) == 0
    capsys.readouterr()
    run_here(NerCompareCommand(), "ner-compare", tmp_path / "out", "--data", "fixtures/cluener#dev", "--resamples", 50)
    printed = capsys.readouterr().out
    assert "| max_span_width=4 | 1 |" in printed and "corrected for 1 comparison" in printed
