"""Depths of parameters in encoders of several families."""

import re

import pytest
from tiny_encoders import FAMILIES, _config

from ner_plugins.training.layers import depths_from_top


def expected(name: str, layers: int) -> int:
    """By hand, for the names of these families."""
    if re.search(r"embed", name):
        return layers
    number = re.search(r"\.layer\.(\d+)\.", name)
    return layers - 1 - int(number[1]) if number else 0


@pytest.mark.parametrize("family", FAMILIES)
def test_depths_of_a_family(family) -> None:
    from transformers import AutoModel

    names = [name for name, _ in AutoModel.from_config(_config(family, 50, 40, 3)).named_parameters()]
    layers = 1 if family == "albert" else 3  # which share their weights
    found = depths_from_top(names)
    assert found == {name: expected(name, layers) for name in names}
    assert set(found.values()) == set(range(layers + 1))


def test_what_comes_before_the_layers_is_below_them() -> None:
    """GPT-2's embeddings are not called so."""
    names = ["wte.weight", "wpe.weight", "h.0.mlp.weight", "h.1.mlp.weight", "ln_f.weight"]
    assert list(depths_from_top(names).values()) == [2, 2, 1, 0, 0]


def test_without_layers_there_are_no_depths() -> None:
    assert depths_from_top(["encoder.weight_ih_l0", "embeddings.weight"]) == {}
