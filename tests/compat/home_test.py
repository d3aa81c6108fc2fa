"""Users without a home folder."""

import os
from pathlib import Path

import pytest

from ner_plugins.compat.home import NOWHERE, supply_home


def test_a_user_without_a_home_gets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(os, "getuid"):
        pytest.skip("needs numbers of users")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 3_999_999_999)  # nobody's number
    supply_home()
    assert os.environ["HOME"] == NOWHERE and Path.home() == Path(NOWHERE)
    monkeypatch.setenv("HOME", "/somewhere")
    supply_home()
    assert os.environ["HOME"] == "/somewhere"
