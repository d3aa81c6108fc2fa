"""Files and folders that are missing, and paths that are never looked up."""

import os
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from allennlp.data import DatasetReader

from ner_plugins.commands.checks.config import walk_config
from ner_plugins.commands.checks.files import missing_files
from ner_plugins.dataset_readers.ner_reader import NerDatasetReader

EMBEDDER = {"token_embedders": {"tokens": {"type": "ner_embedding"}}}


@pytest.fixture(autouse=True)
def from_the_root(monkeypatch: pytest.MonkeyPatch, repository: Path) -> None:
    monkeypatch.chdir(repository)
    monkeypatch.delenv("NER_DATA", raising=False)


def messages(reader: Any = "cluener", **parts: Any) -> list[str]:
    config = {
        "dataset_reader": reader, "train_data_path": "fixtures/cluener#train", "data_loader": {"batch_size": 4},
        "model": {"type": "crf_tagger", "text_field_embedder": EMBEDDER}, "trainer": {}, **parts,
    }  # fmt: skip
    walk = walk_config(config)
    assert walk.mistakes == []
    return [mistake.text for mistake in missing_files(config, walk)]


@pytest.mark.parametrize(
    "path, expected",
    [
        ("fixtures/cleuner#train", "train_data_path: fixtures/cleuner: no such file. Did you mean fixtures/cluener?"),
        ("fixtures/cluener/trian.json", "train_data_path: fixtures/cluener/trian.json: no such file"),
        ("fixtures/weibo#train", "train_data_path: fixtures/weibo: the reader cluener finds none of its splits in it"),
        ("fixtures/cluener", "train_data_path: fixtures/cluener: a folder, not a file. Choose one of"),
        (
            "fixtures/cluener/train.json#train",
            "train_data_path: fixtures/cluener/train.json: one file, which has no split",
        ),
        ("fixtures/cluener#trian", "train_data_path: fixtures/cluener#trian: unknown split 'trian'"),
        (["fixtures/cluener/train.json"], 'train_data_path is ["fixtures/cluener/train.json"], but has to be a path'),
    ],
)
def test_data_that_are_missing(path: Any, expected: str) -> None:
    [message] = messages(train_data_path=path)
    assert message.startswith(expected)


def test_each_path_is_looked_up_with_its_reader() -> None:
    paths = {"validation_data_path": "fixtures/weibo#dev", "test_data_path": "fixtures/weibo#tset"}
    assert len(messages(**paths)) == 2
    assert len(messages(validation_dataset_reader="weibo", **paths)) == 1


def test_a_folder_of_another_reader_is_recognised() -> None:
    [message] = messages(train_data_path="fixtures/weibo#train")
    assert "The reader weibo fits (" in message
    [message] = messages(train_data_path="fixtures/lexicon#train")
    assert "fits" not in message


def test_data_that_are_there(tmp_path: Path, repository: Path) -> None:
    train = repository / "fixtures/cluener/train.json"
    with zipfile.ZipFile(tmp_path / "corpus.zip", "w") as archive:
        archive.write(train, "inner/train.json")
    with tarfile.open(tmp_path / "corpus.tar.gz", "w:gz") as archive:
        archive.add(train, "train.json")
    (tmp_path / "a#b!c.json").write_bytes(train.read_bytes())
    os.mkfifo(tmp_path / "pipe")
    paths = [
        "fixtures/cluener#train", "fixtures/cluener/train.json", "corpus.zip#train", "corpus.zip!inner#train",
        "corpus.zip!train.json", "corpus.tar.gz#train", "a#b!c.json", "pipe", "https://host/corpus.zip#train",
    ]  # fmt: skip
    for path in paths:
        found = path if path.startswith(("fixtures", "https")) else str(tmp_path / path)
        assert messages(train_data_path=found) == [], path
    assert "no members are called 'tset.json'" in messages(train_data_path=f"{tmp_path}/corpus.zip!tset.json")[0]


def test_a_drawn_development_split() -> None:
    drawn = {"type": "msra", "dev_fraction": 0.5}
    paths = {"train_data_path": "fixtures/msra#train", "validation_data_path": "fixtures/msra#dev"}
    assert messages(reader=drawn, **paths) == []
    [message] = messages(reader="msra", **paths)
    assert message.startswith("validation_data_path: fixtures/msra: ") and "dev_fraction" in message


def test_large_compressed_archives_are_not_decompressed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "corpus.tar.gz").write_bytes(b"\x1f\x8b" + bytes(1 << 10))
    assert messages(train_data_path=f"{tmp_path}/corpus.tar.gz#train")
    monkeypatch.setattr("ner_plugins.commands.checks.files._LARGEST_TAR", 1 << 9)
    assert messages(train_data_path=f"{tmp_path}/corpus.tar.gz#train") == []


@DatasetReader.register("files_test_needy", exist_ok=True)
class Needy(NerDatasetReader):
    def __init__(self, needed: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)


@DatasetReader.register("files_test_own", exist_ok=True)
class OwnPaths(NerDatasetReader):
    def _read(self, file_path: str) -> Any:
        yield from ()


def test_readers_of_others_read_paths_in_their_own_way() -> None:
    assert messages(reader="sequence_tagging", train_data_path=["a", "b*"]) == []
    assert messages(reader="files_test_own", train_data_path="corpus of 2026") == []
    needy = {"type": "files_test_needy", "needed": 3}
    assert messages(reader=needy, train_data_path="fixtures/cluener#train") == []
    assert len(messages(reader=needy, train_data_path="fixtures/cleuner#train")) == 1


@pytest.mark.parametrize(
    "parts, key",
    [
        (
            {"reader": {"type": "cluener", "lexicon": {"path": "x.vec"}}},
            "dataset_reader.lexicon.path: x.vec: no such file",
        ),
        (
            {
                "model": {
                    "type": "flat",
                    "text_field_embedder": EMBEDDER,
                    "lattice_encoder": {"words": {"pretrained_file": "x"}},
                }
            },
            "model.lattice_encoder.words.pretrained_file: x: no such file",
        ),
        (
            {"vocabulary": {"pretrained_files": {"tokens": "x.vec"}}},
            "vocabulary.pretrained_files.tokens: x.vec: no such",
        ),
        ({"vocabulary": {"type": "from_files", "directory": "vocab"}}, "vocabulary.directory: vocab: no such file"),
        ({"model": {"type": "from_archive", "archive_file": "m.tar.gz"}}, "model.archive_file: m.tar.gz: no such file"),
        (
            {"reader": {"type": "cluener", "tokenizer": {"type": "ner_subwords", "model_name": "./none"}}},
            "dataset_reader.tokenizer.model_name: there is no encoder folder './none'",
        ),
    ],
)
def test_other_files(parts: dict[str, Any], key: str) -> None:
    [message] = messages(**parts)
    assert message.startswith(key)


@pytest.mark.parametrize(
    "parts",
    [
        {"reader": {"type": "cluener", "lexicon": {"path": "fixtures/lexicon/words.vec"}}},
        {"reader": {"type": "cluener", "lexicon": {"path": "https://host/words.vec"}}},
        {"model": {"type": "from_archive", "archive_file": "https://host/model.tar.gz"}},
        {"model": {"type": "from_archive", "archive_file": "hf://owner/name"}},
        {"vocabulary": {"pretrained_files": {"tokens": "(https://host/vectors.zip)#words.txt"}}},
        {"vocabulary": {"type": "from_files", "directory": "fixtures/archives/biaffine.tar.gz!vocabulary"}},
        {"reader": {"type": "cluener", "tokenizer": {"type": "ner_subwords", "model_name": "owner/name"}}},
    ],
)
def test_what_is_there_or_elsewhere(parts: dict[str, Any]) -> None:
    assert messages(**parts) == []
