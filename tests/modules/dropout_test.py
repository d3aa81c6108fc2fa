import contextlib
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_encoders import make_encoder
from torch.nn import functional

from ner_plugins.modules import dropout as module
from ner_plugins.modules.dropout import CheapDropout, Dropout, dropout
from ner_plugins.token_embedders.transformer_embedder import TransformerEmbedder


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_elements_are_dropped_independently_with_the_probability(p: float) -> None:
    torch.manual_seed(1)
    kept = dropout(torch.ones(400, 1001), p) != 0  # Shape: (400, 1001)
    share = kept.double().mean().item()
    deviation = math.sqrt(p * (1 - p) / kept.numel())
    assert abs(share - (1 - p)) < 5 * deviation
    pairs = (kept.flatten()[:-1] & kept.flatten()[1:]).double().mean().item()
    assert abs(pairs - (1 - p) ** 2) < 10 * deviation


@pytest.mark.parametrize("shape", [(), (1,), (3, 5), (0, 2), (2, 3, 7)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_what_stays_is_divided_and_so_is_its_gradient(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    values = torch.full(shape, 2.0, dtype=dtype, requires_grad=True)
    result = dropout(values, 0.25)
    assert result.shape == values.shape and result.dtype == dtype
    assert set(result.flatten().tolist()) <= {0.0, torch.tensor(2 / 0.75, dtype=dtype).item()}
    result.sum().backward()
    assert values.grad is not None and torch.equal(values.grad != 0, result != 0)


def test_the_seed_decides() -> None:
    first, second, third = (torch.manual_seed(seed) and dropout(torch.ones(99), 0.5) for seed in (1, 1, 2))
    assert torch.equal(first, second) and not torch.equal(first, third)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_the_ends_are_torchs(p: float) -> None:
    assert torch.equal(dropout(torch.ones(9), p), torch.full((9,), 1 - p))
    assert torch.equal(Dropout(0.5).eval()(torch.ones(9)), torch.ones(9))


@pytest.mark.parametrize("masked", ["none", "bool", "float"])
def test_attention_is_torchs_apart_from_the_random_numbers(masked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    query, key, value = (torch.randn(2, 3, 5, 4, dtype=torch.float64, requires_grad=True) for _ in range(3))
    keep = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]], dtype=torch.bool)[:, None, None, :]
    mask = {"none": None, "bool": keep, "float": torch.zeros(2, 1, 1, 5).double().masked_fill(~keep, -1e9)}[masked]
    monkeypatch.setattr(module, "dropout", lambda values, *_: values)
    with CheapDropout():
        found = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=0.3, scale=0.4)
    expected = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=0.4)
    torch.testing.assert_close(found, expected)
    for one, other in zip(
        torch.autograd.grad(found.square().sum(), (query, key, value)),
        torch.autograd.grad(expected.square().sum(), (query, key, value)),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_an_encoder_uses_it_in_training_unless_it_recomputes(
    checkpointing: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []
    cheap = module.dropout
    monkeypatch.setattr(module, "dropout", lambda values, *rest: (calls.append(values.shape), cheap(values, *rest))[1])
    embedder = TransformerEmbedder(make_encoder(tmp_path / "encoder"), gradient_checkpointing=checkpointing)
    ids, counts, mask = torch.tensor([[5, 6, 7]]), torch.ones(1, 3, dtype=torch.int64), torch.ones(1, 3).bool()
    embedder.train()(ids, counts, mask).sum().backward()
    # Of the embeddings, and in each of two layers of the attention, its output and the feed-forward's.
    assert len(calls) == (0 if checkpointing else 7)
    calls.clear()
    embedder.eval()(ids, counts, mask)
    assert not any(calls)


def test_in_evaluation_nothing_changes() -> None:
    values = torch.ones(9)
    with contextlib.ExitStack() as stack:
        stack.enter_context(CheapDropout())
        assert torch.equal(functional.dropout(values, 0.5, training=False), values)
