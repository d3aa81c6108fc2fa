"""The plan that Ray Data runs: read chunks, tag them in actors, write files, with a checkpoint for each."""

import warnings
from dataclasses import dataclass, field
from typing import Any, Iterable, Mapping, Optional, Sequence

from ner_plugins.bulk.commits import ID_COLUMN, Run, Tally, write_part
from ner_plugins.bulk.rows import Chunk, RowOptions, read_chunk
from ner_plugins.bulk.session import READING
from ner_plugins.bulk.tagging import TaggerActor, result_of
from ner_plugins.errors import ConfigError, NerError
from ner_plugins.files.output_files import dump_json

SUFFIXES = {"parquet": ".parquet", "json": ".jsonl"}
_DISABLED = "Checkpointing will be disabled"
_CPU_BLOCK, _GPU_BLOCK = 64 << 10, 2 << 20
_GPU_BATCH = 8_192
_MOST_BYTES_PER_FILE = 64 << 20


@dataclass(frozen=True)
class Plan:
    """
    How a job is run.

    # Parameters

    chunks : `Sequence[Chunk]`
        What to read.
    rows, size : `int`
        The number of rows in them, and of bytes.
    read : `RowOptions`
    model : `Mapping[str, Any]`
        The arguments of `TaggerActor`, but for the threads.
    format : `str`
        Of the results: a key of `SUFFIXES`.
    actors : `int`
    threads : `int`
        The CPUs of each actor.
    gpu : `bool`
        Whether each actor has a GPU.
    cluster : `bool`, optional (default=`False`)
        Whether there are other machines.
    """

    chunks: Sequence[Chunk]
    rows: int
    size: int
    read: RowOptions
    model: Mapping[str, Any]
    format: str
    actors: int
    threads: int
    gpu: bool
    cluster: bool = False
    block_bytes: int = field(init=False)
    rows_per_file: int = field(init=False)

    def __post_init__(self) -> None:
        # A block is what an actor tags at a time: some windows of the Tagger; less if actors would be without work.
        most = _GPU_BLOCK if self.gpu else _CPU_BLOCK
        object.__setattr__(self, "block_bytes", min(most, max(16 << 10, self.size // (16 * self.actors))))
        # A file is what is lost at most if the run is stopped: a thousandth of the job.
        bytes_per_row = 200 + 4 * self.size // max(1, self.rows)
        by_memory = max(1, _MOST_BYTES_PER_FILE // bytes_per_row)
        object.__setattr__(self, "rows_per_file", min(max(256, self.rows // 1000), by_memory, 200_000))


def run_plan(plan: Plan, run: Run) -> None:
    """
    Read, tag and write. Ray has to be there.

    # Raises

    `ConfigError` if Ray would not keep checkpoints, and whatever its tasks raise.
    """
    from ray.data import DataContext

    _set_context(DataContext.get_current(), plan, run)
    dataset, sink = tagged_dataset(plan), make_sink(plan, run)
    check_plan(dataset, sink)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"ray\.")  # advice about a plan that nobody here can change
        warnings.filterwarnings("error", message=f".*{_DISABLED}")
        try:
            dataset.write_datasink(sink, ray_remote_args={"num_cpus": READING}, concurrency=None if plan.cluster else 2)
        except UserWarning as warning:
            raise _no_checkpoints(str(warning)) from None


def _set_context(context: Any, plan: Plan, run: Run) -> None:
    from ray.data.checkpoint import CheckpointConfig

    context.checkpoint_config = CheckpointConfig(
        id_column=ID_COLUMN, checkpoint_path=str(run.checkpoint.absolute()), delete_checkpoint_on_success=False
    )
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.memory_usage_poll_interval_s = None  # only for figures that nobody sees
    context.raise_original_map_exception = True
    context.target_max_block_size = plan.block_bytes
    context.execution_options.preserve_order = not plan.cluster


def tagged_dataset(plan: Plan) -> Any:
    """The dataset of results: reading, and the actors."""
    import ray.data
    from ray.data import ActorPoolStrategy

    dataset = ray.data.read_datasource(
        make_source(plan),
        num_cpus=READING,
        concurrency=None if plan.cluster else 2,
        override_num_blocks=max(1, len(plan.chunks)),  # else Ray would split the blocks of few tasks
    )
    resources: dict[str, Any] = {"num_cpus": plan.threads}
    if plan.gpu:
        resources = {"num_gpus": 1, "batch_size": _GPU_BATCH}
    return dataset.map_batches(
        TaggerActor,
        fn_constructor_kwargs={**plan.model, "threads": None if plan.gpu else plan.threads},
        compute=ActorPoolStrategy(size=plan.actors, max_tasks_in_flight_per_actor=2),
        batch_format="pyarrow",
        udf_modifying_row_count=False,
        **resources,
    )


def check_plan(dataset: Any, sink: Any) -> None:
    """
    Refuse a plan for which Ray would switch checkpoints off, of which it only warns, or with which they would not be
    exact: one that does not begin with a reading that checkpoints know and end with a file sink, or that has anything
    but maps between them.

    # Parameters

    dataset : `ray.data.Dataset`
    sink : `ray.data.Datasink`

    # Raises

    `ConfigError` if it is such a plan.
    """
    from ray.data._internal.logical.interfaces import LogicalPlan
    from ray.data._internal.logical.operators import MapBatches, Read, Write
    from ray.data._internal.planner.planner import Planner
    from ray.data.datasource.file_datasink import _FileDatasink

    if dataset.context.checkpoint_config is None:
        raise _no_checkpoints("no checkpoint is configured")
    if not isinstance(sink, _FileDatasink):
        raise _no_checkpoints(f"{type(sink).__name__} writes no files, so rows could be written twice")
    operator = dataset._logical_plan.dag
    while isinstance(operator, MapBatches):
        [operator] = operator.input_dependencies
    if not isinstance(operator, Read):
        raise _no_checkpoints(f"the plan has the step {operator.name}")
    write = Write(sink, input_dependencies=[dataset._logical_plan.dag])
    if not Planner()._check_supports_checkpointing(LogicalPlan(write, dataset.context)):
        raise _no_checkpoints("the plan does not support them")


def _no_checkpoints(why: str) -> ConfigError:
    return ConfigError(f"Ray would run without checkpoints, so a stopped job could not go on: {why}")


def make_source(plan: Plan) -> Any:
    """The `Datasource` that reads the chunks, each in a task."""
    from ray.data import Datasource, ReadTask
    from ray.data.block import BlockMetadata

    chunks, options, block_bytes, size = plan.chunks, plan.read, plan.block_bytes, plan.size

    def task(chunk: Chunk) -> Any:
        rows = chunk.end - chunk.line - sum(right - left for left, right in chunk.done)
        share = size * rows // max(1, plan.rows)
        metadata = BlockMetadata(num_rows=rows, size_bytes=share, exec_stats=None, input_files=(chunk.file.path,))
        return ReadTask(lambda: read_chunk(chunk, options, block_bytes), metadata)

    class Rows(Datasource):  # type: ignore[misc]
        """The rows of a job that are to be done."""

        def estimate_inmemory_data_size(self) -> Optional[int]:
            return size

        def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[Any]:
            return [task(chunk) for chunk in chunks]

    return Rows()


def make_sink(plan: Plan, run: Run) -> Any:
    """The `Datasink` that writes a file for each task, whole or not at all."""
    from ray.data.datasource import BlockBasedFileDatasink, FilenameProvider

    suffix = SUFFIXES[plan.format]
    write = write_parquet if plan.format == "parquet" else write_json

    class Names(FilenameProvider):  # type: ignore[misc]
        """The names of files, which are those of their checkpoints."""

        def get_filename_for_task(self, write_uuid: str, task_index: int) -> str:
            return f"{run.part(task_index)}{suffix}"

    class Results(BlockBasedFileDatasink):  # type: ignore[misc]
        """Writes the rows of a task."""

        def write_block(self, block: Any, block_index: int, ctx: Any) -> None:
            table = block.to_arrow()
            tally = Tally(table.num_rows, table.num_rows - table["error"].null_count)
            try:
                write_part(run, run.part(ctx.task_idx), suffix, tally, lambda path: write(table, path))
            except OSError as error:  # Ray would lose the file's name
                raise NerError(f"{error.strerror or error}: {error.filename or run.rows}") from error

    return Results(
        str(run.rows.absolute()),
        min_rows_per_file=plan.rows_per_file,
        filename_provider=Names(),
        file_format=plan.format,
    )


def write_parquet(table: Any, path: str) -> None:
    """Write a table of results as Parquet."""
    import pyarrow.parquet as parquet

    parquet.write_table(table, path, compression="zstd")


def write_json(table: Any, path: str) -> None:
    """Write a table of results as JSON lines."""
    with open(path, "wb") as file:
        for row in table.to_pylist():
            file.write(f"{dump_json(result_of(row))}\n".encode())


def refuse_lost_rows(expected: int, written: int) -> None:
    """
    # Raises

    `NerError` if the rows that are written are not those that were to be done.
    """
    if expected != written:
        raise NerError(f"{expected} rows were to be done, but {written} are written: this is a bug of ner-bulk")


def total_bytes(chunks: Iterable[Chunk]) -> int:
    """About the bytes of the rows of chunks that are to be done."""
    return sum(
        chunk.file.size * (chunk.end - chunk.line - sum(right - left for left, right in chunk.done)) // chunk.file.lines
        for chunk in chunks
    )
