"""A model with an encoder of ours, archived by AllenNLP and loaded where the encoder's folder is gone."""

import json
import shutil
from pathlib import Path
from typing import Any, Iterable

import pytest
import torch
from allennlp.common import Params
from allennlp.common.params import with_overrides
from allennlp.data import DatasetReader, Instance, TokenIndexer, Vocabulary
from allennlp.data.fields import TextField
from allennlp.data.tokenizers import Token
from allennlp.models import Model
from allennlp.models.archival import archive_model, load_archive
from allennlp.modules import TextFieldEmbedder
from tiny_encoders import FAMILIES, make_encoder

from ner_plugins.errors import ArchiveError


@DatasetReader.register("archived_encoder_test")
class _Reader(DatasetReader):  # type: ignore[misc]
    def __init__(self, token_indexers: dict[str, TokenIndexer], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.token_indexers = token_indexers

    def _read(self, file_path: str) -> Iterable[Instance]:
        yield self.text_to_instance(file_path)

    def text_to_instance(self, text: str) -> Instance:
        return Instance({"tokens": TextField([Token(c) for c in text], self.token_indexers)})


@Model.register("archived_encoder_test")
class _Model(Model):  # type: ignore[misc]
    def __init__(self, vocab: Vocabulary, text_field_embedder: TextFieldEmbedder, **kwargs: Any) -> None:
        super().__init__(vocab, **kwargs)
        self.text_field_embedder = text_field_embedder

    def forward(self, tokens: Any) -> dict[str, torch.Tensor]:
        return {"vectors": self.text_field_embedder(tokens)}


def _config(model_name: str) -> dict[str, Any]:
    encoder = {"type": "ner_transformer", "model_name": model_name}
    return {
        "dataset_reader": {"type": "archived_encoder_test", "token_indexers": {"encoder": encoder}},
        "model": {
            "type": "archived_encoder_test",
            "text_field_embedder": {"token_embedders": {"encoder": {**encoder, "last_layer_only": False}}},
        },
    }


def _train(config: dict[str, Any], directory: Path) -> tuple[DatasetReader, Model]:
    """What `allennlp train` does, less the training: the weights are made different from the encoder folder's."""
    directory.mkdir()
    reader = DatasetReader.from_params(Params(config).duplicate()["dataset_reader"], serialization_dir=str(directory))
    vocab = Vocabulary()
    model = Model.from_params(Params(config).duplicate()["model"], vocab=vocab, serialization_dir=str(directory))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.25)
    Params(config).to_file(str(directory / "config.json"))
    vocab.save_to_files(str(directory / "vocabulary"))
    torch.save(model.state_dict(), directory / "best.th")
    return reader, model


@pytest.mark.parametrize("family", FAMILIES)
def test_an_archive_carries_its_encoder(family: str, tmp_path: Path) -> None:
    name = make_encoder(tmp_path / "encoder", family)
    reader, model = _train(_config(name), tmp_path / "run")
    instance = reader.text_to_instance("我在北京 Aé서울" * 8)
    expected = model.eval().forward_on_instance(instance)["vectors"]
    archive_model(str(tmp_path / "run"), include_in_archive=["ner_assets"])
    shutil.move(tmp_path / "run" / "model.tar.gz", tmp_path / "model.tar.gz")
    shutil.rmtree(tmp_path / "run")
    shutil.rmtree(name)
    archive = load_archive(tmp_path / "model.tar.gz")
    loaded = archive.dataset_reader.text_to_instance("我在北京 Aé서울" * 8)
    vectors = archive.model.eval().forward_on_instance(loaded)["vectors"]
    torch.testing.assert_close(torch.tensor(vectors), torch.tensor(expected), atol=1e-5, rtol=0)


def test_an_archive_without_assets_is_refused(tmp_path: Path) -> None:
    name = make_encoder(tmp_path / "encoder")
    _train(_config(name), tmp_path / "run")
    load_archive(archive_model(str(tmp_path / "run")))  # which takes the assets along by itself
    shutil.rmtree(tmp_path / "run" / "ner_assets")
    with pytest.raises(ArchiveError, match=r"model.tar.gz/ner_assets/manifest.json: not found.*or retrain"):
        load_archive(archive_model(str(tmp_path / "run")))  # though the encoder's folder is still there


def test_another_encoder_cannot_be_put_in_place(tmp_path: Path) -> None:
    name, other = make_encoder(tmp_path / "encoder"), make_encoder(tmp_path / "other")
    _train(_config(name), tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    key = "model.text_field_embedder.token_embedders.encoder.model_name"
    changed = with_overrides(config, {key: other})
    with pytest.raises(ArchiveError, match=r"encoder '.*other' \(other-.*it carries encoder-.*no override"):
        load_archive(tmp_path / "run", overrides=json.dumps(changed))


def test_taking_up_a_run_reads_the_pretrained_folder(tmp_path: Path) -> None:
    name = make_encoder(tmp_path / "encoder")
    _, model = _train(_config(name), tmp_path / "run")
    params = Params(_config(name))["model"]
    again = Model.from_params(params, vocab=Vocabulary(), serialization_dir=str(tmp_path / "run"))
    weight = "text_field_embedder.token_embedder_encoder.encoder.embeddings.word_embeddings.weight"
    torch.testing.assert_close(again.state_dict()[weight] * 1.25, model.state_dict()[weight])
