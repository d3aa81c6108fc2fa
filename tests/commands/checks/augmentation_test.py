"""Augmentations without effect are told before training."""

from pathlib import Path
from typing import Any

import pytest
from staged_runs import experiment

from ner_plugins.commands.checks.config import check_config
from ner_plugins.errors import ConfigError


def settings(trainer: str = "ner", **reader: Any) -> dict[str, Any]:
    made = experiment(type=trainer)
    made["dataset_reader"] |= {"augmentation": [{"type": "concatenate"}], **reader}
    return made


def test_the_trainer_ner_augments(tmp_path: Path) -> None:
    check_config(settings(), tmp_path / "run")


def test_others_do_not(tmp_path: Path) -> None:
    made = settings("gradient_descent")
    made["trainer"].pop("callbacks", None)
    with pytest.raises(ConfigError, match=r'^dataset_reader.augmentation needs "type": "ner" in trainer$'):
        check_config(made, tmp_path / "run")


def test_validation_data_are_not_augmented(tmp_path: Path) -> None:
    made = settings()
    made["validation_dataset_reader"] = made["dataset_reader"]
    with pytest.raises(ConfigError, match=r"^validation_dataset_reader.augmentation has no effect"):
        check_config(made, tmp_path / "run")


def test_changed_sentences_have_no_neighbours(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="leave out one of the two"):
        check_config(settings(context_sentences=1, documents="file"), tmp_path / "run")


def test_misspelt_options_are_told(tmp_path: Path) -> None:
    made = settings(augmentation=[{"type": "hide_tokens", "where": "outsid"}])
    with pytest.raises(ConfigError, match="outsid"):
        check_config(made, tmp_path / "run")
