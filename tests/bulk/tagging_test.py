"""The actor, called directly."""

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ner_plugins.bulk.rows import input_schema
from ner_plugins.bulk.tagging import TaggerActor, output_schema, result_of
from ner_plugins.errors import ConfigError, NerError
from ner_plugins.tagger import Tagger

TEXTS = ["张三在北京大学读书", "", "刘晓燕去了北京"]


def table(texts: list[str | None], fields: str | None = None) -> Any:
    rows = [
        {"row": n, "file": "a", "line": n, "text": text, "fields": fields, "error": None if text is not None else "bad"}
        for n, text in enumerate(texts, start=1)
    ]
    return pa.Table.from_pylist(rows, input_schema())


@pytest.fixture(scope="module")
def archive(repository: Path) -> Path:
    return repository / "fixtures/archives/crf_tagger.tar.gz"


@pytest.fixture(scope="module")
def actor(archive: Path) -> TaggerActor:
    return TaggerActor(str(archive), None, device=-1)


def test_rows_are_those_of_the_tagger(actor: TaggerActor, archive: Path) -> None:
    found = actor(table([TEXTS[0], None, *TEXTS[1:]], '{"id": "刘"}'))
    assert found.schema == output_schema()
    rows = found.to_pylist()
    assert [row["row"] for row in rows] == [1, 2, 3, 4]
    assert (rows[1]["entities"], rows[1]["error"]) == (None, "bad")
    tagged = [one.to_json() for one in Tagger.from_path(archive, device=-1)(TEXTS)]
    assert tagged[0]["entities"]
    for row, expected in zip([rows[0], *rows[2:]], tagged, strict=True):
        assert row["text"] == expected["text"] and row["error"] is None
        for entity in expected["entities"]:
            entity["score"] = pytest.approx(entity["score"], abs=1e-5)
        assert row["entities"] == expected["entities"]
    assert result_of(rows[0])["fields"] == {"id": "刘"}


def test_a_text_that_cannot_be_tagged_is_an_error_alone(actor: TaggerActor, monkeypatch: pytest.MonkeyPatch) -> None:
    original = actor._tagger

    def failing(texts: list[str]) -> Any:
        if "b" in texts:
            raise NerError("the scores of text b are not numbers")
        return original(texts)

    monkeypatch.setattr(actor, "_tagger", failing)
    rows = actor(table([TEXTS[0], "b", "c", TEXTS[0]])).to_pylist()
    assert [row["error"] for row in rows] == [None, "the scores of text b are not numbers", None, None]
    assert rows[1]["entities"] is None and rows[0]["entities"] == rows[3]["entities"] != []


def test_an_error_of_loading_is_raised_by_the_first_call(archive: Path) -> None:
    actor = TaggerActor(str(archive), None, device=-1, types=["NOBODY"])
    with pytest.raises(ConfigError, match="NOBODY"):
        actor(table(["a"]))


def test_packages_are_imported(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "package_of_a_user.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RuntimeError, match="imported"):
        TaggerActor(str(archive), None, ["ner_plugins", "package_of_a_user"], device=-1)(table(["a"]))


def test_threads_are_set(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = torch.get_num_threads()
    try:
        TaggerActor(str(archive), 3, device=-1)
        assert torch.get_num_threads() == 3 and os.environ["OMP_NUM_THREADS"] == "3"
    finally:
        torch.set_num_threads(before)
