"""A job from its options to its results."""

import logging
import os
import tarfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Iterator, Optional, Sequence

from ner_plugins.bulk.commits import Commits, RunTally
from ner_plugins.bulk.indexing import FileIndex, index_files
from ner_plugins.bulk.inputs import InputFormat, find_inputs
from ner_plugins.bulk.job import Job, JobSettings, digest_of_model
from ner_plugins.bulk.pipeline import SUFFIXES, Plan, refuse_lost_rows, run_plan, total_bytes
from ner_plugins.bulk.row_ids import RowRanges, row_id
from ner_plugins.bulk.rows import RowOptions, chunks_to_do
from ner_plugins.bulk.session import as_ours, cluster_size, ended_by_sigterm, needs_ray, ray_session
from ner_plugins.errors import ArchiveError, ConfigError
from ner_plugins.files.opening import local_path

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_LOOKS = 1.0


@dataclass(frozen=True)
class BulkOptions:
    """
    The options of `allennlp ner-bulk`.

    # Parameters

    archive : `str`
        See `Tagger.from_path`.
    inputs : `Sequence[str]`
        See `find_inputs`.
    output : `str`
        The folder of the results.
    output_format : `str`, optional (default=`"parquet"`)
        `parquet` or `json`.
    input_format : `Optional[InputFormat]`, optional (default=`None`)
        See `find_inputs`.
    text_column, keep
        See `RowOptions`.
    thresholds : `Any`, optional (default=`None`)
        See `Tagger`, as are `types`.
    types : `Optional[Sequence[str]]`, optional (default=`None`)
    overrides : `str`, optional (default=`""`)
        See `Tagger.from_path`, as is `weights_file`.
    weights_file : `Optional[str]`, optional (default=`None`)
    packages : `Sequence[str]`, optional (default=`()`)
        Packages with classes that the model needs.
    actors : `Optional[int]`, optional (default=`None`)
        How many copies of the model are at work; `None` for one on each GPU, or without GPUs on each core.
    threads : `int`, optional (default=`1`)
        The CPUs of each, on a CPU.
    cpu : `bool`, optional (default=`False`)
        Whether to leave GPUs alone.
    address : `Optional[str]`, optional (default=`None`)
        Of a Ray cluster; `None` for this machine.
    debug : `bool`, optional (default=`False`)
        Whether to show Ray's messages.
    trust_archive : `bool`, optional (default=`False`)
        See `Tagger.from_path`.

    # Raises

    `ConfigError` for a number below 1, or an unknown format.
    """

    archive: str
    inputs: Sequence[str]
    output: str
    output_format: str = "parquet"
    input_format: Optional[InputFormat] = None
    text_column: str = "text"
    keep: Optional[Sequence[str]] = None
    thresholds: Any = None
    types: Optional[Sequence[str]] = None
    overrides: str = ""
    weights_file: Optional[str] = None
    packages: Sequence[str] = ()
    actors: Optional[int] = None
    threads: int = 1
    cpu: bool = False
    address: Optional[str] = None
    debug: bool = False
    trust_archive: bool = False

    def __post_init__(self) -> None:
        for name, value in (("actors", self.actors), ("threads", self.threads)):
            if value is not None and value < 1:
                raise ConfigError(f"--{name} is {value}; it must be at least 1")
        if self.output_format not in SUFFIXES:
            raise ConfigError(f"the output format is {self.output_format!r}, but must be one of {', '.join(SUFFIXES)}")

    @property
    def reading(self) -> RowOptions:
        """The options of reading."""
        return RowOptions(self.text_column, None if self.keep is None else tuple(self.keep))

    def settings(self, archive: str) -> JobSettings:
        """What the results depend on; `archive` is the local file or folder."""
        options = {
            "--overrides": self.overrides, "--thresholds": self.thresholds,
            "--types": None if self.types is None else sorted(self.types),
            "--text-column": self.text_column, "--keep": None if self.keep is None else sorted(self.keep),
            "--input-format": self.input_format, "--format": self.output_format,
        }  # fmt: skip
        return JobSettings(digest_of_model(archive, self.weights_file), options)


@dataclass(frozen=True)
class BulkResult:
    """
    What came of a run.

    # Parameters

    rows : `int`
        Of the input.
    before : `int`
        How many of them were done before.
    errors : `int`
        How many of the others have an error.
    seconds : `float`
        From the start of the actors to the last file.
    """

    rows: int
    before: int
    errors: int
    seconds: float


def run_bulk(options: BulkOptions) -> BulkResult:
    """
    Run a job, or go on with it.

    # Raises

    `ConfigError` if the output belongs to another job, Ray is missing or a number is out of range; `DataError` if an
    input cannot be read; `ArchiveError` and others if the model cannot be loaded; `OSError` if the disk is full.
    """
    needs_ray(options.debug)
    archive = os.path.abspath(local_path(options.archive))
    _refuse_no_archive(archive)
    files = find_inputs(options.inputs, options.input_format, options.output)
    job = Job(options.output, options.settings(archive))
    commits = Commits(job.output, job.checkpoint, job.work, SUFFIXES[options.output_format])
    indices = index_files(files, options.text_column, job.files)
    with job.locked():
        numbers = job.take(indices)
        job.write()
        if lost := commits.settle():
            logger.warning("%d files of %s are gone: their rows are tagged again", lost, options.output)
        done = commits.done()
        return _Running(options, archive, indices, numbers, commits, done).run()


def _refuse_no_archive(path: str) -> None:
    """Tell at once what an actor would tell after some seconds; whether the archive is whole, it finds out."""
    if os.path.isfile(path) and not tarfile.is_tarfile(path):
        remedy = "It should be the model.tar.gz that `allennlp train` wrote, or the folder of its run"
        raise ArchiveError(f"{path}: not a model archive. {remedy}")


class _Running:
    """The rows that are not done, and the way to do them."""

    def __init__(
        self,
        options: BulkOptions,
        archive: str,
        indices: Sequence[FileIndex],
        numbers: Sequence[int],
        commits: Commits,
        done: RowRanges,
    ) -> None:
        self.options, self.archive, self.commits = options, archive, commits
        self.rows = sum(index.lines for index in indices)
        pairs = zip(indices, numbers, strict=True)
        self.before = sum(done.count_between(row_id(n, 1), row_id(n, index.lines + 1)) for index, n in pairs)
        self.chunks = chunks_to_do(indices, numbers, done)

    def run(self) -> BulkResult:
        """Do the rows."""
        if self.before:
            logger.info("%s: %s of %s rows are done", self.options.output, f"{self.before:,}", f"{self.rows:,}")
        if self.before == self.rows:
            self.commits.finish()
            return BulkResult(self.rows, self.before, 0, 0.0)
        run = self.commits.start()
        counted = RunTally(run)
        try:
            with self._session() as plan, _shown(counted, self.rows, self.before) as clock:
                run_plan(plan, run)
        except (Exception, KeyboardInterrupt) as error:
            written = counted.count().rows
            self.commits.settle()
            self._tell_how_to_go_on(written)
            known = as_ours(error)
            if isinstance(known, OSError) and known.filename is None:
                known.filename = self.options.output
            if known is error:
                raise
            raise known from error
        tally = counted.count()
        refuse_lost_rows(self.rows - self.before, tally.rows)
        self.commits.settle()
        self.commits.finish()
        return BulkResult(self.rows, self.before, tally.errors, clock[0])

    @contextmanager
    def _session(self) -> Iterator[Plan]:
        """Ray, and the plan for what it has."""
        options = self.options
        cpu = options.cpu or _is_exported(self.archive)
        gpus = 0 if cpu else _gpus_here() if options.address is None else None
        local = options.actors or gpus or max(1, _cpus_here() // options.threads)
        with ray_session(options.address, local * options.threads + 1, gpus, options.debug):
            actors = local
            if options.address is not None:
                import ray

                cpus, gpus = cluster_size(ray)
                gpus = 0 if cpu else gpus
                actors = options.actors or gpus or max(1, (cpus - 1) // options.threads)
            with ended_by_sigterm():
                yield self._plan(actors, bool(gpus))

    def _plan(self, actors: int, gpu: bool) -> Plan:
        options = self.options
        model: dict[str, Any] = {
            "archive": self.archive, "packages": tuple(options.packages), "device": 0 if gpu else -1,
            "overrides": options.overrides,
            "weights_file": options.weights_file and os.path.abspath(options.weights_file),
            "thresholds": options.thresholds, "types": options.types, "trust_archive": options.trust_archive,
        }  # fmt: skip
        size = total_bytes(self.chunks)
        return Plan(
            self.chunks, self.rows - self.before, size, options.reading, model, options.output_format, actors,
            options.threads, gpu, cluster=options.address is not None,
        )  # fmt: skip

    def _tell_how_to_go_on(self, written: int) -> None:
        done = self.before + written
        if done:
            share = f"{done:,} of {self.rows:,}"
            logger.warning("stopped: %s rows are done. The same command goes on from there", share)


@contextmanager
def _shown(counted: RunTally, rows: int, before: int) -> Iterator[list[float]]:
    """Progress on stderr while the context lasts; yields a list that gets the seconds that it lasted."""
    from ner_plugins.progress import ProgressLines, progress

    ended = threading.Event()
    seconds: list[float] = []
    bar = progress(desc="tagging", total=rows, initial=before, unit=" rows")

    def look() -> None:
        tally = counted.count()
        elapsed = bar.format_dict["elapsed"]
        rate = f"{tally.rows / max(elapsed, 1e-9):,.1f} rows/s, " if isinstance(bar, ProgressLines) else ""
        bar.set_postfix_str(f"{rate}{tally.errors:,} errors", refresh=False)
        bar.update(before + tally.rows - bar.n)

    def watch() -> None:
        while not ended.wait(_SECONDS_BETWEEN_LOOKS):
            look()

    watcher = threading.Thread(target=watch, name="ner-bulk-progress", daemon=True)
    watcher.start()
    try:
        yield seconds
        ended.set()
        watcher.join()
        look()
        seconds.append(bar.format_dict["elapsed"])
    finally:
        ended.set()
        bar.close()


def _is_exported(archive: str) -> bool:
    """Whether this is the folder of an exported model, which runs on a CPU: see `Tagger.from_path`."""
    return os.path.isdir(archive) and not os.path.exists(os.path.join(archive, "config.json"))


def _cpus_here() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _gpus_here() -> int:
    import torch

    return int(torch.cuda.device_count())
