"""Jobs: whose an output folder is, and which number each file has."""

import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest

from ner_plugins.bulk.indexing import FileIndex
from ner_plugins.bulk.job import RECORD, Job, JobSettings, digest_of_model
from ner_plugins.errors import ConfigError, DataError

SETTINGS = JobSettings("a" * 64, {"--types": None, "--format": "json"})


def index(name: str, content: str) -> FileIndex:
    return FileIndex(name, f"/data/{name}", "text", 5, 1, content, 3, ((1, 0),))


def started(output: Path, *files: FileIndex) -> list[int]:
    job = Job(str(output), SETTINGS)
    with job.locked():
        numbers = job.take(files)
        job.write()
    return numbers


def test_a_content_keeps_its_number(tmp_path: Path) -> None:
    a, b, c = index("a", "A"), index("b", "B"), index("c", "C")
    assert started(tmp_path / "out", a, b) == [0, 1]
    assert started(tmp_path / "out", b, a) == [1, 0]
    moved = replace(a, name="moved", path="/elsewhere/moved")
    assert started(tmp_path / "out", c, moved, b) == [2, 0, 1]  # c is new
    assert [file.name for file in Job(str(tmp_path / "out"), SETTINGS).files] == ["moved", "b", "c"]


def test_equal_files_have_numbers_of_their_own(tmp_path: Path) -> None:
    a, copy = index("a", "A"), index("copy", "A")
    assert started(tmp_path / "out", a, copy) == [0, 1]
    assert started(tmp_path / "out", copy, a) == [1, 0]
    as_json = replace(a, format="json")
    with pytest.raises(ConfigError, match="the input lacks"):
        started(tmp_path / "out", as_json, copy)


def test_content_that_is_gone_or_changed_is_refused(tmp_path: Path) -> None:
    a, b = index("a", "A"), index("b", "B")
    started(tmp_path / "out", a, b)
    for files in ([a], [a, index("b", "B2")]):
        with pytest.raises(ConfigError, match=r"with another content: b\. Name the same input"):
            started(tmp_path / "out", *files)


def test_the_folder_of_another_job_is_refused(tmp_path: Path) -> None:
    started(tmp_path / "out", index("a", "A"))
    other = JobSettings("b" * 64, {"--types": ["PER"], "--format": "json"})
    with pytest.raises(ConfigError, match="another job, which differs in the model, --types"):
        Job(str(tmp_path / "out"), other)
    keys = {other.key, SETTINGS.key, JobSettings(SETTINGS.model, other.options).key}
    assert len(keys) == 3 and str(Job(str(tmp_path / "out"), SETTINGS).checkpoint).endswith(SETTINGS.key)


def test_other_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="is a file"):
        Job(str(tmp_path / "file"), SETTINGS)
    with pytest.raises(ConfigError, match="is not empty, and is no output of ner-bulk"):
        Job(str(tmp_path / "mine"), SETTINGS)
    assert started(tmp_path / "empty", index("a", "A")) == [0]
    record = tmp_path / "empty" / RECORD
    record.write_text(record.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(ConfigError, match="has format 2"):
        Job(str(tmp_path / "empty"), SETTINGS)
    record.write_text("{")
    with pytest.raises(DataError, match="damaged"):
        Job(str(tmp_path / "empty"), SETTINGS)


def test_what_others_did_before_the_lock_counts(tmp_path: Path) -> None:
    a, b = index("a", "A"), index("b", "B")
    early = Job(str(tmp_path / "out"), SETTINGS)
    started(tmp_path / "out", a, b)
    with early.locked():
        assert early.take([b, a]) == [1, 0]
    late, other = Job(str(tmp_path / "new"), SETTINGS), Job(str(tmp_path / "new"), JobSettings("b" * 64, {}))
    with other.locked():
        other.write()
    with pytest.raises(ConfigError, match="belongs to another job"), late.locked():
        pass


def test_a_record_that_was_half_written_is_none(tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / ".partial-1-0").write_text("{")
    assert started(output, index("a", "A")) == [0]
    assert not list(output.glob(".partial*"))


def _try_to_lock(output: Path, found: "multiprocessing.Queue[str]") -> None:
    try:
        with Job(str(output), SETTINGS).locked():
            found.put("locked")
    except ConfigError as error:
        found.put(str(error))


def test_two_at_a_time_are_refused(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    found: multiprocessing.Queue[str] = context.Queue()
    for message in ("another ner-bulk is at work", "locked"):
        process = context.Process(target=_try_to_lock, args=(tmp_path / "out", found))
        if message != "locked":
            with Job(str(tmp_path / "out"), SETTINGS).locked():
                process.start()
                assert message in found.get(timeout=20)
        else:
            process.start()
            assert message in found.get(timeout=20)
        process.join(20)


def test_the_digest_of_a_model(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "vocabulary").mkdir(parents=True)
    for name in ("config.json", "best.th", "vocabulary/labels.txt", "out.log"):
        (run / name).write_text(name)
    before = digest_of_model(str(run))
    (run / "out.log").write_text("more")
    assert digest_of_model(str(run)) == before
    seen = {before}
    for name in ("config.json", "best.th", "vocabulary/labels.txt"):
        (run / name).write_text("changed")
        seen.add(digest_of_model(str(run)))
    seen.add(digest_of_model(str(run), str(run / "best.th")))
    export = tmp_path / "export"
    export.mkdir()
    for name in ("model.onnx", "settings.json"):
        (export / name).write_text(name)
        seen.add(digest_of_model(str(export)))
    assert len(seen) == 7
    with pytest.raises(DataError, match="no such file"):
        digest_of_model(str(tmp_path / "model.tar.gz"))
