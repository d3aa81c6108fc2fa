import hashlib
from pathlib import Path

import pytest
import torch

from ner_plugins.dataset_readers.json.cluener import CluenerReader
from ner_plugins.files.digests import sha256
from ner_plugins.training.watching.run_facts import digests, parameters, peak_memory, seeds, versions

SAMPLE = Path(__file__).resolve().parents[3] / "fixtures/sample"


def test_sha256(tmp_path: Path) -> None:
    content = b"abc" * 1_000_000
    (tmp_path / "file").write_bytes(content)
    assert sha256(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_the_digests_of_a_split_are_of_its_files() -> None:
    [train] = digests(f"{SAMPLE}#train", CluenerReader())
    assert train["file"] == str(SAMPLE / "train.json") and train["sha256"] == sha256(SAMPLE / "train.json")
    assert train["bytes"] == (SAMPLE / "train.json").stat().st_size
    assert digests(str(SAMPLE / "train.json")) == [train]


def test_an_archive_has_one_digest(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "corpus.zip", "w") as file:
        file.write(SAMPLE / "train.json", "train.json")
    [found] = digests(f"{tmp_path / 'corpus.zip'}#train", CluenerReader())
    assert found["sha256"] == sha256(tmp_path / "corpus.zip")


@pytest.mark.parametrize("path", ["nowhere.json", "some reader's own notation"])
def test_a_path_that_is_no_file_has_none(path: str) -> None:
    assert digests(path) == []


def test_parameters() -> None:
    model = torch.nn.Linear(3, 2)
    model.bias.requires_grad = False
    assert parameters(model) == {"all": 8, "trainable": 6}


def test_seeds_of_a_config_without_them_are_allennlps(tmp_path: Path) -> None:
    assert seeds(tmp_path) == {}
    (tmp_path / "config.json").write_text('{"numpy_seed": null, "random_seed": 4}')
    assert seeds(tmp_path) == {"random_seed": 4, "numpy_seed": None, "pytorch_seed": 133}


def test_versions_and_memory() -> None:
    assert versions()["torch"].startswith(torch.__version__.partition("+")[0])
    memory = peak_memory(torch.device("cpu"))
    assert memory["cuda"] is None and memory["process"] is not None and memory["process"] > 10
