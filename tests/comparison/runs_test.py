import json
from pathlib import Path

import pytest
from finished_runs import config_of, write_run

from ner_plugins.comparison.runs import TrainedRun, common_name, grouped, read_trained_run, without_seeds
from ner_plugins.errors import ConfigError


def test_a_run_is_read(tmp_path: Path) -> None:
    run = read_trained_run(write_run(tmp_path / "run", **{"seqeval/micro_f1": 0.5}))
    assert run.name == str(tmp_path / "run") and run.config == config_of()
    assert run.figures_of("seqeval")["micro_f1"] == 0.5 and run.figures_of("seqeval")["人名/support"] == 30
    assert run.record["exit"] == "finished" and run.figures_of("cluener") == {}


def test_a_run_needs_no_record(tmp_path: Path) -> None:
    (write_run(tmp_path / "run") / "run.json").unlink()
    assert read_trained_run(tmp_path / "run").record == {}


def test_what_is_no_finished_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no config\.json; name the folder of a run"):
        read_trained_run(tmp_path)
    write_run(tmp_path / "stopped", exit="interrupted")
    with pytest.raises(ConfigError, match=r"has not finished \(interrupted\): leave it out, or finish it with"):
        read_trained_run(tmp_path / "stopped")
    (write_run(tmp_path / "killed", exit="running") / "metrics.json").unlink()
    with pytest.raises(ConfigError, match=r"has not finished \(running\)"):
        read_trained_run(tmp_path / "killed")
    (write_run(tmp_path / "damaged") / "metrics.json").write_text("{")
    with pytest.raises(ConfigError, match=r"metrics\.json: not valid JSON"):
        read_trained_run(tmp_path / "damaged")


def test_runs_that_differ_only_in_seeds_are_one_model() -> None:
    runs = [
        TrainedRun(Path("runs/crf-s1"), config_of(1)),
        TrainedRun(Path("runs/wide-s1"), config_of(1, width=20)),
        TrainedRun(Path("runs/crf-s2"), config_of(2)),
    ]
    assert {name: [run.folder.name for run in members] for name, members in grouped(runs).items()} == {
        "crf": ["crf-s1", "crf-s2"], "wide": ["wide-s1"],
    }  # fmt: skip
    assert json.dumps(without_seeds(config_of(1))) == json.dumps(without_seeds(config_of(2)))
    assert without_seeds({"trainer": "ner"}) == {"trainer": "ner"}


def test_models_with_one_name_are_numbered() -> None:
    runs = [TrainedRun(Path("a/crf-1"), config_of()), TrainedRun(Path("b/crf-1"), config_of(width=3))]
    assert list(grouped(runs)) == ["crf", "crf (2)"]


def test_a_sweep_names_its_models() -> None:
    runs = [TrainedRun(Path(str(seed)), config_of(seed), model="crf on weibo") for seed in (1, 2)]
    runs.append(TrainedRun(Path("x"), config_of(3)))
    assert {name: len(members) for name, members in grouped(runs).items()} == {"crf on weibo": 2, "x": 1}


@pytest.mark.parametrize(
    "folders, name",
    [
        (["crf-s1", "crf-s2"], "crf"),
        (["runs/crf/1", "runs/crf/2"], "crf"),
        (["crf_seed13"], "crf"),
        (["biaffine.seed=1", "biaffine.seed=22"], "biaffine"),
        (["crf-first", "crf-second"], "crf"),
        (["one", "two"], "one"),
        (["bert"], "bert"),
    ],
)
def test_the_name_is_what_the_folders_have_in_common(folders: list[str], name: str) -> None:
    assert common_name(list(map(Path, folders))) == name
