import json
from pathlib import Path
from typing import Any

from ner_plugins.reports.run_comparison import Run, compare, differences, read_run

RECORD: dict[str, Any] = {
    "format_version": 1,
    "exit": "finished",
    "started": "2027-01-15T08:00:00.000+00:00",
    "seconds": 3723.4,
    "versions": {"python": "3.11", "torch": "2.13.0"},
    "data": {"train": {"path": "msra#train", "files": [{"file": "train.json", "sha256": "ab" * 32}]}},
    "seeds": {"random_seed": 1},
    "epochs": {"done": 2, "planned": 3},
    "peak_memory_mib": {"process": 1629.4, "cuda": None},
    "best_epoch": 1,
    "best_validation": {"seqeval/micro_f1": 0.5, "seqeval/地址/f1": 0.25, "seqeval/地址/recall": 0.5, "gold": 12.0},
}
CONFIG = {"model": {"type": "biaffine", "dims": [1, 2]}, "trainer": {"num_epochs": 3}}


def changed(**facts: Any) -> dict[str, Any]:
    return {**RECORD, **facts}


def test_equal_runs() -> None:
    table = compare([Run("one", RECORD, CONFIG), Run("other", RECORD, CONFIG)])
    assert "Nothing differs in versions, device, seeds, data, parameters and config." in table
    assert "seqeval/micro_f1  0.5000  0.5000     +0.0000" in table


def test_two_runs_side_by_side() -> None:
    other = changed(
        exit="failed: the loss became NaN",
        versions={"python": "3.11", "torch": "2.12.0"},
        best_validation={"seqeval/micro_f1": 0.625, "gold": 12.0},
    )
    config = {"model": {"type": "biaffine", "dims": [1, 3]}, "trainer": {"num_epochs": 3}}
    table = compare([Run("one", RECORD, CONFIG), Run("other", other, config)])
    assert table.splitlines() == [
        "run                                     one                        other",
        "------------------------------------------------------------------------",
        "exit                               finished  failed: the loss became NaN",
        "started                 2027-01-15 08:00:00          2027-01-15 08:00:00",
        "time                                1:02:03                      1:02:03",
        "epochs                               2 of 3                       2 of 3",
        "peak memory                       1,629 MiB                    1,629 MiB",
        "peak memory of the GPU                    -                            -",
        "",
        "What differs:",
        "versions.torch        2.13.0  2.12.0",
        "config: model.dims.1       2       3",
        "",
        "best epoch           one   other  difference",
        "--------------------------------------------",
        "(number)               1       1",
        "seqeval/micro_f1  0.5000  0.6250     +0.1250",
        "gold                  12      12     +0.0000",
        "seqeval/地址/f1   0.2500       -           -",
    ]


def test_three_runs_have_no_difference_column() -> None:
    table = compare([Run(name, RECORD, CONFIG) for name in "abc"])
    assert "difference" not in table and "seqeval/micro_f1  0.5000  0.5000  0.5000" in table


def test_one_run_has_nothing_to_differ_from() -> None:
    assert "iffers" not in compare([Run("one", RECORD, CONFIG)])


def test_differences_of_data_types_and_missing_keys() -> None:
    data = {"train": {"path": "msra#train", "files": [{"file": "train.json", "sha256": "cd" * 32}]}}
    one, other = Run("one", RECORD, {"a": 1, "b": True}), Run("other", changed(data=data), {"a": True})
    keys = {key: values for key, *values in differences([one, other])}
    assert set(keys) == {"data.train.files.0.sha256", "config: a", "config: b"}
    assert keys["config: a"] == ["1", "true"] and keys["config: b"] == ["true", "-"]
    [first, second] = keys["data.train.files.0.sha256"]
    assert first.startswith("abab") and second.startswith("cdcd") and len(first) <= 48 and "…" in first


def test_commits_are_compared_but_not_the_name_of_the_config() -> None:
    one = Run("one", changed(config={"file": "a.jsonnet", "commit": "1" * 40}))
    other = Run("other", changed(config={"file": "b.jsonnet", "commit": "2" * 40}))
    assert [row[0] for row in differences([one, other])] == ["commit of the config"]


def test_a_run_that_failed_before_training() -> None:
    table = compare([Run("one", {"format_version": 1, "exit": "failed: no such file", "seconds": 0.2})])
    assert "failed: no such file" in table and "0:00:00" in table and "best epoch" not in table


def test_reading_a_run(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps(RECORD))
    assert read_run(tmp_path) == Run(str(tmp_path), RECORD, {})
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    assert read_run(tmp_path).config == CONFIG
    assert read_run(tmp_path / "run.json").config == CONFIG
