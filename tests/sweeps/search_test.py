"""A search by optuna, over runs whose figures a formula gives."""

import builtins
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ner_plugins.errors import ConfigError
from ner_plugins.sweeps.folder import Record, SweepFolder, planned_record
from ner_plugins.sweeps.plan import PlannedRun
from ner_plugins.sweeps.search import (
    Trials,
    best_trial,
    check_unchanged,
    each_trial,
    ends_of,
    facts_of,
    first_of,
    import_optuna,
    setting_from,
)
from ner_plugins.sweeps.sweep_file import Setting, Sweep, parse_sweep

CONTENT: dict[str, Any] = {
    "config": "crf.jsonnet",
    "axes": {"head": {"crf": {}, "span": {}}, "corpus": {"weibo": {}, "resume": {}}},
    "seeds": [1, 2],
    "optuna": {
        "trials": 12,
        "choose": ["head"],
        "parameters": {
            "model.dropout": {"low": 0.1, "high": 0.9},
            "NER_EPOCHS": {"low": 1, "high": 9, "step": 2},
            "model.loss": [{"type": "focal"}, {"type": "dice"}],
            "lr": {"low": 1e-5, "high": 1e-2, "log": True},
        },
    },
}


def sweep(**optuna: Any) -> Sweep:
    return parse_sweep({**CONTENT, "optuna": {**CONTENT["optuna"], **optuna}})


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    found = SweepFolder(tmp_path)
    with found.locked():
        found.write_facts({})
        return found


def trials(folder: SweepFolder, of: Sweep) -> Trials:
    pytest.importorskip("optuna")

    def add(runs: Sequence[PlannedRun]) -> Sequence[Record]:
        known = folder.records()
        records = [known.get(run.name) or planned_record(run, {}, ()) for run in runs]
        for record in records:
            folder.write_record(record)
        return records

    return Trials(of, folder, add, folder.facts().get("trials", []))


def f1(record: Record) -> float:
    """Best with the span head, a dropout of 0.3 and focal loss."""
    loss = record["overrides"]["model.loss"]["type"]
    distance = (record["overrides"]["model.dropout"] - 0.3) ** 2
    return 0.8 - distance + 0.05 * (record["labels"]["head"] == "span") + 0.05 * (loss == "focal")


def finish(folder: SweepFolder, source: Trials, most: int = 1000, fails: str = "") -> list[Record]:
    """Do at most so many runs."""
    found: list[Record] = []
    while len(found) < most and (record := source.next()) is not None:
        failed = record["name"] == fails
        figures = {} if failed else {"best_validation": {"seqeval/micro_f1": f1(record)}}
        record = {**record, "status": "failed" if failed else "finished", **figures}
        folder.write_record(record)
        source.done(record)
        found.append(record)
    return found


def test_each_trial_has_all_corpora_and_seeds(folder: SweepFolder) -> None:
    source = trials(folder, sweep())
    found = finish(folder, source)
    assert len(found) == source.total == 48 and len(source.trials) == 12
    assert [record["name"] for record in found[:4]] == [
        "t0000-weibo-s1", "t0000-resume-s1", "t0000-weibo-s2", "t0000-resume-s2",
    ]  # fmt: skip
    assert len({record["overrides"]["model.dropout"] for record in found}) == 12
    for record in found:
        parameters = source.trials[record["trial"]]
        assert 0.1 <= parameters["model.dropout"] <= 0.9 and 1e-5 <= parameters["lr"] <= 1e-2
        assert parameters["NER_EPOCHS"] in (1, 3, 5, 7, 9)
        assert record["environment"]["NER_EPOCHS"] == str(parameters["NER_EPOCHS"])
        assert record["labels"]["head"] == parameters["head"]
    assert folder.facts()["trials"] == source.trials
    number, value, parameters = best_trial(folder, sweep().search) or (0, 0.0, {})  # type: ignore[arg-type]
    assert value == pytest.approx(max(f1(record) for record in found)) and parameters == source.trials[number]
    assert each_trial(source.trials)[3].startswith("trial 3: model.dropout=")


def test_the_search_finds_more_than_chance(folder: SweepFolder) -> None:
    found = finish(folder, trials(folder, sweep(trials=40)))
    late = [f1(record) for record in found if record["trial"] >= 30]
    early = [f1(record) for record in found if record["trial"] < 10]
    assert sum(late) / len(late) > sum(early) / len(early) + 0.02


@pytest.mark.parametrize("most", [0, 1, 4, 30])
def test_a_search_that_is_resumed_goes_on_as_it_would_have(folder: SweepFolder, tmp_path: Path, most: int) -> None:
    other = SweepFolder(tmp_path / "other")
    with other.locked():
        other.write_facts({})
    whole = trials(other, sweep())
    finish(other, whole)
    first = finish(folder, trials(folder, sweep()), most)
    second = trials(folder, sweep())
    rest = finish(folder, second)
    assert second.trials == whole.trials
    assert sorted(record["name"] for record in [*first, *rest]) == list(other.records())


def test_more_trials(folder: SweepFolder) -> None:
    finish(folder, trials(folder, sweep(trials=2)))
    more = trials(folder, sweep(trials=3))
    assert {record["trial"] for record in finish(folder, more)} == {2}


def test_a_trial_with_a_failed_run_has_no_value(folder: SweepFolder) -> None:
    source = trials(folder, sweep(trials=3))
    finish(folder, source, fails="t0001-weibo-s2")
    best = best_trial(folder, sweep().search)  # type: ignore[arg-type]
    assert best is not None and best[0] != 1
    again = trials(folder, sweep(trials=3))
    assert [record["name"] for record in finish(folder, again)] == ["t0001-weibo-s2"]


def test_what_may_change(folder: SweepFolder) -> None:
    folder.write_facts({"optuna": facts_of(sweep())})
    check_unchanged(folder.facts(), sweep(trials=99), folder)
    with pytest.raises(ConfigError, match=r"optuna's seed was 1 and is 2\. Only the number of trials may change"):
        check_unchanged(folder.facts(), sweep(seed=2), folder)
    with pytest.raises(ConfigError, match=r"optuna's parameters was"):
        check_unchanged(folder.facts(), sweep(parameters={"lr": [1]}), folder)
    grid = parse_sweep({key: value for key, value in CONTENT.items() if key != "optuna"})
    with pytest.raises(ConfigError, match=r"its sweep was a search by optuna, and is now all combinations: choose"):
        check_unchanged(folder.facts(), grid, folder)
    folder.write_facts({"optuna": facts_of(grid)})
    check_unchanged(folder.facts(), grid, folder)
    with pytest.raises(ConfigError, match=r"its sweep was all combinations, and is now a search by optuna"):
        check_unchanged(folder.facts(), sweep(), folder)


def test_a_point_of_the_space() -> None:
    assert first_of(sweep()) == {
        "model.dropout": 0.1, "NER_EPOCHS": 1, "model.loss": {"type": "focal"}, "lr": 1e-5, "head": "crf",
    }  # fmt: skip
    assert setting_from(sweep(), first_of(sweep())) == Setting(
        None, {"model.dropout": 0.1, "model.loss": {"type": "focal"}, "lr": 1e-5}, {"NER_EPOCHS": "1"}
    )


def test_examples_of_each_parameter() -> None:
    names = [name for name, _ in ends_of(sweep()) if ".4" not in name and "0.003" not in name]
    assert names == [
        "model.dropout=0.1", "model.dropout=0.9", "NER_EPOCHS=1", "NER_EPOCHS=9",
        'model.loss={"type": "focal"}', 'model.loss={"type": "dice"}', "lr=1e-05", "lr=0.01",
    ]  # fmt: skip
    assert len(list(ends_of(sweep()))) == len(names) + 2
    changed = dict(ends_of(sweep()))["NER_EPOCHS=9"]
    assert changed == {**first_of(sweep()), "NER_EPOCHS": 9}


def test_without_optuna_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def importing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "optuna":
            raise ModuleNotFoundError("No module named 'optuna'", name="optuna")
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", importing)
    with pytest.raises(ConfigError, match=r"pip install 'ner_plugins\[sweep\]'"):
        import_optuna()
