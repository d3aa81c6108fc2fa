"""The reader that a file is for, where the configured one fails."""

from pathlib import Path
from typing import Any

import pytest
from allennlp.data import DatasetReader

from ner_plugins.commands.checks.readers import NO_ENTITY, NO_GOLD, fitting_reader, with_fitting_reader
from ner_plugins.data_tools.guess import ner_readers
from ner_plugins.dataset_readers.ner_reader import NerDatasetReader
from ner_plugins.errors import ConfigError, DataError, NerError


@pytest.fixture(autouse=True)
def from_the_root(monkeypatch: pytest.MonkeyPatch, repository: Path) -> None:
    monkeypatch.chdir(repository)


def config(reader: Any, **paths: str) -> dict[str, Any]:
    return {"dataset_reader": reader, "train_data_path": "fixtures/sample/train.json", **paths}


@pytest.mark.parametrize("reader", ["weibo", "brackets_ner", "datasets_ner", "kmou"])
def test_data_without_an_entity(reader: str) -> None:
    told = str(with_fitting_reader(ConfigError(f"{NO_ENTITY}, so there is nothing to learn"), config(reader)))
    assert told.startswith(
        f"{NO_ENTITY}, so there is nothing to learn\nfixtures/sample/train.json looks like a file for "
    )
    assert told.endswith(f"but dataset_reader.type is {reader}: set it, or NER_READER, to cluener")


def test_data_without_labels(tmp_path: Path) -> None:
    """CLUENER's reader takes any record with a text, but another recognises these with more certainty."""
    path = tmp_path / "rows.json"
    path.write_text('{"text": "雾港", "entities": [{"start": 0, "end": 2, "type": "LOC"}]}\n', encoding="utf-8")
    error = ConfigError(f"{NO_GOLD}, or the model has no loss to minimise")
    rows = {**config("cluener"), "train_data_path": str(path)}
    assert str(with_fitting_reader(error, rows)).endswith("set it, or NER_READER, to datasets_ner")
    assert with_fitting_reader(error, {**rows, "dataset_reader": "datasets_ner"}) is error
    path.write_text('{"text": "雾港"}\n', encoding="utf-8")
    assert with_fitting_reader(error, rows) is error


def test_an_error_in_a_file_names_that_files_reader() -> None:
    paths = config("cluener", validation_data_path="fixtures/msra/msra_test_bio")
    error = DataError("not JSON", path="fixtures/msra/msra_test_bio", line=1)
    assert "fixtures/msra/msra_test_bio looks like a file for the reader msra" in str(with_fitting_reader(error, paths))
    elsewhere = DataError("no such file", path="lexicon.txt")
    assert with_fitting_reader(elsewhere, paths) is elsewhere


def test_a_fitting_reader_keeps_its_error() -> None:
    error = DataError("not JSON", path="fixtures/sample/train.json", line=1)
    assert with_fitting_reader(error, config("cluener")) is error
    other = ConfigError("something else")
    assert with_fitting_reader(other, config("weibo")) is other
    general = NerError("something else")
    assert with_fitting_reader(general, config("weibo")) is general


@DatasetReader.register("readers_test", exist_ok=True)
class Silent(NerDatasetReader):
    pass


def test_a_reader_that_recognises_nothing_is_not_judged() -> None:
    assert fitting_reader("fixtures/sample/train.json", Silent) is None
    error = DataError("x", path="fixtures/sample/train.json")
    assert with_fitting_reader(error, config("readers_test")) is error
    assert with_fitting_reader(error, config("sequence_tagging")) is error


def test_files_that_no_reader_recognises_or_that_are_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "prose.txt").write_text("这是一本书。\n")
    weibo = ner_readers()["weibo"]
    assert fitting_reader(str(tmp_path / "prose.txt"), weibo) is None
    assert fitting_reader("https://host/train.json", weibo) is None
    assert fitting_reader(str(tmp_path / "missing"), weibo) is None


def test_a_drawn_split_of_a_folder() -> None:
    cluener = ner_readers()["cluener"]
    assert fitting_reader("fixtures/sample#dev", cluener, drawn=True) is None
    weibo = ner_readers()["weibo"]
    guess = fitting_reader("fixtures/sample/train.json#dev", weibo, drawn=True)
    assert guess is not None and guess.name == "cluener"


def test_the_command(allennlp: Any, tmp_path: Path) -> None:
    run = ["train", "training_config/crf_tagger.jsonnet", "-s", tmp_path / "run", "--include-package", "ner_plugins"]
    paths = {"NER_TRAIN": "fixtures/sample/train.json", "NER_DEV": "fixtures/sample/dev.json"}
    for extra in ([], ["--dry-run"]):
        done = allennlp(*run, *extra, NER_READER="brackets_ner", **paths)
        assert done.returncode == 1 and "NER_READER, to cluener" in done.stderr and "Traceback" not in done.stderr
