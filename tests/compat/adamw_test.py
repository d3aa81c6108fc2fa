"""AdamW against a plain implementation of Transformers' algorithm, tensor by tensor."""

import copy
import io
import math
from typing import Any, Optional

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.compat import adamw as module
from ner_plugins.compat.adamw import AdamW


class PlainAdamW:
    """Transformers 4.49's `AdamW.step`, without its state dictionary."""

    def __init__(self, parameters: list[torch.Tensor], lr: float, betas: tuple[float, float], eps: float,
                 weight_decay: float, correct_bias: bool) -> None:  # fmt: skip
        self.parameters, self.lr, self.betas, self.eps = parameters, lr, betas, eps
        self.weight_decay, self.correct_bias = weight_decay, correct_bias
        self.steps = [0] * len(parameters)
        self.averages = [torch.zeros_like(p) for p in parameters]
        self.squares = [torch.zeros_like(p) for p in parameters]

    def step(self, gradients: list[Optional[torch.Tensor]]) -> None:
        beta1, beta2 = self.betas
        for i, (p, gradient) in enumerate(zip(self.parameters, gradients, strict=True)):
            if gradient is None:
                continue
            self.steps[i] += 1
            self.averages[i].mul_(beta1).add_(gradient, alpha=1.0 - beta1)
            self.squares[i].mul_(beta2).addcmul_(gradient, gradient, value=1.0 - beta2)
            size = self.lr
            if self.correct_bias:
                size = size * math.sqrt(1.0 - beta2 ** self.steps[i]) / (1.0 - beta1 ** self.steps[i])
            p.addcdiv_(self.averages[i], self.squares[i].sqrt().add_(self.eps), value=-size)
            if self.weight_decay > 0.0:
                p.add_(p, alpha=-self.lr * self.weight_decay)


shapes = st.lists(st.lists(st.integers(0, 9), max_size=3).map(tuple), min_size=1, max_size=5)
options = st.fixed_dictionaries(
    {
        "lr": st.sampled_from([0.0, 1e-5, 3e-3, 0.5]),
        "betas": st.sampled_from([(0.9, 0.999), (0.0, 0.5), (0.8, 0.0)]),
        "eps": st.sampled_from([1e-8, 1e-6, 1e-2]),
        "weight_decay": st.sampled_from([0.0, 0.01, 0.3, 2.0, 5.0]),
        "correct_bias": st.booleans(),
    }
)


def random_tensor(shape: tuple[int, ...], dtype: torch.dtype, transposed: bool) -> torch.Tensor:
    if transposed and len(shape) > 1:
        return torch.randn(shape[::-1], dtype=dtype).permute(*range(len(shape))[::-1])
    return torch.randn(shape, dtype=dtype)


@pytest.mark.parametrize(["dtype", "tolerance"], [(torch.float64, 1e-12), (torch.float32, 2e-6)])
@settings(max_examples=60, deadline=None)
@given(shapes=shapes, groups=st.lists(options, min_size=1, max_size=3), data=st.data())
def test_equals_transformers(dtype: torch.dtype, tolerance: float, shapes: Any, groups: Any, data: Any) -> None:
    torch.manual_seed(data.draw(st.integers(0, 1000)))
    flags = st.lists(st.booleans(), min_size=len(shapes), max_size=len(shapes))
    plain, parameters = [], []
    for group in groups:
        start = [random_tensor(shape, dtype, flag) for shape, flag in zip(shapes, data.draw(flags), strict=True)]
        plain.append(PlainAdamW([tensor.clone() for tensor in start], **group))
        parameters.append([torch.nn.Parameter(tensor.clone()) for tensor in start])
    optimizer = AdamW([{"params": params, **group} for params, group in zip(parameters, groups, strict=True)])
    for _ in range(4):
        for peer, params in zip(plain, parameters, strict=True):
            drawn = zip(shapes, data.draw(flags), data.draw(flags), strict=True)
            gradients = [random_tensor(shape, dtype, flag) if has else None for shape, has, flag in drawn]
            for parameter, gradient in zip(params, gradients, strict=True):
                parameter.grad = None if gradient is None else gradient.clone()
            peer.step(gradients)
        optimizer.step()
    for peer, params in zip(plain, parameters, strict=True):
        for expected, parameter in zip(peer.parameters, params, strict=True):
            torch.testing.assert_close(parameter.detach(), expected, rtol=tolerance, atol=tolerance)


def test_contiguous_parameters_take_torchs_kernel_and_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    kernel = module.adamw
    monkeypatch.setattr(module, "adamw", lambda *args, **kwargs: (taken.extend(args[0]), kernel(*args, **kwargs)))
    weight, transposed = torch.nn.Parameter(torch.ones(3, 2)), torch.nn.Parameter(torch.ones(2, 3).t())
    weight.grad, transposed.grad = torch.ones(3, 2), torch.ones(3, 2)
    AdamW([weight, transposed]).step()
    assert len(taken) == 1 and taken[0] is weight


def test_devices_without_a_kernel_are_updated_in_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FUSED_DEVICES", ())
    monkeypatch.setattr(module, "adamw", None)
    weight = torch.nn.Parameter(torch.ones(3, dtype=torch.float64))
    peer = PlainAdamW([torch.ones(3, dtype=torch.float64)], 0.1, (0.9, 0.999), 1e-6, 0.1, True)
    optimizer = AdamW([weight], lr=0.1, weight_decay=0.1)
    for value in (1.0, -3.0):
        weight.grad = torch.full((3,), value, dtype=torch.float64)
        optimizer.step()
        peer.step([torch.full((3,), value, dtype=torch.float64)])
    torch.testing.assert_close(weight.detach(), peer.parameters[0], rtol=1e-14, atol=0)


def scaled_run(gradients: list[torch.Tensor], clip: bool, layout: str) -> tuple[torch.Tensor, AdamW]:
    start = torch.linspace(-1, 1, 6, dtype=torch.float64).view(2, 3)
    weight = torch.nn.Parameter(start.t().contiguous().t() if layout == "transposed" else start)
    optimizer = AdamW([weight], lr=0.1, weight_decay=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    for gradient in gradients:
        optimizer.zero_grad()
        scaler.scale((weight * gradient).sum()).backward()
        if clip:
            scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
    return weight.detach(), optimizer


@pytest.mark.parametrize("layout", ["contiguous", "transposed"])
@pytest.mark.parametrize("clip", [False, True])
def test_a_grad_scaler_changes_nothing_but_infinite_steps(clip: bool, layout: str) -> None:
    gradients = [torch.randn(2, 3, dtype=torch.float64) for _ in range(4)]
    peer = PlainAdamW([torch.linspace(-1, 1, 6, dtype=torch.float64).view(2, 3)], 0.1, (0.9, 0.999), 1e-6, 0.1, True)
    for gradient in gradients:
        peer.step([gradient])
    infinite = torch.full((2, 3), math.inf, dtype=torch.float64)
    weight, optimizer = scaled_run([infinite, *gradients[:2], infinite, *gradients[2:]], clip, layout)
    torch.testing.assert_close(weight, peer.parameters[0], rtol=1e-12, atol=1e-12)
    assert float(optimizer.state[optimizer.param_groups[0]["params"][0]]["step"]) == 4


def test_a_step_with_a_grad_scaler_reads_no_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer: Any = AdamW([weight], weight_decay=0.1)
    optimizer.grad_scale, optimizer.found_inf = torch.tensor(4.0), torch.tensor(0.0)
    for method in ("item", "__bool__", "__float__", "__int__", "tolist", "numpy", "cpu"):
        monkeypatch.setattr(torch.Tensor, method, lambda *_, name=method: pytest.fail(f"Tensor.{name}"))
    for _ in range(3):
        weight.grad = torch.ones(3)
        optimizer.step()


def test_parameters_of_one_number_of_steps_are_updated_together(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(module, "_fused_update", lambda columns, *_: calls.append(len(columns[0])))
    weights = [torch.nn.Parameter(torch.ones(3)) for _ in range(4)]
    optimizer: Any = AdamW(weights)
    optimizer.found_inf = torch.tensor(0.0)
    for with_gradient in ([0, 1, 2, 3], [0, 1], [0, 1, 2, 3]):
        for number, weight in enumerate(weights):
            weight.grad = torch.ones(3) if number in with_gradient else None
        optimizer.step()
    assert calls == [4, 2, 2, 2]
    loaded: Any = AdamW(weights)
    loaded.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert [loaded.state[weight]["step"] for weight in weights] == [3, 3, 2, 2]


def test_a_checkpoint_continues_and_needs_only_safe_loading() -> None:
    def run(steps: list[int], weight: Any, optimizer: Any) -> None:
        for number in steps:
            weight.grad = torch.full((3,), float(number + 1))
            optimizer.found_inf = torch.tensor(0.0) if number % 2 else None
            optimizer.step()

    unbroken = torch.nn.Parameter(torch.ones(3))
    run([0, 1, 2, 3, 4], unbroken, AdamW([unbroken], lr=0.1, weight_decay=0.1))
    weight = torch.nn.Parameter(torch.ones(3))
    first = AdamW([weight], lr=0.1, weight_decay=0.1)
    run([0, 1], weight, first)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = AdamW([weight], lr=0.1, weight_decay=0.1)
    second.load_state_dict(torch.load(file, weights_only=True))
    run([2, 3, 4], weight, second)
    torch.testing.assert_close(weight, unbroken, rtol=1e-6, atol=1e-7)


def test_checkpoints_of_the_former_version_load() -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = AdamW([weight], lr=0.1)
    old = {"step": 7, "exp_avg": torch.full((3,), 0.5), "exp_avg_sq": torch.full((3,), 0.25)}
    group = {"lr": 0.1, "betas": (0.9, 0.999), "eps": 1e-6, "weight_decay": 0.0, "correct_bias": True, "params": [0]}
    optimizer.load_state_dict({"state": {0: copy.deepcopy(old)}, "param_groups": [group]})
    peer = PlainAdamW([torch.ones(3)], 0.1, (0.9, 0.999), 1e-6, 0.0, True)
    peer.steps, peer.averages, peer.squares = [7], [old["exp_avg"]], [old["exp_avg_sq"]]
    weight.grad = torch.ones(3)
    optimizer.step()
    peer.step([torch.ones(3)])
    torch.testing.assert_close(weight.detach(), peer.parameters[0], rtol=1e-6, atol=0)
