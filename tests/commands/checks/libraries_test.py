"""Libraries of callbacks that are not installed."""

import importlib.util

import pytest

from ner_plugins.commands.checks.config import walk_config
from ner_plugins.commands.checks.libraries import missing_libraries

CONFIG = {"trainer": {"callbacks": ["ner_curves", {"type": "mlflow", "experiment": "ner"}, "wandb"]}}


def test_missing_libraries_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    messages = [mistake.text for mistake in missing_libraries(walk_config(CONFIG))]
    assert messages == [
        "trainer.callbacks.1: needs the package mlflow: pip install 'ner_plugins[tracking]'",
        "trainer.callbacks.2: needs the package wandb: pip install 'ner_plugins[tracking]'",
    ]


def test_installed_ones_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: asked.append(name) or name)
    assert list(missing_libraries(walk_config(CONFIG))) == [] and asked == ["mlflow", "wandb"]
