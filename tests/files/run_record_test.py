import json
import os
from pathlib import Path

import pytest

from ner_plugins.errors import ConfigError
from ner_plugins.files.run_record import RunRecord, read_record

START = 1_800_000_000.0


class Clock:
    now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_run_from_start_to_end(tmp_path: Path, clock: Clock) -> None:
    record = RunRecord(tmp_path, clock)
    record.start()
    assert read_record(tmp_path)["exit"] == "running"
    clock.now += 12.5
    record.update({"versions": {"python": "3"}})
    found = read_record(tmp_path / "run.json")
    assert found["seconds"] == 12.5 and found["versions"] == {"python": "3"} and found["ended"] is None
    clock.now += 1
    record.end("finished")
    found = read_record(tmp_path)
    assert (found["exit"], found["seconds"]) == ("finished", 13.5)
    assert found["started"] == "2027-01-15T08:00:00.000+00:00" and found["ended"] == "2027-01-15T08:00:13.500+00:00"
    assert list(found)[:3] == ["format_version", "exit", "started"]
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_two_writers_in_one_process_share_the_part(tmp_path: Path, clock: Clock) -> None:
    """The command begins it, and the callback goes on with it; in distributed training that is a child process."""
    RunRecord(tmp_path, clock).start()
    callback = RunRecord(tmp_path, clock)
    callback.start()
    assert len(callback.content["parts"]) == 1
    callback.content["parts"][0]["process"] = os.getppid()
    callback.update()
    child = RunRecord(tmp_path, clock)
    child.start()
    assert len(child.content["parts"]) == 1


def test_the_outer_writer_may_correct_the_end(tmp_path: Path, clock: Clock) -> None:
    RunRecord(tmp_path, clock).start()
    clock.now += 5
    RunRecord(tmp_path, clock).end("finished")
    clock.now += 2
    RunRecord(tmp_path, clock).end("failed: no space left")
    found = read_record(tmp_path)
    assert found["exit"] == found["parts"][0]["exit"] == "failed: no space left"
    assert found["seconds"] == found["parts"][0]["seconds"] == 7.0


def test_a_killed_run_that_is_resumed(tmp_path: Path, clock: Clock) -> None:
    record = RunRecord(tmp_path, clock)
    record.start()
    clock.now += 10
    record.update()
    record.content["parts"][0]["process"] = 0  # a process that is gone
    record._write()
    clock.now += 1000
    resumed = RunRecord(tmp_path, clock)
    resumed.start()
    clock.now += 4
    resumed.end("finished")
    first, second = read_record(tmp_path)["parts"]
    assert (first["exit"], first["seconds"], first["ended"]) == ("killed", 10.0, "2027-01-15T08:00:10.000+00:00")
    assert (second["exit"], second["seconds"]) == ("finished", 4.0)
    assert read_record(tmp_path)["seconds"] == 14.0
    assert read_record(tmp_path)["started"] == first["started"]


def test_a_clock_that_is_set_back(tmp_path: Path, clock: Clock) -> None:
    record = RunRecord(tmp_path, clock)
    record.start()
    clock.now -= 3600
    record.end("finished")
    assert read_record(tmp_path)["seconds"] == 0.0


def test_a_damaged_record_is_replaced(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "run.json").write_text('{"format_ver')
    RunRecord(tmp_path, clock).start()
    assert read_record(tmp_path)["exit"] == "running"


def test_text_that_utf8_cannot_hold(tmp_path: Path, clock: Clock) -> None:
    record = RunRecord(tmp_path, clock)
    record.start()
    record.end("failed: \udc80.json: no such file")
    assert read_record(tmp_path)["exit"].startswith("failed: ")


@pytest.mark.parametrize(
    "content, expected",
    [
        (None, "there is no run.json"),
        ("{", "not valid JSON"),
        ("[]", "not the record of a run"),
        ('{"format_version": 2}', "reads 1"),
    ],
)
def test_what_is_no_record(tmp_path: Path, content: str | None, expected: str) -> None:
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(ConfigError, match=expected):
        read_record(tmp_path)


def test_the_file_ends_with_a_newline_and_keeps_chinese_readable(tmp_path: Path, clock: Clock) -> None:
    record = RunRecord(tmp_path, clock)
    record.update({"best_validation": {"seqeval/地址/f1": 0.5}})
    text = (tmp_path / "run.json").read_text(encoding="utf-8")
    assert text.endswith("}\n") and "地址" in text and json.loads(text)["best_validation"]


@pytest.mark.parametrize(
    "key, value",
    [
        ("seconds", "long"), ("seconds", float("nan")), ("seconds", 10**400), ("epochs", 3), ("epochs", {"done": 1}),
        ("peak_memory_mib", {"cuda": "much"}), ("best_validation", [0.5]), ("config", "c.json"), ("seeds", 3),
    ],
)  # fmt: skip
def test_a_record_that_was_changed(key: str, value: object, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"format_version": 1, key: value}))
    with pytest.raises(ConfigError, match=rf"run\.json: {key} is .{{1,80}}, so this is not the record of a run"):
        read_record(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({"format_version": 1, key: None}))
    assert read_record(tmp_path)[key] is None
