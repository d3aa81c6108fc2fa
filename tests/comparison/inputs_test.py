from pathlib import Path

import pytest
from finished_runs import config_of, write_run

from ner_plugins.comparison.inputs import read_models
from ner_plugins.errors import ConfigError


def names(models: dict) -> dict[str, list[str]]:
    return {name: [run.name for run in runs] for name, runs in models.items()}


def test_groups_come_first_and_files_are_models_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for seed in (1, 2):
        write_run(Path(f"crf-{seed}"), config_of(seed))
        write_run(Path(f"old-{seed}"), config_of(seed, width=seed))
    Path("peer.jsonl").touch()
    given = ["crf-1", "crf-2/model.tar.gz", "peer.jsonl", "old-1", "old-2", "./crf-1/"]
    assert names(read_models(given, [["before", "old-1", "old-2"]])) == {
        "before": ["old-1", "old-2"], "crf": ["crf-1", "crf-2"], "peer": ["peer.jsonl"],
    }  # fmt: skip
    assert names(read_models(given[-3:-1])) == {"old": ["old-1"], "old (2)": ["old-2"]}
    assert names(read_models([], [["x", "old-1"], ["x", "old-2"]])) == {"x": ["old-1", "old-2"]}


def test_models_that_began_as_those_of_an_archive_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    further = {"type": "from_archive", "archive_file": "msra/model.tar.gz"}
    for folder in ("msra-1", "msra-2", "transfer-1"):
        write_run(Path(folder), config_of() | {"model": further | {"new_types": folder[:4]}})
    write_run(Path("crf-1"))
    assert list(read_models(["crf-1", "msra-1", "msra-2", "transfer-1"])) == ["crf", "msra (transfer)", "transfer"]
    assert list(read_models(["crf-1"], [["a|b", "msra-1"]])) == ["a|b (transfer)", "crf"]


def test_mistakes(tmp_path: Path) -> None:
    write_run(tmp_path / "crf-1")
    (tmp_path / "crf.jsonl").touch()
    with pytest.raises(ConfigError, match=r"missing: there is no such folder or file"):
        read_models(["missing"])
    with pytest.raises(ConfigError, match=r"two models are called crf, one of them .*crf\.jsonl: name them with"):
        read_models([str(tmp_path / "crf-1"), str(tmp_path / "crf.jsonl")])
