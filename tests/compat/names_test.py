import math

import huggingface_hub
import numpy as np
import pytest
import torch

from ner_plugins.compat import names as transformers_names
from ner_plugins.compat.adamw import AdamW


def reference(w, gradients, lr, betas, eps, decay, correct_bias):
    """Loshchilov & Hutter's algorithm 2 in numpy, with Kingma & Ba's efficient order of bias correction."""
    m = v = np.zeros_like(w)
    for step, g in enumerate(gradients, start=1):
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        rate = lr * (math.sqrt(1 - betas[1] ** step) / (1 - betas[0] ** step) if correct_bias else 1)
        w = w - rate * m / (np.sqrt(v) + eps)
        w = w - lr * decay * w
    return w


@pytest.mark.parametrize("correct_bias", [True, False])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_adamw_follows_the_paper(correct_bias: bool, decay: float) -> None:
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=5), rng.normal(size=(7, 5))
    weight = torch.nn.Parameter(torch.tensor(start))
    optimizer = AdamW(
        [weight], lr=0.05, betas=(0.8, 0.95), eps=1e-7, weight_decay=decay, correct_bias=correct_bias
    )
    for gradient in gradients:
        weight.grad = torch.tensor(gradient)
        optimizer.step()
    expected = reference(start, gradients, 0.05, (0.8, 0.95), 1e-7, decay, correct_bias)
    np.testing.assert_allclose(weight.detach().numpy(), expected, rtol=1e-12)


def test_the_config_name_huggingface_adamw_works_with_correct_bias() -> None:
    from allennlp.common import Params
    from allennlp.training.optimizers import Optimizer

    layer = torch.nn.Linear(2, 1)
    optimizer = Optimizer.from_params(
        Params({"type": "huggingface_adamw", "lr": 0.1, "correct_bias": False}),
        model_parameters=list(layer.named_parameters()),
    )
    before = layer.weight.detach().clone()
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    # One step without bias correction: lr * (1 - beta1) / sqrt(1 - beta2) = lr * 0.1 / sqrt(0.001).
    expected = torch.full_like(before, 0.1 * 0.1 / math.sqrt(0.001))
    torch.testing.assert_close(before - layer.weight, expected, rtol=1e-3, atol=1e-4)


def test_adamw_state_survives_saving() -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    first = AdamW([weight], lr=0.1)
    weight.grad = torch.ones(3)
    first.step()
    second = AdamW([weight], lr=0.1)
    second.load_state_dict(first.state_dict())
    assert second.state[weight]["step"] == 1


def test_adamw_refuses_what_it_cannot_do() -> None:
    with pytest.raises(ValueError, match="betas"):
        AdamW([torch.nn.Parameter(torch.ones(1))], betas=(1.0, 0.9))
    weight = torch.nn.Parameter(torch.ones(2, 2))
    weight.grad = torch.ones(2, 2).to_sparse()
    with pytest.raises(RuntimeError, match="sparse_adam"):
        AdamW([weight]).step()


def test_hub_names() -> None:
    import allennlp.common.push_to_hf  # noqa: F401

    assert hasattr(huggingface_hub, "HfFolder") and hasattr(huggingface_hub, "Repository")
    if huggingface_hub.Repository is transformers_names._Repository:
        with pytest.raises(ImportError, match="hf upload"):
            huggingface_hub.Repository("x")
        assert huggingface_hub.HfFolder.get_token() == huggingface_hub.get_token()


def test_file_utils_has_the_weights_name() -> None:
    import allennlp.modules.transformer  # noqa: F401
    from transformers.file_utils import WEIGHTS_NAME

    assert WEIGHTS_NAME == "pytorch_model.bin"
