"""Without spaCy, the target names what to install."""

import sys

import pytest

from ner_plugins.errors import ConfigError
from ner_plugins.exports.spacy_pipeline import import_spacy


def test_without_spacy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy.vocab", None)
    with pytest.raises(ConfigError, match=r"pip install 'ner_plugins\[spacy\]'"):
        import_spacy()
