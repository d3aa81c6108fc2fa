import pytest
import torch
from torch import nn

from ner_plugins.errors import ConfigError
from ner_plugins.training.freezing import (
    freeze,
    frozen_modules,
    gradients_and_modes_kept,
    learning,
    matching,
    pretrained_parameters,
    train_with,
)


def model() -> nn.Module:
    encoder = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5), nn.Linear(2, 2))
    return nn.ModuleDict({"encoder": encoder, "dropout": nn.Dropout(0.5), "head": nn.Linear(2, 1)})


def test_regular_expressions_are_found_anywhere_in_a_name() -> None:
    assert matching(model(), [r"encoder\.0", "bias"], "freeze") == {
        "encoder.0.weight",
        "encoder.0.bias",
        "encoder.2.bias",
        "head.bias",
    }


@pytest.mark.parametrize(
    "pattern, said",
    [("encodre", "my.key: 'encodre' matches no parameter.*did you mean 'encoder'"), ("(", "my.key.*not a valid"),
     ("zzz", "its parts are encoder, head")],
)  # fmt: skip
def test_what_matches_nothing_is_refused(pattern: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        matching(model(), [pattern], "my.key")


def test_modules_that_are_frozen_as_a_whole_have_no_dropout() -> None:
    whole = model()
    frozen = {name for name, _ in whole.named_parameters() if name.startswith("encoder.")}
    assert frozen_modules(whole, frozen) == [whole["encoder"]]
    assert frozen_modules(whole, frozen - {"encoder.0.bias"}) == [whole["encoder"][2]]
    assert frozen_modules(whole, set()) == []
    whole.eval()
    train_with(whole, frozen_modules(whole, frozen))
    asleep = {name for name, module in whole.named_modules() if not module.training}
    assert asleep == {"encoder", "encoder.0", "encoder.1", "encoder.2"}


def test_afterwards_all_is_as_before() -> None:
    whole = model()
    whole["head"].bias.requires_grad_(False)
    whole["dropout"].eval()
    before = [module.training for module in whole.modules()], [p.requires_grad for p in whole.parameters()]
    with pytest.raises(RuntimeError, match="stop"), gradients_and_modes_kept(whole):
        whole.eval()
        whole["head"].bias.requires_grad_(True)
        freeze(whole, {"encoder.0.weight"})
        assert "encoder.0.weight" not in dict(learning(whole)) and "head.bias" in dict(learning(whole))
        whole["head"](torch.ones(2)).sum().backward()
        raise RuntimeError("stop")
    assert before == ([module.training for module in whole.modules()], [p.requires_grad for p in whole.parameters()])
    assert all(p.grad is None for p in whole.parameters())


def test_pretrained_transformers_are_known_wherever_they_are() -> None:
    from transformers import BertConfig, BertModel

    settings = BertConfig(vocab_size=8, hidden_size=4, num_hidden_layers=1, num_attention_heads=1, intermediate_size=4)
    whole = nn.ModuleDict({"a": nn.ModuleDict({"bert": BertModel(settings)}), "b": nn.Linear(1, 1)})
    found = pretrained_parameters(whole)
    assert found == {name for name, _ in whole.named_parameters() if name.startswith("a.bert.")}
    assert pretrained_parameters(whole["b"]) == set()
