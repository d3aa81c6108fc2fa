"""`--recover` with another number of epochs, or another patience."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from allennlp.common import Params
from killed_runs import assert_same

from ner_plugins.commands.recovery import accept_changes, differences
from ner_plugins.errors import ConfigError

CONFIG = {"trainer": {"num_epochs": 10, "lr": 5e-5, "callbacks": [{"type": "a", "n": 1}]}, "seed": 1}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Params(json.loads(json.dumps(CONFIG))).to_file(str(tmp_path / "config.json"))
    return tmp_path


def changed(**changes: Any) -> Params:
    config = json.loads(json.dumps(CONFIG))
    config["trainer"].update(changes)
    return Params(config)


@pytest.mark.parametrize("epochs", [20, 5])
def test_another_number_of_epochs_is_written(folder: Path, epochs: int, caplog: pytest.LogCaptureFixture) -> None:
    params = changed(num_epochs=epochs)
    with caplog.at_level(logging.INFO):
        accept_changes(folder, params)
    assert json.loads((folder / "config.json").read_text()) == params.as_dict(quiet=True)
    assert caplog.messages == [f"recovering with trainer.num_epochs {epochs} instead of 10"]
    assert [path.name for path in folder.iterdir()] == ["config.json"]


def test_another_patience_is_written(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    params = changed(patience=3)
    with caplog.at_level(logging.INFO):
        accept_changes(folder, params)
    assert json.loads((folder / "config.json").read_text()) == params.as_dict(quiet=True)
    assert caplog.messages == ["recovering with trainer.patience 3 instead of absent"]


@pytest.mark.parametrize(
    "trainer, warns",
    [
        ({"type": "gradient_descent", "learning_rate_scheduler": "noam"}, True),
        ({"momentum_scheduler": {"type": "inverted_triangular"}}, True),
        ({"type": "gradient_descent"}, False),
        ({"type": "ner", "learning_rate_scheduler": "noam"}, False),
    ],
)
def test_a_trainer_that_keeps_its_schedule_is_warned_of(
    tmp_path: Path, trainer: dict[str, Any], warns: bool, caplog: pytest.LogCaptureFixture
) -> None:
    Params({"trainer": {"num_epochs": 2, **trainer}}).to_file(str(tmp_path / "config.json"))
    accept_changes(tmp_path, Params({"trainer": {"num_epochs": 4, **trainer}}))
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [text.startswith("AllenNLP's trainer keeps the schedule") for text in warnings] == [True] * warns


def test_the_default_number_may_be_left_out(folder: Path) -> None:
    params = changed()
    params["trainer"].pop("num_epochs")
    accept_changes(folder, params)
    assert "num_epochs" not in json.loads((folder / "config.json").read_text())["trainer"]


def test_the_same_config_writes_nothing(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = (folder / "config.json").stat().st_mtime_ns
    with caplog.at_level(logging.INFO):
        accept_changes(folder, changed())
    assert (folder / "config.json").stat().st_mtime_ns == before and caplog.messages == []


def test_other_differences_are_listed_with_both_values(folder: Path) -> None:
    params = changed(num_epochs=20, lr=1e-4, callbacks=[{"type": "a", "n": 2}], patience=3, grad_norm=1.0)
    with pytest.raises(ConfigError) as caught:
        accept_changes(folder, params)
    told = str(caught.value).splitlines()
    assert "only trainer.num_epochs and trainer.patience may change" in told[0] and told[1:] == [
        "  trainer.callbacks.0.n was 1 and is 2",
        "  trainer.grad_norm was absent and is 1.0",
        "  trainer.lr was 5e-05 and is 0.0001",
    ]
    assert json.loads((folder / "config.json").read_text()) == CONFIG, "nothing is written"


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no config\.json in it"):
        accept_changes(tmp_path, changed())


@pytest.mark.parametrize("content", [b"", b'{"trainer": ', b"\xff\xfe"], ids=["empty", "cut", "no text"])
def test_a_damaged_config_is_named(folder: Path, content: bytes) -> None:
    (folder / "config.json").write_bytes(content)
    with pytest.raises(ConfigError, match=r"config\.json: damaged .* start again with --force"):
        accept_changes(folder, changed())


def test_lists_of_other_lengths_are_one_difference() -> None:
    assert differences({"a": [1, {"b": 2}]}, {"a": [1]}) == [("a", '[1, {"b": 2}]', "[1]")]
    assert differences({"a": {"b": 1}}, {"a": 1}) == [("a", '{"b": 1}', "1")]
    assert differences({"a": 1}, {"a": True}) == [], "equal, as AllenNLP compares them"


def test_a_run_continues_with_more_epochs_and_with_fewer(allennlp: Any, tiny_overrides: str, tmp_path: Path) -> None:
    run = ["train", "training_config/biaffine.jsonnet", "-s", tmp_path / "run", "--include-package", "ner_plugins"]
    overrides = {**json.loads(tiny_overrides), "dataset_reader.max_instances": 40}
    overrides.pop("trainer.num_epochs")
    run += ["-o", json.dumps(overrides)]
    assert allennlp(*run, NER_EPOCHS="1").returncode == 0
    done = allennlp(*run, "--recover", NER_EPOCHS="2")
    assert done.returncode == 0, done.stderr
    assert "recovering with trainer.num_epochs 2 instead of 1" in done.stdout + done.stderr
    assert json.loads((tmp_path / "run/metrics.json").read_text())["epoch"] == 1
    assert json.loads((tmp_path / "run/config.json").read_text())["trainer"]["num_epochs"] == 2
    assert allennlp(*run, "--recover", NER_EPOCHS="1").returncode == 0
    refused = allennlp(*run, "--recover", NER_EPOCHS="3", NER_SEED="5")
    assert refused.returncode == 1 and "numpy_seed was 13370 and is 5" in refused.stderr


def test_more_epochs_at_a_constant_rate_are_the_longer_run_to_the_bit(
    allennlp: Any, tiny_overrides: str, tmp_path: Path
) -> None:
    overrides = {
        **json.loads(tiny_overrides),
        "dataset_reader.max_instances": 20,
        "trainer.learning_rate_scheduler": {"type": "constant"},
    }

    def train(name: str, epochs: int, *options: str) -> None:
        settings = json.dumps({**overrides, "trainer.num_epochs": epochs})
        done = allennlp("train", "training_config/biaffine.jsonnet", "-s", tmp_path / name, "-o", settings, *options,
                        "--include-package", "ner_plugins")  # fmt: skip
        assert done.returncode == 0, done.stderr

    train("run", 2)
    train("run", 4, "--recover")
    train("straight", 4)
    assert_same(tmp_path / "run", tmp_path / "straight")
