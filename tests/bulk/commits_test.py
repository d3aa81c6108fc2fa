"""
Exactly once: runs that die at every moment, and workers that outlive their run.

The runs write as Ray's workers do: Ray's own class writes and commits the checkpoints. `benchmarks/bulk_kills.py` kills
the real command.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import pytest

from ner_plugins.bulk.commits import Commits, Run, RunTally, Tally, write_part
from ner_plugins.errors import DataError

pytest.importorskip("ray")
from ray.data.checkpoint import CheckpointConfig
from ray.data.checkpoint.checkpoint_writer import BatchBasedCheckpointWriter

ROWS, IN_A_FILE = 10, 3
EVENTS = ("rename", "replace", "unlink", "rmdir", "mkdir")


class Killed(BaseException):
    """What follows SIGKILL: nothing more happens."""


class Events:
    """Counts what happens to files, and dies at a number."""

    def __init__(self, kill: int) -> None:
        self.kill, self.seen = kill, 0

    def happen(self) -> None:
        self.seen += 1
        if self.kill and self.seen >= self.kill:
            raise Killed

    @contextmanager
    def counted(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name in EVENTS:
                patch.setattr(os, name, self._counting(getattr(os, name)))
            yield

    def _counting(self, function: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **options: object) -> object:
            self.happen()
            return function(*args, **options)

        return call


def commits_of(output: Path) -> Commits:
    return Commits(output, output / "_checkpoint/key", output / "_work", ".txt")


def worker(run: Run, task: int, rows: list[int]) -> Iterator[None]:
    """What Ray does in a write task, step by step."""
    config = CheckpointConfig(id_column="row", checkpoint_path=str(run.checkpoint), delete_checkpoint_on_success=False)
    writer = BatchBasedCheckpointWriter(config)
    pending = writer.write_pending_checkpoint(pa.array(rows), run.part(task))
    assert pending is not None
    yield
    text = "".join(f"{row}\n" for row in rows)
    write_part(run, run.part(task), ".txt", Tally(len(rows), rows.count(5)), lambda path: Path(path).write_text(text))
    yield
    writer.commit_checkpoint(pending)
    yield


def run_job(output: Path, events: Events) -> int:
    """A run from start to end; returns how many rows it found done."""
    with events.counted():
        commits = commits_of(output)
        commits.settle()
        done = commits.done()
        rows = [row for row in range(ROWS) if row not in done]
        run = commits.start()
        for task in range(0, len(rows), IN_A_FILE):
            for _ in worker(run, task, rows[task : task + IN_A_FILE]):
                events.happen()
        commits.settle()
        commits.finish()
        return len(done)


def visible(output: Path) -> list[int]:
    """The rows of the files that a reader of the folder sees."""
    return sorted(int(line) for path in output.glob("[!_.]*") for line in path.read_text().splitlines())


def test_runs_that_die_at_every_moment(tmp_path: Path) -> None:
    whole = Events(kill=0)
    run_job(tmp_path / "whole", whole)
    assert visible(tmp_path / "whole") == list(range(ROWS)) and whole.seen > 30
    found_done = set()
    for kill in range(1, whole.seen + 1):
        output = tmp_path / f"killed-{kill}"
        with pytest.raises(Killed):
            run_job(output, Events(kill))
        for again in (kill // 2 + 1, kill):  # if there is still so much to do
            rows = visible(output)
            assert len(rows) == len(set(rows)), kill
            with suppress(Killed):
                run_job(output, Events(again))
        found_done.add(run_job(output, Events(kill=0)))
        assert visible(output) == list(range(ROWS)), kill
        assert not (output / "_work").exists()
    assert {0, 3, 6, 9, 10} <= found_done


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_worker_that_outlives_its_run_changes_nothing(tmp_path: Path, steps: int) -> None:
    commits = commits_of(tmp_path)
    run = commits.start()
    late = worker(run, 0, [0, 1, 2])
    committed = worker(run, 1, [3, 4])
    for _ in range(steps):
        next(late)
    assert [1 for _ in committed] == [1, 1, 1]
    assert RunTally(run).count() == Tally(2, 0)
    commits.settle()
    before = {path: path.stat().st_ino for path in tmp_path.rglob("*") if path.is_file()}
    if steps:  # one that has not begun would make a folder, which is none of the job's then
        with pytest.raises(OSError):
            list(late)
    assert {path: path.stat().st_ino for path in tmp_path.rglob("*") if path.is_file()} == before
    assert visible(tmp_path) == [3, 4]
    run_job(tmp_path, Events(kill=0))
    assert visible(tmp_path) == list(range(ROWS))


def test_result_files_that_are_gone_are_made_again(tmp_path: Path) -> None:
    run_job(tmp_path, Events(kill=0))
    first = min(tmp_path.glob("part-*"))
    first.unlink()
    assert commits_of(tmp_path).settle() == 1
    assert run_job(tmp_path, Events(kill=0)) == ROWS - IN_A_FILE
    assert visible(tmp_path) == list(range(ROWS)) and not first.exists()  # in a file with a name of its own


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    run_job(tmp_path, Events(kill=0))
    damaged = min(tmp_path.rglob("_checkpoint/**/*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:20])
    with pytest.raises(DataError, match=r"part-000001-000000\.txt"):
        commits_of(tmp_path).done()


def test_tallies_are_of_what_is_committed(tmp_path: Path) -> None:
    run = commits_of(tmp_path).start()
    tally = RunTally(run)
    assert tally.count() == Tally()
    last, other = worker(run, 0, [4, 5]), worker(run, 1, [6])
    next(last), next(last), next(other)
    assert tally.count() == Tally()
    next(last)
    assert tally.count() == Tally(2, 1)


def test_a_file_that_cannot_be_written_is_not_there(tmp_path: Path) -> None:
    run = commits_of(tmp_path).start()

    def write(path: str) -> None:
        Path(path).write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match=r"part-000001-000000\.txt"):
        write_part(run, run.part(0), ".txt", Tally(1, 0), write)
    assert list(run.rows.iterdir()) == []
