"""Predictions are made once for an archive and data."""

import shutil
from pathlib import Path

import pytest

from ner_plugins.comparison.predictions import FOLDER, LabelledData, predictions_of
from ner_plugins.comparison.span_counts import PredictedSentence
from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError, DataError

SENTENCES = [
    PredictedSentence("张三\ud800\u2028在北京", [Entity(0, 2, "PER")], [Entity(0, 2, "PER"), Entity(3, 5, "a b")]),
    PredictedSentence("", [], []),
]


class Predictor:
    """Counts its calls."""

    def __init__(self) -> None:
        self.archives: list[str] = []

    def __call__(self, archive: str) -> list[PredictedSentence]:
        self.archives.append(archive)
        return SENTENCES


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "model.tar.gz").write_bytes(b"weights")
    return folder


@pytest.fixture
def data(tmp_path: Path) -> LabelledData:
    (tmp_path / "dev.json").write_text("gold")
    return LabelledData.at(str(tmp_path / "dev.json"))


def test_predictions_are_made_once(run: Path, data: LabelledData) -> None:
    predict = Predictor()
    assert predictions_of(run, data, predict) == SENTENCES
    assert predictions_of(run, data, predict) == SENTENCES
    assert predict.archives == [str(run / "model.tar.gz")]


def test_another_archive_or_other_data_are_predicted_anew(run: Path, data: LabelledData, tmp_path: Path) -> None:
    predict = Predictor()
    predictions_of(run, data, predict)
    (run / "model.tar.gz").write_bytes(b"other weights")
    predictions_of(run, data, predict)
    (tmp_path / "dev.json").write_text("other gold")
    predictions_of(run, LabelledData.at(str(tmp_path / "dev.json")), predict)
    assert len(predict.archives) == 3 and len(list((run / FOLDER).iterdir())) == 3


def test_data_are_the_same_in_another_place(data: LabelledData, tmp_path: Path) -> None:
    shutil.copy(tmp_path / "dev.json", tmp_path / "copy.json")
    assert LabelledData.at(str(tmp_path / "copy.json")).digest == data.digest


def test_the_files_and_the_split_of_a_folder_count(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "dev.json").write_text("gold")
    found = [LabelledData.at(f"{folder}#{split}").digest for split in ("dev", "test")]
    (folder / "more.json").write_text("more")
    found.append(LabelledData.at(f"{folder}#dev").digest)
    assert len(set(found)) == 3
    with pytest.raises(DataError, match="no such file"):
        LabelledData.at(str(tmp_path / "missing"))


def test_predictions_outlive_the_archive(run: Path, data: LabelledData) -> None:
    predict = Predictor()
    predictions_of(run, data, predict)
    (run / "model.tar.gz").unlink()
    assert predictions_of(run, data, predict) == SENTENCES and len(predict.archives) == 1


def test_without_archive_and_predictions(run: Path, data: LabelledData) -> None:
    (run / "model.tar.gz").unlink()
    with pytest.raises(ConfigError, match=r"there is no model\.tar\.gz, and no files of earlier predictions on .*dev"):
        predictions_of(run, data, Predictor())
    (run / "best.th").write_bytes(b"weights")  # the folder of a run without an archive is one
    predict = Predictor()
    predictions_of(run, data, predict)
    assert predict.archives == [str(run)]


def test_a_damaged_file_is_made_again(run: Path, data: LabelledData, caplog: pytest.LogCaptureFixture) -> None:
    predict = Predictor()
    predictions_of(run, data, predict)
    [file] = (run / FOLDER).iterdir()
    whole = file.read_text()
    for damaged in ("", whole[: len(whole) // 2], whole.partition("\n")[0] + "\n", "[]\n"):
        file.write_text(damaged)
        assert predictions_of(run, data, predict) == SENTENCES and file.read_text() == whole
    assert len(predict.archives) == 5 and "is damaged" in caplog.text


def test_a_failure_leaves_nothing(run: Path, data: LabelledData) -> None:
    def predict(archive: str) -> list[PredictedSentence]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predictions_of(run, data, predict)
    assert not (run / FOLDER).exists()
