import pytest

from ner_plugins.errors import ConfigError
from ner_plugins.sweeps.plan import runs_of
from ner_plugins.sweeps.sweep_file import Setting, Sweep, parse_sweep


def sweep(**content: object) -> Sweep:
    return parse_sweep({"config": "training_config/crf.jsonnet", **content})


AXES = {
    "head": {"crf": {}, "span": {"config": "span.jsonnet", "overrides": {"model.dropout": 0.4}}},
    "corpus": {"weibo": {"environment": {"NER_DATA": "w", "NER_EPOCHS": 9}}, "resume": {}},
}


def test_every_combination_with_every_seed() -> None:
    runs = list(runs_of(sweep(axes=AXES, seeds=[1, 2], environment={"NER_EPOCHS": 3})))
    models = ["crf-weibo", "crf-resume", "span-weibo", "span-resume"]
    assert [run.name for run in runs] == [f"{model}-s{seed}" for seed in (1, 2) for model in models]
    assert [run.model for run in runs] == models * 2
    assert runs[2].setting == Setting(
        "span.jsonnet", {"model.dropout": 0.4}, {"NER_EPOCHS": "9", "NER_DATA": "w", "NER_SEED": "1"}
    )
    assert runs[7].setting.environment == {"NER_EPOCHS": "3", "NER_SEED": "2"}
    assert runs[7].labels == {"head": "span", "corpus": "resume"} and runs[7].seed == 2


def test_later_settings_win() -> None:
    [run] = runs_of(sweep(overrides={"model.dropout": 0.1}, axes={"a": {"x": AXES["head"]["span"]}}))
    assert run.setting.overrides == {"model.dropout": 0.4} and run.name == "x"
    [run] = runs_of(sweep(axes={"a": {"x": AXES["head"]["span"]}}, grid={"model.dropout": [0.2]}))
    assert run.setting.overrides == {"model.dropout": 0.2} and run.name == "x-dropout=0.2"


def test_names() -> None:
    assert [run.name for run in runs_of(sweep(seeds=[7]))] == ["crf-s7"]
    assert [run.name for run in runs_of(sweep())] == ["crf"]
    assert [run.name for run in runs_of(sweep(axes={"a": {"b/../c d": {}, "中文": {}}}))] == ["b_.._c_d", "中文"]
    [run] = runs_of(sweep(axes={"a": {"x" * 150: {}}}, seeds=[1]))
    assert len(run.model) == 100 and run.name == f"{run.model}-s1"
    assert [run.name for run in runs_of(sweep(grid={"a.lr": [1], "b.lr": [2]}))] == ["lr=1-lr=2"]


def test_equal_names_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"two runs are called a_b: rename points of the axes"):
        list(runs_of(sweep(axes={"x": {"a b": {}, "a/b": {}}})))


def test_a_run_needs_a_config() -> None:
    with pytest.raises(ConfigError, match=r"no config: give one to the sweep, or to each point of an axis \(missing"):
        list(runs_of(parse_sweep({"axes": {"head": {"crf": {}}}})))


def test_the_runs_of_a_trial() -> None:
    runs = list(runs_of(sweep(axes=AXES, seeds=[1, 2]), {"head": "span"}, Setting(overrides={"a": 1}), trial=3))
    assert [run.name for run in runs] == ["t0003-weibo-s1", "t0003-resume-s1", "t0003-weibo-s2", "t0003-resume-s2"]
    assert runs[0].setting.overrides == {"model.dropout": 0.4, "a": 1} and runs[0].trial == 3
    assert runs[0].labels == {"head": "span", "corpus": "weibo"}
