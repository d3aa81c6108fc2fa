"""
What is done of a job: the checkpoints that Ray commits, and the files that belong to them.

A run, from a start to a stop, has a folder for its checkpoints and one for the files it writes. The next run first
renames both. From then on nothing that was left over of the stopped run, such as a worker that has not yet noticed,
can commit rows or finish a file. Only then is it read what was committed: a file whose checkpoint is committed moves to
the output folder, and every other is deleted, since its rows are tagged again.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, NamedTuple

from ner_plugins.bulk.row_ids import RowRanges
from ner_plugins.errors import DataError
from ner_plugins.files.atomic import atomic_path

ID_COLUMN = "row"
_PENDING = ".pending.parquet"
_OPEN, _CLOSED = "run", "closed"


class Tally(NamedTuple):
    """
    Rows that are written.

    # Parameters

    rows : `int`
    errors : `int`
        How many of them have no entities but an error.
    """

    rows: int = 0
    errors: int = 0


@dataclass(frozen=True)
class Run:
    """
    The places of a run.

    # Parameters

    number : `int`
        From 1.
    work : `Path`
        The folder of what it writes.
    checkpoint : `Path`
        The folder of Ray's checkpoints.
    """

    number: int
    work: Path
    checkpoint: Path

    @property
    def rows(self) -> Path:
        """The folder of result files."""
        return self.work / "rows"

    @property
    def tallies(self) -> Path:
        """The folder of `Tally`s, one for each result file."""
        return self.work / "tallies"

    def part(self, task: int) -> str:
        """The name of the result file and checkpoint of a write task, without an ending."""
        return f"part-{self.number:06}-{task:06}"


class Commits:
    """
    The runs of a job, of which only one is open at a time.

    # Parameters

    output : `Path`
        The folder of the results.
    checkpoint, work : `Path`
        The folders in which each run has one of its own: those of `Job`.
    suffix : `str`
        The ending of result files.
    """

    def __init__(self, output: Path, checkpoint: Path, work: Path, suffix: str) -> None:
        self.output, self.checkpoint, self.work, self.suffix = output, checkpoint, work, suffix

    def settle(self) -> int:
        """
        Close all runs: keep the files whose checkpoints are committed, and delete the others. It can be stopped at any
        moment, and done again.

        # Returns

        `int`
            How many committed files are missing, because somebody has deleted them. Their rows count as not done.
        """
        for root in (self.checkpoint, self.work):  # first, nothing can be committed; then, no file can be finished
            for run in _folders(root, _OPEN):
                run.rename(run.with_name(run.name.replace(_OPEN, _CLOSED, 1)))
        committed = {path.stem for path in self._committed()}
        for run in _folders(self.work, _CLOSED):
            for file in _entries(run / "rows"):
                part = file.name.removesuffix(self.suffix)
                if part in committed and file.name != part:
                    os.replace(file, self.output / file.name)
            shutil.rmtree(run)
        for run in _folders(self.checkpoint, _CLOSED):
            for path in _entries(run):
                if path.name.endswith(_PENDING):
                    path.unlink()
        missing = [path for path in self._committed() if not (self.output / f"{path.stem}{self.suffix}").exists()]
        for path in missing:
            path.unlink()
        return len(missing)

    def done(self) -> RowRanges:
        """
        The rows that are committed; call `settle` before.

        # Raises

        `DataError` if a checkpoint is damaged.
        """
        import pyarrow
        import pyarrow.parquet as parquet

        done = RowRanges()
        for path in self._committed():
            try:
                done.add_all(parquet.read_table(path, columns=[ID_COLUMN])[ID_COLUMN].to_numpy())
            except (pyarrow.ArrowException, KeyError) as error:
                remedy = f"Delete it together with {path.stem}{self.suffix}; the rows are then tagged again"
                raise DataError(f"a damaged checkpoint ({error})", path=str(path), remedy=remedy) from None
        return done

    def start(self) -> Run:
        """Open a run, with a number that none has had."""
        taken = [
            int(folder.name.rpartition("-")[2])
            for root in (self.checkpoint, self.work)
            for kind in (_OPEN, _CLOSED)
            for folder in _folders(root, kind)
        ]
        number = max(taken, default=0) + 1
        run = Run(number, self.work / f"{_OPEN}-{number:06}", self.checkpoint / f"{_OPEN}-{number:06}")
        for folder in (run.rows, run.tallies):  # Ray makes that of the checkpoint
            folder.mkdir(parents=True)
        return run

    def finish(self) -> None:
        """Remove what only a run needs."""
        shutil.rmtree(self.work, ignore_errors=True)

    def _committed(self) -> Iterator[Path]:
        """The committed checkpoints of all closed runs."""
        for run in _folders(self.checkpoint, _CLOSED):
            yield from (path for path in _entries(run) if is_committed(path.name))


class RunTally:
    """
    Counts what a run has committed, as it goes.

    # Parameters

    run : `Run`
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._seen: dict[str, Tally] = {}

    def count(self) -> Tally:
        """The rows of all committed files."""
        names = os.listdir(self._run.checkpoint) if self._run.checkpoint.is_dir() else []
        for name in names:
            part = name.removesuffix(".parquet")
            if is_committed(name) and part not in self._seen:
                rows, errors = (self._run.tallies / part).read_text(encoding="ascii").split()
                self._seen[part] = Tally(int(rows), int(errors))
        tallies = self._seen.values()
        return Tally(sum(tally.rows for tally in tallies), sum(tally.errors for tally in tallies))


def is_committed(name: str) -> bool:
    """Whether a file of a checkpoint's folder stands for rows that are written."""
    return name.endswith(".parquet") and not name.endswith(_PENDING)


def write_part(run: Run, part: str, suffix: str, tally: Tally, write: Callable[[str], None]) -> None:
    """
    Write a result file, which gets its name when it is whole and on the disk, and its tally.

    # Parameters

    run : `Run`
    part : `str`
        Its name without ending.
    suffix : `str`
    tally : `Tally`
    write : `Callable[[str], None]`
        Writes the file at a path.
    """
    with atomic_path(run.tallies / part) as partial:
        Path(partial).write_text(f"{tally.rows} {tally.errors}", encoding="ascii")
    with atomic_path(run.rows / f"{part}{suffix}", sync=True) as partial:
        write(partial)


def _folders(root: Path, kind: str) -> list[Path]:
    return [path for path in _entries(root) if path.name.startswith(f"{kind}-")]


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []
