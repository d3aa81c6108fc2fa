"""The script that runs AllenNLP's own tests, on a suite of three tests."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from loaded_scripts import load_script

suite = load_script("allennlp_suite")
TESTS = """
import os
import pathlib

import pytest

def test_place():
    assert pathlib.Path(os.environ["ALLENNLP_SRC_DIR"], "test_fixtures/one.txt").read_text() == "1"

def test_known():
    assert 1 == 2, "as listed"

@pytest.mark.parametrize("value", [3, 4])
def test_value(value):
    assert value == 3

def test_skipped():
    pytest.skip("no")
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of AllenNLP with the tests above as its part `nn`."""
    folder = tmp_path / "allennlp"
    for name in ("allennlp", "tests/nn", "test_fixtures"):
        (folder / name).mkdir(parents=True)
    (folder / "allennlp/version.py").write_text('_MAJOR = "2"\n_MINOR = "10"\n_PATCH = "1"\n')
    for name in ("tests/__init__.py", "tests/nn/__init__.py", "pytest.ini", "README.md"):
        (folder / name).write_text("[pytest]\n" if name == "pytest.ini" else "")
    (folder / "test_fixtures/one.txt").write_text("1")
    (folder / "tests/nn/some_test.py").write_text(TESTS)
    return folder


@pytest.fixture
def models(checkout: Path) -> Path:
    folder = checkout.with_name("models")
    (folder / "tests").mkdir(parents=True)
    (folder / "allennlp_models").mkdir()
    (folder / "allennlp_models/version.py").write_text((checkout / "allennlp/version.py").read_text())
    return folder


def test_known_failures_are_counted_and_others_make_it_fail(
    checkout: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = {"no network": ["tests.nn.some_test::test_known"], "an old one": ["tests.nn.some_test::test_value[3]"]}
    (tmp_path / "known.json").write_text(json.dumps(known))
    monkeypatch.setattr(suite, "KNOWN", tmp_path / "known.json")
    arguments = [str(checkout), str(models), "--only", "nn", "--report", str(tmp_path / "report.json")]
    assert suite.main(arguments) == 1
    told = capsys.readouterr().out
    assert told.startswith("nn           2 passed, 2 failed, 1 skipped\n")
    assert "known: 1 no network\n" in told and "passes now: tests.nn.some_test::test_value[3] (an old one)\n" in told
    assert "fails, which is not known: tests.nn.some_test::test_value[4]\n" in told and "assert 4 == 3" in told
    assert told.endswith("1 failures that are not known\n")
    outcomes = {one["test"]: one["outcome"] for one in json.loads((tmp_path / "report.json").read_text())}
    assert outcomes["tests.nn.some_test::test_place"] == "passed" and len(outcomes) == 5
    known["no network"].append("tests.nn.some_test::test_value[4]")
    (tmp_path / "known.json").write_text(json.dumps(known))
    assert suite.report([suite.Result("tests.nn.some_test::test_value[4]", "failed", "")], suite.known_failures(
        tmp_path / "known.json")) == 0  # fmt: skip


@pytest.mark.parametrize(
    "version, told", [("", "no checkout of allennlp here"), ("2.9.3", "version 2.9.3, and the tests")]
)
def test_another_source_is_refused_with_the_command_that_gets_it(
    checkout: Path, models: Path, version: str, told: str
) -> None:
    path = checkout / "allennlp/version.py"
    if version:
        path.write_text('_MAJOR = "2"\n_MINOR = "9"\n_PATCH = "3"\n')
    else:
        path.unlink()
    with pytest.raises(
        SystemExit, match=f"{told}.*\\n.*git clone --depth 1 --branch v2.10.1 https://github.com/allenai/"
    ):
        suite.main([str(checkout), str(models)])


def test_the_stand_in_for_spacys_pipeline_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("spacy")
    import spacy

    monkeypatch.syspath_prepend(suite.stand_in_for_spacy(tmp_path))
    pipeline: Any = spacy.load("en_core_web_sm")
    assert [token.text for token in pipeline("I don't.")] == ["I", "do", "n't", "."]


def test_each_known_failure_has_one_cause() -> None:
    causes = json.loads(suite.KNOWN.read_text(encoding="utf-8"))
    tests = [test for tests in causes.values() for test in tests]
    assert len(tests) == len(set(tests)) > 0
    parts = "|".join(suite.PARTS)
    assert all(re.match(rf"tests\.({parts})\.[\w.]+::test_", test) for test in tests)
