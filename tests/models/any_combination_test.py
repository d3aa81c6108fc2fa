"""
Any head, any reader, any encoder: two steps of training, decoding, saving, loading, and the same predictions.

`make test` runs every reader, each with an encoder and two heads that change from reader to reader, so that every head
is met over both encoders; `make test-all` runs all combinations.
"""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from allennlp.common import Params
from allennlp.data import Batch, DatasetReader, Instance, Vocabulary
from allennlp.models import Model
from allennlp.models.archival import archive_model, load_archive
from reader_fixtures import fixture_paths, fixtures
from tiny_encoders import make_encoder

from ner_plugins.models.ner_model import NerModel

HEADS: dict[str, dict[str, Any]] = {
    "crf": {"type": "crf_tagger", "scheme": "BIOES"},
    "softmax": {"type": "crf_tagger", "decoder": "softmax", "loss": "focal"},
    "pointer": {"type": "span", "head": {"type": "pointer"}},
    "enumeration": {"type": "span", "head": {"type": "enumeration", "width_dim": 4}, "max_span_width": 8},
    "dense": {"type": "span", "head": {"type": "dense", "width_dim": 4}, "decoding": "nested"},
    "biaffine": {"type": "biaffine", "projection": {"dim": 6}, "init": "xavier", "decoding": "nested"},
    "efficient_global_pointer": {"type": "efficient_global_pointer", "inner_dim": 4, "decoding": "nested"},
    "global_pointer": {"type": "ner", "head": {"type": "global_pointer", "inner_dim": 4, "max_span_width": 8}},
    "pair_ffn": {"type": "biaffine", "scorer": "pair_ffn", "projection": {"depth": 0}, "loss": "dice"},
}
KINDS = ["transformer", "bilstm"]
MANY = 5


@pytest.fixture(scope="module")
def transformer(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_encoder(tmp_path_factory.mktemp("encoder"), positions=24)


def encoder_of(kind: str, transformer: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The token indexer and the model's part of an experiment."""
    if kind == "transformer":
        part = {"type": "ner_transformer", "model_name": transformer}
        return part, {"text_field_embedder": {"token_embedders": {"tokens": part}}}
    embedding = {"type": "embedding", "embedding_dim": 8}
    encoder = {"type": "lstm", "hidden_size": 6, "bidirectional": True}
    return {"type": "single_id"}, {
        "text_field_embedder": {"token_embedders": {"tokens": embedding}},
        "encoder": encoder,
    }


def short_ones(instances: Iterator[Instance]) -> list[Instance]:
    """The first with entities, no longer than a few windows of the encoder."""
    found = [i for i in instances if len(i["tokens"]) <= 60 and i["metadata"]["entities"]]
    return found[:MANY]


def batch_of(instances: list[Instance], vocab: Vocabulary) -> dict[str, Any]:
    batch = Batch(instances)
    batch.index_instances(vocab)
    return batch.as_tensor_dict()


def predictions(model: Model, instances: list[Instance]) -> list[Any]:
    model.eval()
    with torch.no_grad():
        output = model(**batch_of(instances, model.vocab))
    return [[(e.start, e.end, e.type, round(e.score, 4)) for e in found] for found in output["entities"]]


def chosen() -> Iterator[tuple[str, str, list[str]]]:
    """A covering part of all combinations: reader, encoder and heads."""
    heads = list(HEADS)
    for number, folder in enumerate(sorted(fixtures())):
        first = number // 2 % len(heads)
        yield folder, KINDS[number % 2], [heads[first], heads[(first + 3) % len(heads)]]


def test_every_head_and_encoder_is_chosen() -> None:
    assert {(kind, head) for _, kind, heads in chosen() for head in heads} == {(k, h) for k in KINDS for h in HEADS}


def name_of(part: str | list[str]) -> str:
    return part if isinstance(part, str) else "-".join(part)


@pytest.mark.parametrize("folder, kind, heads", chosen(), ids=name_of)
def test_it_trains_decodes_and_predicts_the_same_after_loading(
    folder: str, kind: str, heads: list[str], transformer: str, tmp_path: Path
) -> None:
    check_heads(folder, kind, heads, transformer, tmp_path)


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("folder", sorted(fixtures()))
def test_any_combination(folder: str, kind: str, transformer: str, tmp_path: Path) -> None:
    check_heads(folder, kind, list(HEADS), transformer, tmp_path)


def check_heads(folder: str, kind: str, heads: list[str], transformer: str, tmp_path: Path) -> None:
    indexer, model_part = encoder_of(kind, transformer)
    [path, *_] = fixture_paths(folder)
    options = {"type": fixtures()[folder], "token_indexers": {"tokens": indexer}}
    reader = DatasetReader.from_params(Params(deepcopy(options)), serialization_dir=str(tmp_path))
    instances = short_ones(reader.read(path))
    for instance in instances:
        reader.apply_token_indexers(instance)
    assert instances
    vocab = Vocabulary.from_instances(instances)
    for head in heads:
        settings = HEADS[head]
        run = tmp_path / head
        run.mkdir()
        config = {"dataset_reader": options, "model": {**settings, **model_part}}
        Params(deepcopy(config)).to_file(str(run / "config.json"))
        torch.manual_seed(0)
        model = Model.from_params(Params(deepcopy(config["model"])), vocab=vocab, serialization_dir=str(run))
        assert isinstance(model, NerModel)
        optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.01)
        for _ in range(2):
            optimizer.zero_grad()
            loss = model(**batch_of(instances, vocab))["loss"]
            loss.backward()
            optimizer.step()
        assert torch.isfinite(loss)
        expected = predictions(model, instances)
        assert model.get_metrics(reset=True)["gold"] == sum(len(set_of(i)) for i in instances)
        torch.save(model.state_dict(), run / "best.th")
        vocab.save_to_files(str(run / "vocabulary"))
        archive_model(run)
        assert predictions(load_archive(run / "model.tar.gz").model, instances) == expected, head


def set_of(instance: Instance) -> set[tuple[int, int, str]]:
    return {(e["start"], e["end"], e["type"]) for e in instance["metadata"]["entities"]}
