"""Archives as `allennlp train` writes them."""

import json
import os
import tarfile
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from allennlp.models import archival
from allennlp.models.archival import archive_model, load_archive
from allennlp.predictors import Predictor
from staged_runs import experiment, experiment_over_flat, train

from ner_plugins.errors import ConfigError

NEW = [("龘龘去北京", {"name": {"龘龘": [[0, 1]]}}), ("王明读书", {"name": {"王明": [[0, 1]]}})]


def write_sentences(path: Path, sentences: list) -> str:
    path.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in sentences))
    return str(path)


def members(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as opened:
        return {one.name: opened.extractfile(one).read() for one in opened if one.isfile()}


def test_what_an_archive_holds(tmp_path) -> None:
    train(experiment(num_epochs=1), tmp_path / "run")
    (tmp_path / "run/notes.txt").write_text("mine")
    path = archive_model(tmp_path / "run", archive_path=tmp_path, include_in_archive=["*.txt", "ner_assets", "vocab*"])
    found = members(Path(path))
    assert path == str(tmp_path / "model.tar.gz")
    assert found["weights.th"] == (tmp_path / "run/best.th").read_bytes() and found["notes.txt"] == b"mine"
    assert found["config.json"] == (tmp_path / "run/config.json").read_bytes()
    names = {"config.json", "meta.json", "notes.txt", "ner_assets/manifest.json", "weights.th"}
    names |= {f"vocabulary/{file.name}" for file in (tmp_path / "run/vocabulary").iterdir() if file.name != ".lock"}
    assert {name for name in found if not name.endswith(".lock")} == names
    with tarfile.open(path) as opened:
        every = opened.getnames()
    assert len(every) == len(set(every))
    load_archive(path)


def test_an_archive_has_its_name_when_it_is_whole(tmp_path, monkeypatch) -> None:
    train(experiment(num_epochs=1), tmp_path / "run")
    before = (tmp_path / "run/model.tar.gz").read_bytes()
    add = tarfile.TarFile.add

    def fail(self, name, *args, **kwargs):
        if str(name).endswith("vocabulary"):
            raise OSError("no space")
        add(self, name, *args, **kwargs)

    monkeypatch.setattr(tarfile.TarFile, "add", fail)
    with pytest.raises(OSError, match="no space"):
        archive_model(tmp_path / "run")
    assert (tmp_path / "run/model.tar.gz").read_bytes() == before
    assert not [name for name in os.listdir(tmp_path / "run") if "partial" in name]
    with pytest.raises(RuntimeError, match=r"weights file .*none\.th"):
        archive_model(tmp_path / "run", weights="none.th")


def test_a_model_trained_further_needs_no_other_archive(tmp_path) -> None:
    settings = experiment_over_flat()
    settings["trainer"].pop("callbacks")
    train(settings, tmp_path / "first")
    moved = tmp_path / "first.tar.gz"
    (tmp_path / "first/model.tar.gz").rename(moved)
    further = deepcopy(settings)
    further["model"] = {"type": "from_archive", "archive_file": str(moved)}
    further["train_data_path"] = write_sentences(tmp_path / "new.json", NEW)
    trained = train(further, tmp_path / "second")
    assert "龘" in trained.vocab.get_token_to_index_vocabulary("tokens")
    # Once more, from what was trained further.
    (tmp_path / "second/model.tar.gz").rename(tmp_path / "second.tar.gz")
    further["model"]["archive_file"] = str(tmp_path / "second.tar.gz")
    last = train(further, tmp_path / "third")
    moved.unlink()
    (tmp_path / "second.tar.gz").unlink()
    archive = load_archive(tmp_path / "third/model.tar.gz")
    assert archive.config["model"]["type"] == "flat"
    for name, tensor in last.state_dict().items():
        assert torch.equal(tensor, archive.model.state_dict()[name]), name
    predictor = Predictor.from_archive(archive)
    assert predictor.predict_json({"text": "龘龘去北京"})["text"] == "龘龘去北京"


def test_an_archive_that_is_gone_is_told(tmp_path, capsys) -> None:
    train(experiment(num_epochs=1), tmp_path / "first")
    settings = experiment(num_epochs=1)
    settings["model"] = {"type": "from_archive", "archive_file": str(tmp_path / "first/model.tar.gz")}
    train(settings, tmp_path / "second")
    (tmp_path / "first/model.tar.gz").unlink()
    archive_model(tmp_path / "second")
    assert "will need" in capsys.readouterr().out
    with pytest.raises(FileNotFoundError):
        load_archive(tmp_path / "second/model.tar.gz")


def test_types_that_the_model_cannot_learn_are_told(tmp_path) -> None:
    train(experiment(num_epochs=1), tmp_path / "first")
    settings = experiment(num_epochs=1)
    settings["model"] = {"type": "from_archive", "archive_file": str(tmp_path / "first/model.tar.gz")}
    sentence = [("王明读书", {"wizard": {"王明": [[0, 1]]}})]
    settings["train_data_path"] = write_sentences(tmp_path / "new.json", sentence)
    settings["dataset_reader"] = {"type": "cluener"}
    with pytest.raises(ConfigError, match="the entity type 'wizard', but the archive's model only has"):
        train(settings, tmp_path / "second")


def test_it_is_the_one_that_allennlp_calls() -> None:
    from allennlp.commands import train as command

    assert command.archive_model is archival.archive_model is archive_model
    assert archive_model.__module__ == "ner_plugins.archives.writing"
