"""Archives with parts that are damaged, missing, or something else."""

import json
import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from allennlp.models.archival import load_archive

from ner_plugins.commands.command_line import describe
from ner_plugins.errors import ArchiveError

ARCHIVE = Path(__file__).resolve().parents[2] / "fixtures/archives/crf_tagger.tar.gz"


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("content")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder


def config_with(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        (folder / "config.json").write_text(json.dumps({**config, **changes}), encoding="utf-8")

    return change


def file_with(name: str, text: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(text) and None


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: shutil.rmtree(folder / name) if (folder / name).is_dir() else (folder / name).unlink()


def weights_of(value: Any) -> Callable[[Path], None]:
    return lambda folder: torch.save(value, folder / "weights.th")


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "config is a list": (file_with("config.json", b"[1, 2]"), r"config\.json: is \[1, 2\], but has to be an object"),
    "config is cut": (file_with("config.json", b'{"model": {'), r"config\.json"),
    "config is empty": (file_with("config.json", b""), r"config\.json"),
    "no config": (without("config.json"), r"config\.json"),
    "model is null": (config_with(model=None), r"config\.json: model is null, but has to be an object"),
    "model is a list": (config_with(model=[1]), r"config\.json: model is \[1\]"),
    "reader is a number": (config_with(dataset_reader=3), r"config\.json: dataset_reader is 3"),
    "no vocabulary": (without("vocabulary"), "vocabulary: not found"),
    "no labels": (without("vocabulary/tokens.txt"), "do not fit|vocabulary"),
    "labels are no text": (file_with("vocabulary/tokens.txt", b"\xff\xfe\n"), "not UTF-8"),
    "meta is cut": (file_with("meta.json", b'{"ver'), r"meta\.json: does not hold the version"),
    "meta is a list": (file_with("meta.json", b"[]"), r"meta\.json: does not hold the version"),
    "no weights": (without("weights.th"), r"weights|best\.th"),
    "weights are empty": (file_with("weights.th", b""), r"weights\.th: the weights are damaged"),
    "weights are a list": (weights_of([torch.ones(1)]), r"weights\.th: does not hold a model's weights, but a list"),
    "weights are numbers": (weights_of({"a": 1}), r"weights\.th: does not hold a model's weights: a is a int"),
    "weights of another model": (weights_of({"a": torch.ones(1)}), "the weights do not fit this model"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_part_is_told_in_one_message(damage: str, content: Path, tmp_path: Path) -> None:
    change, said = DAMAGES[damage]
    shutil.copytree(content, tmp_path / "content")
    change(tmp_path / "content")
    with tarfile.open(tmp_path / "changed.tar.gz", "w:gz") as archive:
        for path in (tmp_path / "content").iterdir():
            archive.add(path, arcname=path.name)
    with pytest.raises(Exception, match=r"(?s).") as told:
        load_archive(tmp_path / "changed.tar.gz")
    message = describe(told.value)
    assert message is not None, repr(told.value)
    assert "ner-archive-" not in message, "the folder that it was extracted to means nothing to a user"
    assert re.search(said, message), message
    assert isinstance(told.value, ArchiveError) == (str(tmp_path / "changed.tar.gz") in message)


def test_a_reader_that_is_given_by_its_name_is_loaded(content: Path, tmp_path: Path) -> None:
    shutil.copytree(content, tmp_path / "content")
    config_with(dataset_reader="cluener")(tmp_path / "content")
    assert type(load_archive(tmp_path / "content").dataset_reader).__name__ == "CluenerReader"
