import json
from pathlib import Path
from typing import Any

import pytest

from ner_plugins.errors import ConfigError
from ner_plugins.sweeps.ranges import Choices, Interval
from ner_plugins.sweeps.sweep_file import Search, Setting, Sweep, parse_sweep, read_sweep

WHOLE: dict[str, Any] = {
    "config": "crf.jsonnet",
    "overrides": {"trainer.use_amp": True},
    "environment": {"NER_EPOCHS": 5, "NER_DEV": None, "NER_READER": {"type": "msra", "dev_fraction": 0.1}},
    "axes": {
        "head": {"crf": {}, "span": {"config": "span.jsonnet", "overrides": {"model.init": "xavier"}}},
        "corpus": {"weibo": {"environment": {"NER_DATA": "data/weibo"}, "predict": ["data/weibo#test"]}},
    },
    "grid": {"model.dropout": [0.1, 0.3], "NER_BATCH": [16]},
    "seeds": [1, 2],
    "include_package": ["mine"],
    "keep": "archive",
}


def test_a_whole_sweep() -> None:
    assert parse_sweep(WHOLE) == Sweep(
        setting=Setting(
            "crf.jsonnet",
            {"trainer.use_amp": True},
            {"NER_EPOCHS": "5", "NER_DEV": "", "NER_READER": '{"type": "msra", "dev_fraction": 0.1}'},
        ),
        axes={
            "head": {"crf": Setting(), "span": Setting("span.jsonnet", {"model.init": "xavier"})},
            "corpus": {"weibo": Setting(environment={"NER_DATA": "data/weibo"}, predict=("data/weibo#test",))},
            "dropout": {
                "dropout=0.1": Setting(overrides={"model.dropout": 0.1}),
                "dropout=0.3": Setting(overrides={"model.dropout": 0.3}),
            },
            "NER_BATCH": {"NER_BATCH=16": Setting(environment={"NER_BATCH": "16"})},
        },
        seeds=(1, 2),
        search=None,
        include_package=("mine",),
        keep="archive",
    )


def test_a_search() -> None:
    optuna = {
        "trials": 20, "seed": 3, "choose": ["head"], "metric": "loss", "direction": "minimize",
        "parameters": {"model.dropout": {"low": 0.1, "high": 0.5}, "NER_EPOCHS": [5, 10]},
    }  # fmt: skip
    assert parse_sweep({**WHOLE, "optuna": optuna}).search == Search(
        20, {"model.dropout": Interval(0.1, 0.5), "NER_EPOCHS": Choices((5, 10))}, ("head",), 3, "minimize", "loss"
    )


def test_a_config_alone_is_a_sweep() -> None:
    assert parse_sweep({"config": "crf.jsonnet"}) == Sweep(Setting("crf.jsonnet"), {}, (), None)


def test_a_sweep_is_an_object() -> None:
    with pytest.raises(ConfigError, match=r"a sweep is an object with config, .*, not \[\]"):
        parse_sweep([])  # type: ignore[arg-type]


SEARCH = {"trials": 3, "parameters": {"model.dropout": [0.1]}}


@pytest.mark.parametrize(
    "content, message",
    [
        ({"seed": [1]}, r"a sweep has no option 'seed': did you mean 'seeds'"),
        ({"seeds": 3}, r"seeds is 3, but has to be a list of whole numbers"),
        ({"seeds": [True]}, r"seeds is \[True\]"),
        ({"seeds": [-1]}, r"seeds is \[-1\]"),
        ({"seeds": [1, 1]}, r"seeds is \[1, 1\]: one of them is given twice"),
        ({"config": {"model": {}}}, r"config is .*, but has to be the name of a file"),
        ({"overrides": []}, r"overrides is \[\], but has to be an object"),
        ({"environment": {"NER_SEED": 3}}, r"environment\.NER_SEED: write seeds: \[1, 2, 3\]"),
        ({"environment": {"a-b": 3}}, r"environment: 'a-b' is not the name of an environment variable"),
        ({"axes": {"head": []}}, r"axes\.head is \[\], but has to be an object of points"),
        ({"axes": {"head": {}}}, r"axes\.head is \{\}, but"),
        ({"axes": {"head": {"crf": "crf.jsonnet"}}}, r"axes\.head\.crf is 'crf\.jsonnet', but has to be an object"),
        ({"axes": {"head": {"crf": {"conf": 1}}}}, r"axes\.head\.crf: axes\.head\.crf has no option 'conf': did you"),
        ({"grid": {"model.dropout": 0.1}}, r"grid\.model\.dropout is 0\.1, but has to be a list"),
        ({"grid": {"model.dropout": []}}, r"grid\.model\.dropout is \[\], but has to be a list of different values"),
        ({"grid": {"model.dropout": [1, 1]}}, r"a list of different values"),
        ({"predict": "dev.json"}, r"predict is 'dev\.json', but has to be a list of texts"),
        ({"keep": "none"}, r"keep is 'none', but has to be one of all, archive, figures"),
        ({"include_package": "mine"}, r"include_package is 'mine', but has to be a list of texts"),
        ({"optuna": 3}, r"optuna is 3, but has to be an object"),
        ({"optuna": {**SEARCH, "trails": 3}}, r"optuna has no option 'trails': did you mean 'trials'"),
        ({"optuna": {**SEARCH, "trials": 0}}, r"optuna\.trials is 0"),
        ({"optuna": {**SEARCH, "seed": -1}}, r"optuna\.seed is -1"),
        ({"optuna": {**SEARCH, "metric": 1}}, r"optuna\.metric is 1"),
        ({"optuna": {**SEARCH, "direction": "max"}}, r'optuna\.direction is .* has to be "maximize" or "minimize"'),
        ({"optuna": {**SEARCH, "choose": ["head"]}}, r"optuna\.choose: there is no axis 'head'; there are none"),
        ({"optuna": {"trials": 3}}, r"optuna has nothing to search"),
    ],
)
def test_mistakes(content: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_sweep({"config": "crf.jsonnet", **content})


def test_a_file_is_read_with_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "sweep.jsonnet"
    file.write_text("{ config: std.extVar('MY_CONFIG'), environment: { NER_DATA: std.extVar('NER_DATA') + '#train' } }")
    monkeypatch.setenv("MY_CONFIG", "crf.jsonnet")
    found = read_sweep(str(file)).setting
    assert found == Setting("crf.jsonnet", {}, {"NER_DATA": "fixtures/sample#train"})
    with pytest.raises(ConfigError, match=r"missing\.jsonnet: there is no such file"):
        read_sweep(str(tmp_path / "missing.jsonnet"))
    file.write_text(json.dumps({"seeds": 1}))
    with pytest.raises(ConfigError, match=r"sweep\.jsonnet: seeds is 1"):
        read_sweep(str(file))
