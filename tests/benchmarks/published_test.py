"""Estimates of the published configs: their settings, one dry run, the table."""

import importlib
import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from forked import run_instead
from tiny_encoders import make_encoder

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("published")


def test_settings_are_those_of_the_first_lines(published: Any) -> None:
    data = Path("/data")
    found = published.settings_of(published.CONFIGS / "nerco_weibo.jsonnet", "encoder", data)
    assert found["NER_DATA"] == "/data/weibo" and found["NER_READER"] == "weibo" and found["NER_ENCODER"] == "encoder"
    assert found["NER_LEXICON"] == found["NER_WORD_VECTORS"] == "/data/lexicon/synonyms-3.8.0.words.vector.gz"
    from_nothing = published.settings_of(published.CONFIGS / "conll2003_bilstm_crf.jsonnet", "encoder", data)
    assert from_nothing["NER_ENCODER"] == ""


def test_a_dry_run_becomes_a_row(published: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(published, "subprocess", SimpleNamespace(run=run_instead))
    monkeypatch.setattr(published, "RECORDS", tmp_path)
    monkeypatch.setattr(published, "PLACES", {**published.PLACES, "data/cluener": "cluener"})
    encoder = make_encoder(tmp_path / "encoder")
    arguments = ["--encoder", encoder, "--data", str(ROOT / "fixtures"), "--only", "bert4ner_crf", "--threads", "1"]
    published.main(arguments)
    row = capsys.readouterr().out.strip().splitlines()[-1].split(" | ")
    (record,) = tmp_path.glob("bert4ner_crf*.json")
    kept = json.loads(record.read_text())
    assert row[0] == "| `bert4ner_crf`" and row[3] == kept["epochs"] == "4" and row[5].startswith(kept["memory"])
    assert float(kept["step_seconds"]) > 0 and kept["memory"].endswith("B")
    monkeypatch.setattr(published, "estimate", None)  # it is not repeated
    published.main(arguments)


def test_a_run_that_does_not_fit_is_said(published: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = subprocess.CompletedProcess([], -9, "", "")
    monkeypatch.setattr(published, "subprocess", SimpleNamespace(run=lambda *_, **__: killed))
    figures = published.estimate(published.CONFIGS / "bert4ner_crf.jsonnet", {}, 1)
    assert "| `bert4ner_crf` |  |  |  |  | more than this machine has |" in published.table({"bert4ner_crf": figures})
