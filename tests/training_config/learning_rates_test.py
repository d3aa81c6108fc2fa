"""Groups of parameters of `training_config/lib/learning_rates.libsonnet`."""

import json
import logging
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from allennlp.common import Params
from allennlp.data import Vocabulary
from allennlp.models import Model
from allennlp.training.optimizers import Optimizer
from tiny_encoders import make_encoder

from ner_plugins.dataset_readers.json.cluener import CluenerReader

ROOT = Path(__file__).resolve().parents[2]
LSTM = {"type": "lstm", "hidden_size": 4}
CHARACTERS = {"characters": {"type": "embedding", "embedding_dim": 4}}


def optimizer_settings(folder: Path, rates: dict[str, float], weight_decay: float | None) -> dict[str, Any]:
    library = ROOT / "training_config/lib/learning_rates.libsonnet"
    arguments = json.dumps(rates) + ("" if weight_decay is None else f", weight_decay={weight_decay}")
    config = folder / "config.jsonnet"
    config.write_text(f"{{ type: 'adamw' }} + (import '{library}').of({arguments})")
    return Params.from_file(config).as_dict()


def model_of(settings: dict[str, Any]) -> Model:
    reader = CluenerReader()
    instances = list(reader.read("fixtures/cluener/train.json"))
    for instance in instances:
        reader.apply_token_indexers(instance)
    vocab = Vocabulary.from_instances(instances)
    vocab.add_tokens_to_namespace(["青", "禾"], "lattice_words")
    return Model.from_params(Params(deepcopy(settings)), vocab=vocab)


def groups_of(model: Model, settings: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Each parameter's rate and weight decay; each is in one group."""
    named = [[name, parameter] for name, parameter in model.named_parameters() if parameter.requires_grad]
    optimizer = Optimizer.from_params(Params(settings), model_parameters=named)
    names = {id(parameter): name for name, parameter in named}
    found = [
        (names[id(parameter)], (group["lr"], group["weight_decay"]))
        for group in optimizer.param_groups
        for parameter in group["params"]
    ]
    assert len(found) == len(named) == len(dict(found))
    return dict(found)


def part_of(name: str) -> str:
    """By hand what the library's expressions should find."""
    if name.startswith("head.crf."):
        return "crf"
    if ".token_embedder_bert.encoder." in name:
        return "encoder"
    if name.endswith(("token_embedder_characters.weight", "words.embedding.weight")):
        return "embeddings"
    return "head"


@pytest.mark.parametrize("parts", ["encoder embeddings head crf", "encoder head", "embeddings head crf", "head"])
@pytest.mark.parametrize("kind", ["crf_tagger", "flat", "biaffine"])
def test_each_parameter_has_the_rate_of_its_part(kind, parts, tmp_path, caplog) -> None:
    embedders: dict[str, Any] = dict(CHARACTERS)
    if "encoder" in parts:
        encoder = make_encoder(tmp_path / "encoder")
        embedders["bert"] = {"type": "ner_transformer", "model_name": encoder, "last_layer_only": False}
    settings = {"type": kind, "text_field_embedder": {"token_embedders": embedders}}
    if kind == "flat":
        settings["lattice_encoder"] = {"heads": 2, "head_dim": 4, "feedforward_dim": 8}
    else:
        settings["encoder"] = LSTM
    rates = dict(zip(parts.split(), (1e-5, 2e-3, 3e-3, 4e-2), strict=False))
    if kind == "biaffine":  # which has none
        rates.pop("crf", None)
    caplog.set_level(logging.WARNING)
    model = model_of(settings)
    for weight_decay in (None, 0.2, 0.0):
        found = groups_of(model, optimizer_settings(tmp_path, rates, weight_decay))
        assert "does not match any parameter" not in caplog.text
        for name, (rate, decay) in found.items():
            part = part_of(name) if part_of(name) in rates else "head"
            assert rate == rates[part], name
            undecayed = part == "crf" or (part != "embeddings" and re.search("bias|norm", name.lower()))
            assert decay == (0.0 if undecayed else 0.01 if weight_decay is None else weight_decay), name
        assert {part_of(name) for name in found} >= rates.keys()


@pytest.mark.parametrize(
    "rates, said", [({"encodr": 1e-5, "head": 1e-3}, "no part encodr"), ({"crf": 1e-2}, "head a rate")]
)
def test_mistakes_are_told(rates, said, tmp_path: Path) -> None:
    with pytest.raises(Exception, match=said):
        optimizer_settings(tmp_path, rates, None)
