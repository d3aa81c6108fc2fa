"""The examples in docstrings give the results that they show."""

import doctest
from importlib import import_module

import pytest

import ner_plugins  # noqa: F401  (AllenNLP imports on these libraries only after it)

MODULES = [
    "modules.crf.crf",
    "modules.crf.tagging",
    "heads.decoding",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = import_module(f"ner_plugins.{name}")
    found = doctest.testmod(module)
    assert found.attempted > 0 and found.failed == 0
