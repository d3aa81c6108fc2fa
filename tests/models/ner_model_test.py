from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from allennlp.common import Params
from allennlp.data import Vocabulary
from allennlp.models import Model
from toy_models import GOLD, TEXTS, batch_of, fit, found, instances_of

from ner_plugins.errors import ConfigError
from ner_plugins.models import NerModel

EXPERIMENTS = Path(__file__).resolve().parents[2] / "fixtures/experiments"
SHARED = ("text_field_embedder", "encoder", "metrics")


def build(model: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """A model of the given config over two sentences, and their batch."""
    shared = Params.from_file(EXPERIMENTS / "biaffine.json").pop("model").as_dict()
    instances = instances_of(TEXTS, GOLD)
    vocab = Vocabulary.from_instances(instances)
    torch.manual_seed(1)
    params = Params({**{name: shared[name] for name in SHARED}, **deepcopy(model)})
    return Model.from_params(params, vocab=vocab), batch_of(instances, vocab)


NAMED = [
    ({"type": "crf_tagger", "scheme": "BIOES"}, {"type": "tags", "scheme": "BIOES"}),
    ({"type": "biaffine", "init": "xavier", "max_span_width": 8}, {"init": "xavier", "max_span_width": 8}),
    *(
        ({"type": kind, "inner_dim": 6, "rope": False, "decoding": "nested"}, {"inner_dim": 6, "rope": False})
        for kind in ("global_pointer", "efficient_global_pointer")
    ),
    ({"type": "span", "head": "enumeration", "decoding": "nested"}, {"type": "pairs", "decoding": "nested"}),
    ({"type": "span", "head": {"type": "pointer"}, "max_span_width": 5}, {"type": "pointer", "max_span_width": 5}),
]


@pytest.mark.parametrize("named, head", NAMED, ids=lambda config: str(config))
def test_a_named_model_is_the_model_ner_with_its_head(named: dict, head: dict) -> None:
    short, batch = build(named)
    long, _ = build({"type": "ner", "head": {"type": named["type"], **head}})
    assert type(long) is NerModel and type(short.head) is type(long.head)
    for name, tensor in long.state_dict().items():
        assert torch.equal(tensor, short.state_dict()[name]), name
    assert torch.equal(short.eval()(**batch)["loss"], long.eval()(**batch)["loss"])


def test_without_a_head_it_is_a_tagger() -> None:
    model, batch = build({"type": "ner"})
    fit(model, batch)
    assert found(model, batch) == [(0, 2, "name"), (3, 7, "organization")]


def test_a_named_model_takes_no_other_head() -> None:
    with pytest.raises(ConfigError, match=r"biaffine has no option 'head'.*projection"):
        build({"type": "biaffine", "head": {"type": "tags"}})


def test_an_initializer_reaches_the_head() -> None:
    zero = {"regexes": [[r"^head\.", {"type": "constant", "val": 0.0}]]}
    model, _ = build({"type": "ner", "head": {"type": "pointer"}, "initializer": zero})
    assert not any(parameter.any() for parameter in model.head.parameters())


def test_names_of_format_one_are_mapped_and_others_are_reported() -> None:
    model, _ = build({"type": "crf_tagger"})
    state = {name: torch.ones_like(tensor) for name, tensor in model.state_dict().items()}
    old = {name.removeprefix("head."): tensor for name, tensor in state.items()}
    model.load_state_dict(old)
    assert all(bool((parameter == 1).all()) for parameter in model.parameters())
    with pytest.raises(RuntimeError, match="another"):
        model.load_state_dict({**old, "another": torch.ones(1)})
    with pytest.raises(RuntimeError, match="Unexpected"):
        model.load_state_dict({**state, "crf.transitions": state["head.crf.transitions"]})
