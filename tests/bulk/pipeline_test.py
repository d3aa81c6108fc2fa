"""Jobs on Ray, which is started once for all of these tests."""

import json
import os
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ner_plugins.bulk import run as module
from ner_plugins.bulk.commits import Commits, Run, Tally, write_part
from ner_plugins.bulk.pipeline import Plan, check_plan, make_sink, tagged_dataset, write_json, write_parquet
from ner_plugins.bulk.rows import Row, RowOptions, input_schema, read_chunk
from ner_plugins.bulk.run import BulkOptions, run_bulk
from ner_plugins.bulk.session import ray_session
from ner_plugins.bulk.tagging import TaggerActor
from ner_plugins.errors import ArchiveError, ConfigError, DataError
from ner_plugins.tagger import Tagger

pytest.importorskip("ray")
from ray.data.checkpoint import CheckpointConfig
from ray.data.checkpoint.checkpoint_writer import BatchBasedCheckpointWriter

PLAIN = RowOptions()
SENTENCES = ["张三在北京大学读书", "今天天气真好", "", "刘晓燕去了北京"]


@pytest.fixture(scope="module", autouse=True)
def ray() -> Iterator[None]:
    """One session, which every run uses instead of one of its own."""
    with ray_session(None, cpus=8, gpus=0), pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ray_session", lambda *_: nullcontext())
        patch.setattr(module, "_SECONDS_BETWEEN_LOOKS", 0.05)
        yield


@pytest.fixture(scope="module")
def archive(repository: Path) -> Path:
    return repository / "fixtures/archives/crf_tagger.tar.gz"


@pytest.fixture
def options(archive: Path, tmp_path: Path) -> BulkOptions:
    """One hundred lines of text, ten of JSON of which two are bad, and a Parquet file."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.txt").write_text("".join(f"{SENTENCES[n % 4]}\n" for n in range(100)), encoding="utf-8")
    lines = [json.dumps({"id": n, "text": SENTENCES[n % 4]}) for n in range(8)]
    (data / "b.jsonl").write_text("\n".join([*lines[:4], "{", '{"text": 5, "id": "x"}', *lines[4:]]), encoding="utf-8")
    pq.write_table(pa.table({"text": [*SENTENCES, None]}), data / "c.parquet")
    return BulkOptions(str(archive), [str(data)], str(tmp_path / "out"), actors=1, cpu=True)


def results(options: BulkOptions) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(options.output).to_pylist()
    return sorted(rows, key=lambda row: row["row"])


def test_a_job_is_stopped_goes_on_and_grows(options: BulkOptions, archive: Path) -> None:
    def interrupted(plan: Plan, run: Run) -> None:
        """Do the first file as Ray does, without its processes, and stop."""
        config = CheckpointConfig("row", str(run.checkpoint), delete_checkpoint_on_success=False)
        [table] = [TaggerActor(str(archive), None, device=-1)(one) for one in read_chunk(plan.chunks[0], PLAIN, 10_000)]
        writer = BatchBasedCheckpointWriter(config)
        pending = writer.write_pending_checkpoint(table["row"], run.part(0))
        write_part(run, run.part(0), ".parquet", Tally(100, 0), lambda path: write_parquet(table, path))
        writer.commit_checkpoint(pending)
        raise KeyboardInterrupt

    messages: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "run_plan", interrupted)
        patch.setattr(module.logger, "warning", lambda message, *values: messages.append(message % values))
        with pytest.raises(KeyboardInterrupt):
            run_bulk(options)
    before = results(options)
    assert [row["line"] for row in before] == list(range(1, 101))
    assert messages == ["stopped: 100 of 115 rows are done. The same command goes on from there"]

    more = Path(options.inputs[0], "d.txt")
    more.write_text("刘晓燕去了北京\n", encoding="utf-8")
    second = run_bulk(options)
    assert (second.rows, second.before, second.errors) == (116, 100, 3)
    rows = results(options)
    assert rows[:100] == before
    assert [(os.path.basename(row["file"]), row["line"]) for row in rows] == [
        *(("a.txt", n) for n in range(1, 101)), *(("b.jsonl", n) for n in range(1, 11)),
        *(("c.parquet", n) for n in range(1, 6)), ("d.txt", 1),
    ]  # fmt: skip
    good = [row for row in rows if row["error"] is None]
    tagged = Tagger.from_path(archive, device=-1)([row["text"] for row in good])
    found = [[(e["start"], e["end"], e["type"]) for e in row["entities"]] for row in good]
    assert found == [[(e.start, e.end, e.type) for e in one.entities] for one in tagged] and any(found)
    assert [row["error"][:9] for row in rows if row["error"]] == ["not valid", "`text` is", "no `text`"]
    kept = [json.loads(row["fields"]) for row in rows if row["fields"]]
    assert [fields["id"] for fields in kept] == [0, 1, 2, 3, "x", 4, 5, 6, 7]

    assert run_bulk(options).before == 116  # without Ray
    assert not Path(options.output, "_work").exists()


def test_results_as_json_lines(archive: Path, tmp_path: Path) -> None:
    rows = [Row("刘晓燕", '{"id": "\\ud800"}'), Row(None, None, "bad")]
    table = pa.Table.from_pylist(
        [{"row": n, "file": "a", "line": n, **row._asdict()} for n, row in enumerate(rows, start=1)], input_schema()
    )
    write_json(TaggerActor(str(archive), None, device=-1)(table), str(tmp_path / "rows.jsonl"))
    found = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [list(row) for row in found] == [["row", "file", "line", "text", "entities", "fields", "error"]] * 2
    assert found[0]["fields"] == {"id": "\ud800"} and found[0]["entities"][0]["text"] == "刘"
    assert found[1]["entities"] is None and found[1]["error"] == "bad"


def test_errors_of_actors_are_ours(options: BulkOptions, tmp_path: Path) -> None:
    archive = tmp_path / "model.tar.gz"
    archive.write_bytes(Path(options.archive).read_bytes()[:-100])
    with pytest.raises(ArchiveError, match=r"not a complete model archive.*copy it again$"):
        run_bulk(replace(options, archive=str(archive)))


def test_errors_before_anything_is_written(options: BulkOptions, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        run_bulk(replace(options, archive=str(tmp_path / "nowhere.tar.gz")))
    (tmp_path / "text.tar.gz").write_text("no archive")
    with pytest.raises(ArchiveError, match="not a model archive"):
        run_bulk(replace(options, archive=str(tmp_path / "text.tar.gz")))
    with pytest.raises(DataError, match="no file matches"):
        run_bulk(replace(options, inputs=[str(tmp_path / "*.nothing")]))
    for change in ({"actors": 0}, {"threads": 0}, {"output_format": "xml"}):
        with pytest.raises(ConfigError):
            replace(options, **change)  # type: ignore[arg-type]
    assert not Path(options.output).exists()


def plan_of(archive: Path) -> Plan:
    return Plan([], 1, 1, PLAIN, {"archive": str(archive)}, "json", actors=1, threads=1, gpu=False)


def test_plans_without_checkpoints_are_refused(archive: Path, tmp_path: Path) -> None:
    import ray.data
    from ray.data.datasource import Datasink

    from ner_plugins.bulk.pipeline import _set_context

    plan = plan_of(archive)
    run = Commits(tmp_path, tmp_path / "_checkpoint", tmp_path / "_work", ".jsonl").start()
    context = ray.data.DataContext.get_current()
    before = context.checkpoint_config
    try:
        _set_context(context, plan, run)
        sink = make_sink(plan, run)
        check_plan(tagged_dataset(plan), sink)
        with pytest.raises(ConfigError, match="the plan has the step Sort"):
            check_plan(tagged_dataset(plan).sort("row"), sink)
        with pytest.raises(ConfigError, match="the plan has the step FromItems"):
            check_plan(ray.data.from_items([{"row": 1}]), sink)
        with pytest.raises(ConfigError, match="writes no files"):
            check_plan(tagged_dataset(plan), Datasink())
        context.checkpoint_config = None
        with pytest.raises(ConfigError, match="no checkpoint is configured"):
            check_plan(tagged_dataset(plan), sink)
    finally:
        context.checkpoint_config = before


def test_rays_own_refusal_is_an_error(options: BulkOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.data._internal.planner.planner import Planner

    from ner_plugins.bulk import pipeline

    monkeypatch.setattr(pipeline, "check_plan", lambda *_: None)
    monkeypatch.setattr(Planner, "_check_supports_checkpointing", lambda *_: False)
    with pytest.raises(ConfigError, match="Checkpointing will be disabled"):
        run_bulk(options)
    assert list(Path(options.output).glob("part-*")) == []
