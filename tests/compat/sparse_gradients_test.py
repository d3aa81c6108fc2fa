"""Bounds on gradients of which some are sparse."""

import ner_plugins  # noqa: F401  isort: skip  (AllenNLP imports on these libraries only after it)

import allennlp.training.util  # noqa: F401  (what is tested is patched with it)
import pytest
import torch
from staged_runs import experiment, train


def gradients(sparse: bool) -> list[torch.nn.Parameter]:
    """An embedding with a row that counts several times, and a linear layer, after a backward pass."""
    torch.manual_seed(0)
    embedding, linear = torch.nn.Embedding(9, 3, sparse=sparse), torch.nn.Linear(3, 2)
    linear(embedding(torch.tensor([1, 4, 4, 4, 8]))).pow(2).sum().backward()
    return [*embedding.parameters(), *linear.parameters(), torch.nn.Parameter(torch.zeros(2))]


@pytest.mark.parametrize("norm", [0.5, 1e6])
@pytest.mark.parametrize("norm_type", [1.0, 2.0, float("inf")])
def test_sparse_gradients_are_bounded_as_dense_ones(norm: float, norm_type: float) -> None:
    sparse, dense = gradients(sparse=True), gradients(sparse=False)
    clip = torch.nn.utils.clip_grad_norm_
    torch.testing.assert_close(clip(iter(sparse), norm, norm_type), clip(dense, norm, norm_type))
    assert sparse[0].grad is not None and sparse[0].grad.is_sparse
    for one, other in zip(sparse, dense, strict=True):
        if other.grad is None:
            assert one.grad is None
            continue
        assert one.grad is not None
        torch.testing.assert_close(one.grad.to_dense(), other.grad)


def test_a_single_parameter_may_be_given() -> None:
    parameter = gradients(sparse=True)[0]
    torch.nn.utils.clip_grad_norm_(parameter, 0.25)
    assert parameter.grad is not None and parameter.grad._values().norm().item() == pytest.approx(0.25, rel=1e-4)


@pytest.mark.parametrize("trainer", ["gradient_descent", "ner"])
def test_sparse_embeddings_train_with_a_bound(trainer: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    settings = experiment(type=trainer, num_epochs=1, grad_norm=0.1, optimizer={"type": "sgd", "lr": 0.1})
    settings["model"]["text_field_embedder"]["token_embedders"]["tokens"]["sparse"] = True
    train(settings, tmp_path / "run")
    assert (tmp_path / "run/model.tar.gz").exists()
