from pathlib import Path

import pytest
from allennlp.common import Params

from ner_plugins.errors import ConfigError
from ner_plugins.settings import SETTINGS


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.jsonnet"
    path.write_text("{ data: std.extVar('NER_DATA'), seed: std.parseInt(std.extVar('NER_SEED')) }")
    return path


def test_defaults_need_no_variable(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    assert Params.from_file(config).as_dict() == {"data": "fixtures/sample", "seed": 13370}


def test_the_environment_wins_and_an_argument_wins_over_it(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NER_DATA", "elsewhere")
    assert Params.from_file(config)["data"] == "elsewhere"
    assert Params.from_file(config, ext_vars={"NER_DATA": "here"})["data"] == "here"


def test_overrides_may_use_them(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NER_SEED", "7")
    assert Params.from_file(config, "{seed: 1 + std.parseInt(std.extVar('NER_SEED'))}")["seed"] == 8


WRONG = [("NER_SEED", "-1"), ("NER_SEED", "x"), ("NER_EPOCHS", "0"), ("NER_EPOCHS", "1.5")]


@pytest.mark.parametrize("name, value", WRONG)
def test_a_number_that_is_none_names_the_variable(config: Path, monkeypatch: pytest.MonkeyPatch, name, value) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=f"{name} is {value!r}"):
        Params.from_file(config)


@pytest.mark.parametrize("value", ['{"type": "msra"', "{}"])
def test_a_reader_that_is_none_names_the_variable(config: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("NER_READER", value)
    with pytest.raises(ConfigError, match="NER_READER is"):
        Params.from_file(config)


def test_an_empty_variable_is_the_default(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NER_SEED", "")
    assert Params.from_file(config)["seed"] == 13370


def test_only_one_file_reads_them(repository: Path) -> None:
    readers = [p.name for p in (repository / "training_config").rglob("*sonnet") if "extVar(" in p.read_text()]
    assert readers == ["settings.libsonnet"]
