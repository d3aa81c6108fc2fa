"""
Accumulated gradients are those of one batch of all sentences, whatever the head, its reduction, the lengths and the
weights.
"""

import random
from itertools import chain
from typing import Any

import pytest
import torch
from allennlp.common import Params
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import Parameter

from ner_plugins.heads.head import Head
from ner_plugins.training.engine.gradients import GradientSum

TYPES = ["address", "name"]
DIM = 5
REDUCTIONS = ("batch", "cells", "positives")
HEADS: dict[str, dict[str, Any]] = {
    **{f"crf-{one}": {"type": "tags", "reduction": one} for one in ("mean", "token_mean", "sum")},
    **{
        f"{head}-{one}": {**options, "loss": {"type": "focal", "reduction": one}}
        for one in REDUCTIONS
        for head, options in {
            "softmax": {"type": "tags", "decoder": "softmax"},
            "biaffine": {"type": "biaffine", "projection": {"dim": 4}},
            "pairs": {"type": "pairs", "width_dim": 2, "max_span_width": 3},
            "pointer": {"type": "pointer"},
        }.items()
    },
    **{
        f"efficient-global-pointer-{one}": {
            "type": "efficient_global_pointer",
            "inner_dim": 4,
            "loss": {"type": "multi_label", "reduction": one},
        }
        for one in REDUCTIONS
    },
    **{
        f"smoothed-{one}": {
            "type": "biaffine",
            "projection": {"dim": 4, "dropout": 0.0},
            "loss": {"type": "boundary_smoothing", "reduction": one},
        }
        for one in REDUCTIONS
    },
    "pairs-default": {"type": "pairs"},
}
Sentence = tuple[int, list[tuple[int, int, int]]]


@st.composite
def batches(draw: st.DrawFn) -> list[list[Sentence]]:
    """Batches of sentences: their numbers of tokens, and non-overlapping gold spans with types."""
    made = []
    for _ in range(draw(st.integers(2, 4))):
        batch = []
        for _ in range(draw(st.integers(1, 3))):
            length = draw(st.integers(1, 7))
            cuts = sorted(draw(st.sets(st.integers(0, length), max_size=6)))
            gold = [(start, end, draw(st.integers(0, 1))) for start, end in zip(cuts[::2], cuts[1::2], strict=False)]
            batch.append((length, gold))
        made.append(batch)
    return made


def weighted_loss(
    head: Head, sentences: list[Sentence], vectors: list[torch.Tensor], weights: list[float] | None = None
) -> Any:
    longest = max(length for length, _ in sentences)
    mask = torch.arange(longest) < torch.tensor([[length] for length, _ in sentences])
    encoded = torch.zeros(len(sentences), longest, DIM, dtype=torch.float64)
    rows = max([len(gold) for _, gold in sentences] + [1])
    entities = torch.full((len(sentences), rows, 3), -1)
    for number, (length, gold) in enumerate(sentences):
        encoded[number, :length] = vectors[number]
        if gold:
            entities[number, : len(gold)] = torch.tensor(gold)
    given = None if weights is None else torch.tensor(weights)
    return head.weighted_loss(head(encoded, mask), entities, mask, given)


@pytest.mark.parametrize("name", HEADS)
@settings(max_examples=12, deadline=None)
@given(made=batches(), seed=st.integers(0, 1000), is_weighted=st.booleans())
def test_batches_have_the_gradient_of_one_batch_of_their_sentences(name, made, seed, is_weighted) -> None:
    torch.manual_seed(seed)
    head = Head.from_params(Params({**HEADS[name]}), encoding_dim=DIM, types=TYPES).double().train()
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    parameters = [parameter for parameter in head.parameters() if parameter.requires_grad]
    vectors = [[torch.randn(length, DIM, dtype=torch.float64) for length, _ in batch] for batch in made]
    weights = [[random.Random(seed).choice([0.0, 0.25, 2.0]) for _ in batch] if is_weighted else None for batch in made]
    of_all = list(chain(*weights)) if is_weighted else None
    whole = weighted_loss(head, list(chain(*made)), list(chain(*vectors)), of_all).loss
    expected = torch.autograd.grad(whole, parameters, allow_unused=True)
    gradients = GradientSum()
    for batch, of_batch, weights_of_batch in zip(made, vectors, weights, strict=True):
        loss, number = weighted_loss(head, batch, of_batch, weights_of_batch)
        gradients.share(loss, number).backward()
        gradients.count(number)
    assert gradients.over_ranks(parameters).batches == len(made)
    gradients.average(parameters)
    for parameter, other in zip(parameters, expected, strict=True):
        if other is None:
            assert parameter.grad is None or not parameter.grad.any()
        else:
            torch.testing.assert_close(parameter.grad, other, rtol=1e-10, atol=1e-12)


def test_what_is_differentiated_has_the_size_of_a_batch() -> None:
    """So that the scale of float16 gradients, which fits one batch, also fits a sum over 80,000 cells."""
    gradients, parameter = GradientSum(), Parameter(torch.ones(()))
    assert gradients.share(parameter * 2, torch.tensor(80_000)).item() == 2.0
    assert gradients.share(parameter * 2, torch.tensor(40_000)).item() == 1.0


def test_the_only_batch_of_an_update_is_left_alone() -> None:
    gradients, parameter = GradientSum(), Parameter(torch.ones(()))
    loss = parameter * 2
    assert gradients.share(loss, None) is loss
    gradients.count(None)
    parameter.grad = torch.tensor(3.0)
    gradients.average([parameter])
    assert parameter.grad.item() == 3.0


def test_losses_that_are_sums_add_up() -> None:
    gradients, parameter = GradientSum(), Parameter(torch.ones(()))
    for factor in (2.0, 3.0):
        gradients.share(parameter * factor, torch.tensor(0)).backward()
        gradients.count(torch.tensor(0))
    gradients.average([parameter])
    assert parameter.grad is not None and parameter.grad.item() == 5.0
