from pathlib import Path
from typing import Any

import pytest

from ner_plugins.commands.recovery import differences
from ner_plugins.errors import ConfigError
from ner_plugins.sweeps.folder import SweepFolder
from ner_plugins.sweeps.plan import PlannedRun
from ner_plugins.sweeps.resuming import Plan, described, plan, resolved
from ner_plugins.sweeps.sweep_file import Setting


def run(name: str, dropout: float = 0.1) -> PlannedRun:
    return PlannedRun(name, name, Setting("crf.jsonnet", {"model.dropout": dropout}, {"NER_EPOCHS": "3"}))


def resolve(run: PlannedRun) -> dict[str, Any]:
    return {"model": {"dropout": run.setting.overrides["model.dropout"]}, "trainer": {}}


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    found = SweepFolder(tmp_path)
    with found.locked():
        return found


def planned(folder: SweepFolder, *runs: PlannedRun) -> Plan:
    made = plan(runs, folder, resolve, differences)
    for record in made.records.values():
        folder.write_record(record)
    return made


def set_status(folder: SweepFolder, name: str, status: str) -> None:
    folder.write_record({**(folder.record(name) or {}), "status": status})


def test_what_is_new_left_and_done(folder: SweepFolder) -> None:
    assert list(planned(folder, run("a"), run("b")).new) == ["a", "b"]
    set_status(folder, "a", "finished")
    made = planned(folder, run("c"), run("a"))
    assert (list(made.records), made.new, made.left) == (["c", "a"], ["c"], ["b"])
    assert [record["name"] for record in made.to_do()] == ["c"]


@pytest.mark.parametrize(
    "status, state",
    [("finished", "has finished"), ("interrupted", "was interrupted"), ("running", "was running")],
)
def test_a_run_that_has_begun_keeps_its_config(folder: SweepFolder, status: str, state: str) -> None:
    planned(folder, run("a"))
    set_status(folder, "a", status)
    with pytest.raises(ConfigError, match=rf"the run a {state} with another config.*\n  model\.dropout was 0\.1 and"):
        planned(folder, run("a", 0.5))
    assert not planned(folder, run("a")).records["a"].get("changed")


@pytest.mark.parametrize("status", ["to do", "failed"])
def test_a_run_that_has_not_may_change(folder: SweepFolder, status: str) -> None:
    planned(folder, run("a"))
    set_status(folder, "a", status)
    record = planned(folder, run("a", 0.5)).records["a"]
    assert record["changed"] and record["config"]["model"]["dropout"] == 0.5 and record["status"] == status
    assert record["overrides"] == {"model.dropout": 0.5}


def test_seeds_are_set_where_the_config_does_not_read_them() -> None:
    with_seed = PlannedRun("a", "a", Setting("crf.jsonnet", {}, {"NER_SEED": "7"}), seed=7)

    def reads(run: PlannedRun) -> dict[str, Any]:
        seed = int(run.setting.environment["NER_SEED"])
        return {"random_seed": seed, "numpy_seed": seed, "pytorch_seed": seed}

    assert resolved(with_seed, reads) == (with_seed, reads(with_seed))
    found, config = resolved(with_seed, lambda run: {"random_seed": 1, **run.setting.overrides})
    assert config == {"random_seed": 7, "numpy_seed": 7, "pytorch_seed": 7} == found.setting.overrides


def test_a_line_about_a_run(folder: SweepFolder) -> None:
    record = planned(folder, run("a")).records["a"]
    assert described(record) == "a: to do: crf.jsonnet NER_EPOCHS=3 model.dropout=0.1"
