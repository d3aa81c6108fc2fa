"""`allennlp ner-data stats`: once as a user runs it, and its function."""

import argparse
import json
from pathlib import Path

import pytest

from ner_plugins.commands.ner_data import stats
from ner_plugins.errors import NerError


def run(*arguments: object) -> None:
    parser = argparse.ArgumentParser()
    stats.add_arguments(parser)
    stats.run(parser.parse_args(list(map(str, arguments))))


def test_a_table_and_a_picture(allennlp, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    paths = ("fixtures/cluener", "fixtures/klp")
    done = allennlp("ner-data", "stats", *paths, "--plot", tmp_path / "p.png", LC_ALL="C.UTF-8")
    assert done.returncode == 0, done.stderr
    assert "cluener#train" in done.stdout and "klp#dev" in done.stdout and "address" in done.stdout
    assert "fixtures/cluener: read as cluener (" in done.stderr and "Warning" not in done.stderr
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_json_and_a_reader(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = {"type": "conll2003_ner", "entity_types": ["PER"]}
    run(repository / "fixtures/conll2003/eng.testa", "--reader", json.dumps(spec), "--json")
    found = json.loads(capsys.readouterr().out)
    assert [corpus["name"] for corpus in found["corpora"]] == ["eng.testa"]
    assert list(found["corpora"][0]["types"]) == ["PER"] and found["shared_texts"] == []


def test_a_picture_that_cannot_be_written_stops_before_reading(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(NerError, match="--plot"):
        run(tmp_path / "no such corpus", "--plot", tmp_path / "no/p.png")


def test_no_reader(repository: Path) -> None:
    with pytest.raises(NerError, match=r"README\.md: no reader fits"):
        run(repository / "README.md")
