"""Training an archive's model further on new entity types."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.data import Batch, Vocabulary
from allennlp.models import Model
from allennlp.models.archival import load_archive
from staged_runs import experiment, train

from ner_plugins.archives.copying import copy_with_thresholds
from ner_plugins.archives.new_types import extend_vocabulary, with_new_types
from ner_plugins.entities import ENTITY_NAMESPACE
from ner_plugins.errors import ConfigError

BRACKETS = ["<龘龘:wizard>在<北京:address>读书\n", "<王明:wizard>去学校\n"]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of a tagger with a threshold for one of its types."""
    folder = tmp_path_factory.mktemp("first")
    train(experiment(num_epochs=1), folder / "run")
    copy_with_thresholds(str(folder / "run/model.tar.gz"), str(folder / "model.tar.gz"), {"address": 0.25})
    return folder / "model.tar.gz"


def further(archive: Path, folder: Path, new_types: str | None, **trainer: Any) -> dict[str, Any]:
    """A config that trains an archive further on sentences with a new type."""
    (folder / "new.txt").write_text("".join(BRACKETS), encoding="utf-8")
    settings = experiment(num_epochs=1, **trainer)
    settings["dataset_reader"] = {"type": "brackets_ner"}
    settings["train_data_path"] = settings["validation_data_path"] = str(folder / "new.txt")
    settings["model"] = {"type": "from_archive", "archive_file": str(archive)}
    if new_types is not None:
        settings["model"]["new_types"] = new_types
    return settings


@pytest.mark.parametrize("new_types", ["extend", "replace"])
def test_a_trained_model_of_new_types_stands_alone(first: Path, tmp_path: Path, new_types: str) -> None:
    before = load_archive(first).model
    copy = tmp_path / "first.tar.gz"
    copy.write_bytes(first.read_bytes())
    model = train(further(copy, tmp_path, new_types, validation_metric="+seqeval/wizard/f1"), tmp_path / "second")
    copy.unlink()
    kept = before.types if new_types == "extend" else []
    assert model.types == [*kept, *(name for name in ("wizard", "address") if name not in kept)]
    archive = load_archive(tmp_path / "second/model.tar.gz")
    assert archive.model.types == model.types and archive.config["model"]["type"] == "crf_tagger"
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, archive.model.state_dict()[name]), name
    assert torch.equal(model.thresholds, archive.model.thresholds)
    expected = {"address": 0.25} if new_types == "extend" else {}
    assert dict(zip(model.types, model.thresholds.tolist(), strict=True)) == {
        name: expected.get(name, 0.0) for name in model.types
    }
    archive.model.eval()(**batch_of(archive, tmp_path / "new.txt"))
    assert archive.model.get_metrics(reset=True)["seqeval/wizard/support"] == 2


def batch_of(archive: Any, path: Path) -> dict[str, Any]:
    instances = list(archive.dataset_reader.read(str(path)))
    for instance in instances:
        archive.dataset_reader.apply_token_indexers(instance)
    batch = Batch(instances)
    batch.index_instances(archive.model.vocab)
    return batch.as_tensor_dict()


def vocabulary_of(*types: str) -> Vocabulary:
    vocab = Vocabulary()
    for name in types:
        vocab.add_token_to_namespace(name, ENTITY_NAMESPACE)
    vocab.add_token_to_namespace("龘", "tokens")
    return vocab


def test_before_a_step_only_what_is_new_is_new(first: Path) -> None:
    before = load_archive(first).model
    vocab = vocabulary_of("wizard", "address")
    extended = Model.from_params(Params({"type": "from_archive", "archive_file": str(first), "new_types": "extend"}),
                                 vocab=vocab)  # fmt: skip
    number, tags = len(before.types), 1 + 2 * len(before.types)
    assert extended.types == [*before.types, "wizard"] and extended.training == before.training
    old, new = before.state_dict(), extended.state_dict()
    for name, tensor in old.items():
        kept = new[name][tuple(slice(0, size) for size in tensor.shape)]
        assert torch.equal(kept, tensor), name
    assert new["head.crf.transitions"].shape == (tags + 2, tags + 2) and extended.thresholds.shape == (number + 1,)
    replaced = Model.from_archive(str(first), vocabulary_of("wizard", "address"), new_types="replace")
    assert replaced.types == ["wizard", "address"] and not replaced.thresholds.any()
    for name, tensor in old.items():
        if not name.startswith("head.") and "text_field_embedder" not in name:
            assert torch.equal(replaced.state_dict()[name], tensor), name
    assert replaced.state_dict()["head.crf.transitions"].shape == (5, 5)
    assert not torch.equal(replaced.head.crf.transitions[:5, :5], before.head.crf.transitions[:5, :5])


def test_without_the_option_new_types_are_refused_with_it_in_the_message(first: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'entity type \'wizard\', but .*model.new_types "extend" .* "replace"'):
        train(further(first, tmp_path, None), tmp_path / "second")


def test_mistakes_in_the_option(first: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"model\.new_types is .add.; it can be extend or replace"):
        train(further(first, tmp_path, "add"), tmp_path / "second")
    with pytest.raises(ConfigError, match="give `vocab`"):
        Model.from_archive(str(first), new_types="extend")


def test_a_model_of_another_package(monkeypatch: pytest.MonkeyPatch) -> None:
    from allennlp.models import archival

    class Other:
        model = torch.nn.Linear(1, 1)

    monkeypatch.setattr(archival, "load_archive", lambda archive_file: Other)
    with pytest.raises(ConfigError, match="for models of ner_plugins, and the archive's is a Linear"):
        Model.from_archive("a", Vocabulary(), new_types="extend")


def test_a_number_is_the_threshold_of_new_types_too(first: Path) -> None:
    model = load_archive(first).model
    model._threshold_option = 0.5
    extend_vocabulary(model.vocab, vocabulary_of("wizard"), "extend")
    model.change_types(keep=True)
    assert model.thresholds.tolist() == [0.5] * (len(model.types))
    config: dict[str, Any] = {"type": "ner", "thresholds": 0.5}
    assert with_new_types(deepcopy(config), "replace") == config


def test_the_weights_of_types_in_the_loss_stay_or_go() -> None:
    loss = {"type": "boundary_smoothing", "loss": {"type": "focal", "type_weights": {"address": 2.0}}}
    config = {"type": "span", "head": {"type": "pairs", "loss": loss}, "metrics": ["seqeval"]}
    assert with_new_types(deepcopy(config), "extend") == config
    unweighted = {"type": "boundary_smoothing", "loss": {"type": "focal"}}
    assert with_new_types(config, "replace") == {**config, "head": {"type": "pairs", "loss": unweighted}}


@pytest.mark.parametrize("keep", [True, False])
def test_a_loss_weighs_the_types_that_a_head_has_now(keep: bool) -> None:
    vocab = vocabulary_of("address", "city")
    loss = {"type": "cross_entropy", "type_weights": {"address": 2.0}}
    embedder = {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}}
    config = {"type": "crf_tagger", "decoder": "softmax", "loss": loss, "text_field_embedder": embedder}
    model: Any = Model.from_params(Params(config), vocab=vocab)
    assert model.head.tag_loss.class_weights.tolist() == [1, 2, 2, 1, 1]
    extend_vocabulary(model.vocab, vocabulary_of("wizard"), "extend" if keep else "replace")
    model.change_types(keep=keep)
    weights = model.head.tag_loss.class_weights
    assert weights.tolist() == [1, 2, 2, 1, 1, 1, 1] if keep else weights is None
