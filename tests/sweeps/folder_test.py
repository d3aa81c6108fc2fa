import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ner_plugins.errors import ConfigError
from ner_plugins.sweeps.folder import SweepFolder, end_of, ended, planned_record, started, was_finished
from ner_plugins.sweeps.plan import PlannedRun
from ner_plugins.sweeps.sweep_file import Setting


def record_of(name: str = "crf-s1") -> dict:
    run = PlannedRun(name, name.partition("-")[0], Setting("crf.jsonnet", {"a": 1}, {"B": "2"}), {"head": "crf"}, 1)
    return planned_record(run, {"model": {}}, ("mine",))


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    found = SweepFolder(tmp_path)
    with found.locked():
        return found


def test_what_is_planned_is_what_is_read(folder: SweepFolder) -> None:
    folder.write_record(record_of("b"))
    folder.write_record(record_of("a"))
    assert folder.record("b") == record_of("b") and folder.record("c") is None
    assert list(folder.records()) == ["a", "b"] and not folder.exists() and folder.facts() == {}
    folder.write_facts({"runs": ["b", "a", "gone"]})
    assert list(folder.records()) == ["b", "a"] and folder.exists()


def test_a_run_begins_and_ends(folder: SweepFolder) -> None:
    record = started({**record_of(), "message": "earlier", "changed": True}, process=7)
    assert record["status"] == "running" and record["starts"] == 1 and "message" not in record
    assert "changed" not in record and record["process"] == 7
    run = folder.run_folder("crf-s1")
    run.mkdir()
    folder.output_file("crf-s1").write_text("".join(f"line {number}\n" for number in range(50)) + "error: NaN\n")
    failed = ended(record, 1, 2.5, folder)
    assert failed["status"] == "failed" and failed["exit"] == 1 and failed["seconds"] == 2.5
    assert failed["message"].splitlines() == [*(f"line {number}" for number in range(31, 50)), "error: NaN"]
    assert ended(record, -15, 1, folder, interrupted=True)["status"] == "interrupted"
    assert ended(record, 0, 1, folder)["status"] == "failed"  # it has not written its figures
    figures = {"best_epoch": 3, "best_validation_seqeval/micro_f1": 0.5, "test_loss": 2.0, "epoch": 9}
    (run / "metrics.json").write_text(json.dumps(figures))
    finished = ended(failed, 0, 2, folder)
    assert finished["status"] == "finished" and finished["seconds"] == 4.5 and finished["test"] == {"loss": 2.0}
    assert finished["best_epoch"] == 3 and finished["best_validation"] == {"seqeval/micro_f1": 0.5}
    assert ended(record, 0, 1, folder, interrupted=True)["status"] == "finished"  # it was faster than the signal


def test_a_run_that_has_finished_by_its_own_record(folder: SweepFolder) -> None:
    run = folder.run_folder("x")
    run.mkdir()
    assert not was_finished(run)
    (run / "run.json").write_text(json.dumps({"format_version": 1, "exit": "finished"}))
    assert not was_finished(run)
    (run / "metrics.json").write_text("{}")
    assert was_finished(run)


def test_damaged_files_are_named(folder: SweepFolder) -> None:
    (folder.path / "records/x.json").write_text("{")
    with pytest.raises(ConfigError, match=r"x\.json: not valid JSON"):
        folder.records()
    (folder.path / "sweep.json").write_text("[]")
    with pytest.raises(ConfigError, match=r"sweep\.json: not a JSON object"):
        folder.facts()
    (folder.path / "sweep.json").write_text('{"format_version": 2}')
    with pytest.raises(ConfigError, match=r"sweep\.json: its format_version is 2, not 1"):
        folder.facts()


def test_one_sweep_at_a_time(folder: SweepFolder) -> None:
    folder.write_record(started(record_of(), process=4711))
    message = r"another ner-sweep is at work.*\(crf-s1 is process 4711\)"
    with folder.locked(), pytest.raises(ConfigError, match=message), folder.locked():
        pass
    with folder.locked():
        pass


def test_a_training_that_was_left_behind_keeps_others_out(folder: SweepFolder) -> None:
    with folder.locked() as lock:
        waiting = [sys.executable, "-S", "-c", "import sys; sys.stdin.read()"]
        process = subprocess.Popen(waiting, pass_fds=(lock,), stdin=subprocess.PIPE)
    with pytest.raises(ConfigError, match="or a training that one has started"), folder.locked():
        pass
    process.communicate()
    with folder.locked():
        pass


def test_the_end_of_an_output(tmp_path: Path) -> None:
    assert end_of(tmp_path / "missing") == ""
    file = tmp_path / "output"
    file.write_bytes(b"\xff\n" + b"x" * 9000)
    assert end_of(file) == "x" * 4000
    file.write_bytes(b"a\rb\n\n\n")
    assert end_of(file).endswith("b") and os.path.exists(file)
