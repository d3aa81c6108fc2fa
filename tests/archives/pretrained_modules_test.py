"""Modules taken from an archive (`_pretrained`), over data with another vocabulary."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from allennlp.common import Params
from allennlp.data import Batch, Vocabulary
from allennlp.models import Model
from allennlp.models.archival import load_archive
from staged_runs import experiment, experiment_over_flat, train
from tiny_encoders import make_encoder

from ner_plugins.commands.checks.config import walk_config
from ner_plugins.commands.checks.files import missing_files
from ner_plugins.errors import ConfigError

SENTENCES = ["<龘龘:name>去<北京:address>读书\n", "<北京:address>的<王明:name>\n"]
NORMAL = {"type": "ner_embedding", "embedding_dim": 6, "token_dropout": 0.2}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of a tagger over embeddings of characters."""
    folder = tmp_path_factory.mktemp("first")
    settings = experiment(num_epochs=1)
    settings["model"]["text_field_embedder"]["token_embedders"]["tokens"] = NORMAL
    train(settings, folder)
    return folder / "model.tar.gz"


def over(archive: Path, folder: Path, *keys: str, **options: Any) -> dict[str, Any]:
    """A config over other data, whose model takes modules from the archive."""
    (folder / "new.txt").write_text("".join(SENTENCES), encoding="utf-8")
    settings = experiment(num_epochs=1)
    settings["dataset_reader"] = {"type": "brackets_ner"}
    settings["train_data_path"] = settings["validation_data_path"] = str(folder / "new.txt")
    for key in keys:
        settings["model"][key] = {"_pretrained": {"archive_file": str(archive), "module_path": key, **options}}
    return settings


def batch_of(model: Any, reader: Any, path: Path) -> dict[str, Any]:
    instances = list(reader.read(str(path)))
    for instance in instances:
        reader.apply_token_indexers(instance)
    batch = Batch(instances)
    batch.index_instances(model.vocab)
    return batch.as_tensor_dict()


def test_each_token_keeps_its_vector_and_the_archive_needs_no_other(first: Path, tmp_path: Path) -> None:
    before = load_archive(first)
    moved = tmp_path / "first.tar.gz"
    moved.write_bytes(first.read_bytes())
    model = train(over(moved, tmp_path, "text_field_embedder", "encoder"), tmp_path / "second")
    moved.unlink()
    old, new = (one.get_token_to_index_vocabulary("tokens") for one in (before.model.vocab, model.vocab))
    assert new["北"] != old["北"] and "龘" not in old, "the vocabularies differ"
    archive = load_archive(tmp_path / "second/model.tar.gz")
    assert archive.config["model"]["text_field_embedder"]["token_embedders"]["tokens"] == NORMAL
    assert '"_pretrained"' not in json.dumps(archive.config.as_dict(quiet=True))
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, archive.model.state_dict()[name]), name
    # Frozen, so that they still give a text the vectors that they gave it in the first model, strangers included.
    models = [before.model.eval(), archive.model.eval()]
    batches = [batch_of(one, archive.dataset_reader, tmp_path / "new.txt")["tokens"] for one in models]
    assert not torch.equal(batches[0]["tokens"]["tokens"], batches[1]["tokens"]["tokens"])
    mask = batches[1]["tokens"]["tokens"] > 0
    torch.testing.assert_close(*(one.contextualise(batch, mask) for one, batch in zip(models, batches, strict=True)))


def test_a_module_that_is_not_frozen_learns(first: Path, tmp_path: Path) -> None:
    before = load_archive(first).model.encoder.state_dict()
    model = train(over(first, tmp_path, "encoder", freeze=False), tmp_path / "second")
    assert not torch.equal(before["_module.weight_hh_l0"], model.encoder.state_dict()["_module.weight_hh_l0"])
    assert all(parameter.requires_grad for parameter in model.encoder.parameters())


def build(settings: dict[str, Any], *tokens: str, types: tuple[str, ...] = ("name",)) -> Any:
    """The model of a config over a vocabulary."""
    vocab = Vocabulary()
    for token in tokens:
        vocab.add_token_to_namespace(token, "tokens")
    for name in types:
        vocab.add_token_to_namespace(name, "entity_labels")
    return Model.from_params(Params(deepcopy({"model": settings["model"]})).pop("model"), vocab=vocab)


def test_an_embedder_among_others(first: Path, tmp_path: Path) -> None:
    settings = over(first, tmp_path)
    module = "text_field_embedder.token_embedder_tokens"
    embedders = {"tokens": {"_pretrained": {"archive_file": str(first), "module_path": module}}}
    settings["model"]["text_field_embedder"]["token_embedders"] = embedders
    before = load_archive(first).model
    known = before.vocab.get_index_to_token_vocabulary("tokens")
    embedding = build(settings, known[7], "㐀", known[3]).text_field_embedder.token_embedder_tokens
    weight = before.text_field_embedder.token_embedder_tokens.weight
    assert torch.equal(embedding.weight, weight[[0, 1, 7, 1, 3]]), "padding, unknown, and a stranger as unknown"
    assert embedding.num_embeddings == 5 and not embedding.weight.requires_grad


@pytest.mark.parametrize(
    "change, message",
    [
        ({"module_path": "text_field_embedder"}, "is a BasicTextFieldEmbedder, but has to be a Seq2SeqEncoder"),
        ({"module_path": "enkoder"}, "does not have; it has text_field_embedder, encoder, dropout"),
        ({"archive": "a"}, r"model\.encoder\._pretrained has no option 'archive'"),
        ({"module_path": 3}, "module_path is missing, or is not a string"),
    ],
)
def test_mistakes(change: dict[str, Any], message: str, first: Path, tmp_path: Path) -> None:
    settings = over(first, tmp_path, "encoder")
    settings["model"]["encoder"]["_pretrained"] |= change
    with pytest.raises(ConfigError, match=message):
        build(settings, "北")


def test_what_stands_beside_it(first: Path, tmp_path: Path) -> None:
    settings = over(first, tmp_path, "encoder")
    settings["model"]["encoder"]["type"] = "lstm"
    with pytest.raises(ConfigError, match=r"model\.encoder\.type has no effect beside _pretrained"):
        build(settings, "北")


def test_a_size_that_does_not_fit(first: Path, tmp_path: Path) -> None:
    settings = over(first, tmp_path, "encoder")
    settings["model"]["text_field_embedder"]["token_embedders"]["tokens"]["embedding_dim"] = 7
    with pytest.raises(ConfigError, match=r"model\.encoder of the archive has input size 6, .* have size 7"):
        build(settings, "北")


def test_a_part_without_a_configuration(first: Path, tmp_path: Path) -> None:
    settings = over(first, tmp_path)
    settings["model"]["encoder"] = {"_pretrained": {"archive_file": str(first), "module_path": "encoder._module"}}
    with pytest.raises(ConfigError, match=r"encoder\._module', a part of a module without a configuration"):
        train(settings, tmp_path / "second")


def test_tokens_of_another_namespace_are_refused(first: Path, tmp_path: Path) -> None:
    settings = over(first, tmp_path, "text_field_embedder")
    with pytest.raises(ConfigError, match="archive's namespace 'tokens', which cannot be matched"):
        build(settings)


def test_a_head_is_for_the_types_of_its_archive(first: Path, tmp_path: Path) -> None:
    settings = over(first, tmp_path, "head")
    settings["model"] = {**settings["model"], "type": "ner"}
    types = load_archive(first).model.types
    assert build(settings, "北", types=tuple(types)).head.types == types
    with pytest.raises(ConfigError, match=r"model\.head of the archive is for the entity types .*, but the data have"):
        build(settings, "北", types=tuple(types[::-1]))


def test_words_of_a_lexicon_are_refused_over_another_vocabulary(tmp_path: Path) -> None:
    settings = experiment_over_flat()
    settings["trainer"] = experiment(num_epochs=1)["trainer"]
    train(settings, tmp_path / "first")
    named = {"archive_file": str(tmp_path / "first"), "module_path": "lattice_encoder"}
    settings["model"]["lattice_encoder"] = {"_pretrained": named}
    model = train(settings, tmp_path / "second")
    assert not any(parameter.requires_grad for parameter in model.lattice_encoder.parameters())
    load_archive(tmp_path / "second/model.tar.gz")
    settings["dataset_reader"]["max_instances"] = 5
    with pytest.raises(ConfigError, match="a WordEmbedding depends on the vocabulary, and that of these data is not"):
        train(settings, tmp_path / "third")


def test_an_archive_that_is_missing_is_reported_before_reading(tmp_path: Path) -> None:
    config = over(tmp_path / "none.tar.gz", tmp_path, "encoder")
    config["model"]["encoder"]["_pretrained"]["frozen"] = True
    walk = walk_config(config)
    [unknown] = walk.mistakes
    assert "model.encoder._pretrained" in unknown.text and "freeze" in unknown.text
    [missing] = missing_files(config, walk)
    assert missing.key == "model.encoder._pretrained.archive_file" and "no such file" in missing.text


def test_a_transformer_with_its_tokenizer(tmp_path: Path) -> None:
    encoder = make_encoder(tmp_path / "encoder", layers=1)
    settings = experiment(num_epochs=1)
    settings["dataset_reader"] |= {"token_indexers": {"tokens": {"type": "ner_transformer", "model_name": encoder}}}
    embedder = {"type": "ner_transformer", "model_name": encoder}
    settings["model"]["text_field_embedder"]["token_embedders"]["tokens"] = embedder
    train(settings, tmp_path / "first")
    (tmp_path / "first/model.tar.gz").rename(tmp_path / "first.tar.gz")
    named = {"archive_file": str(tmp_path / "first.tar.gz"), "module_path": "text_field_embedder"}
    settings["model"]["text_field_embedder"] = {"_pretrained": named}
    (tmp_path / "encoder").rename(tmp_path / "moved")
    indexer = settings["dataset_reader"]["token_indexers"]["tokens"]
    indexer["model_name"] = str(tmp_path / "moved")
    model = train(settings, tmp_path / "second")
    (tmp_path / "first.tar.gz").rename(tmp_path / "gone.tar.gz")
    loaded = load_archive(tmp_path / "second/model.tar.gz").model.state_dict()
    assert all(torch.equal(tensor, loaded[name]) for name, tensor in model.state_dict().items())
    indexer["model_name"] = make_encoder(tmp_path / "other", family="roberta", layers=1)
    named["archive_file"] = str(tmp_path / "gone.tar.gz")
    with pytest.raises(ConfigError, match="but the data are read with another tokenizer: set model_name of"):
        train(settings, tmp_path / "third")
