"""
A GPU that is only pretended: tensors with a device, a dtype and a shape, but no values.

Under torch's `FakeTensorMode` every operation computes the shape and the device of its result. An operation that mixes
devices raises an error, and so does one whose result depends on values that only the device has: an `item`, a
`nonzero`, a mask as an index. What is left are copies between host and device, which `Pretended` counts.

A build of torch for CPUs knows `cuda` by name alone: many calls and all of autograd fail on such a tensor.
`register_backend` makes torch accept a device named `gpu` instead. It cannot be undone, so it needs a process of its
own: `tests/gpu_readiness/pretended_test.py` runs the tests that use it.
"""

import ner_plugins  # noqa: F401  isort: skip  (AllenNLP imports on these libraries only after it)

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest import mock

import torch
from torch._subclasses import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode


class Pretended:
    """The device, values on it, and the copies between it and the host."""

    def __init__(self) -> None:
        self.device = torch.device("gpu", 0)
        # A tensor that the host made before may move to the device; the copy is counted.
        self.mode = FakeTensorMode(allow_non_fake_inputs=True)
        self.copies: list[str] = []

    @contextmanager
    def __call__(self) -> Iterator["Pretended"]:
        with self.mode, _Copies(self.copies):
            yield self

    def moved(self, value: Any) -> Any:
        """A nested value with all its tensors on the device."""
        if isinstance(value, torch.Tensor):
            return self._fake(value)
        if isinstance(value, dict):
            return {key: self.moved(one) for key, one in value.items()}
        return value

    def move_module(self, module: torch.nn.Module) -> None:
        """Move parameters and buffers, in place; `Module.to` swaps their memory, which they do not have."""
        known: dict[int, torch.nn.Parameter] = {}
        for part in module.modules():
            for name, parameter in part._parameters.items():
                if parameter is not None and id(parameter) not in known:
                    fake = self._fake(parameter.detach())
                    known[id(parameter)] = torch.nn.Parameter(fake, requires_grad=parameter.requires_grad)
                if parameter is not None:
                    part._parameters[name] = known[id(parameter)]
            for name, buffer in part._buffers.items():
                if buffer is not None:
                    part._buffers[name] = self._fake(buffer)
            if hasattr(part, "_flat_weights"):  # an LSTM's, which it keeps in a list of its own
                part._flat_weights = [getattr(part, name) for name in part._flat_weights_names]

    def _fake(self, tensor: torch.Tensor) -> torch.Tensor:
        with self.mode:
            return torch.empty_strided(
                tensor.size(), tensor.stride(), dtype=tensor.dtype, device=self.device
            )


class _Copies(TorchDispatchMode):
    """Lists operations that copy between devices, or wait for indices on another."""

    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self._found = found

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is torch.ops.aten._to_copy.default and isinstance(args[0], FakeTensor):
            args[0].constant = None  # the mode would copy the values of a constant to a device that is not there
        result = function(*args, **(kwargs or {}))
        if function is torch.ops.aten._to_copy.default and (kwargs or {}).get("non_blocking") and _on_host(args[0]):
            return result  # the host goes on at once
        given = {t.device.type for t in _tensors((args, kwargs)) if t.dim() > 0 or function in _MOVES}
        made = {t.device.type for t in _tensors(result)}
        if len(given | made) > 1 and given:
            self._found.append(str(function))
        return result


def _on_host(tensor: torch.Tensor) -> bool:
    return tensor.device.type == "cpu"


_MOVES = {torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default}


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _tensors(one)


@cache
def register_backend() -> None:
    """Make torch accept the device `gpu` in this process, for good. It has to come before the first backward pass."""
    from torch.utils import backend_registration

    class Backend(backend_registration._DummyBackendModule):
        def get_amp_supported_dtype(self) -> list[torch.dtype]:
            return [torch.float16, torch.bfloat16]

    backend_registration._setup_privateuseone_for_python_backend("gpu", Backend())


def training_step(build: Callable[[], tuple[torch.nn.Module, dict[str, Any]]]) -> list[str]:
    """
    Forward, loss and backward of a model and a batch on the pretended device: the copies in it, or the error.

    One step on the CPU comes first, for what a run does once.
    """
    model, batch = build()
    model.train()
    model(**batch)["loss"].backward()
    model.zero_grad()
    gpu = Pretended()
    gpu.move_module(model)
    moved = gpu.moved(batch)
    with gpu(), as_if_real():
        try:
            model(**moved)["loss"].backward()
        except Exception as error:
            return [f"{type(error).__name__} in {place_of(error)}: {str(error)[:300]}"]
    without = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    return gpu.copies + [f"no gradient: {name}" for name in without]


def place_of(error: Exception) -> str:
    """The file and the function, outside of torch, that an error comes from."""
    frames = traceback.extract_tb(error.__traceback__)
    frames = [frame for frame in frames if "/torch/" not in frame.filename and frame.filename != __file__]
    return f"{frames[-1].filename}, {frames[-1].name}" if frames else "torch"


@contextmanager
def as_if_real() -> Iterator[None]:
    """Transformers leaves out checks of values for fake tensors; here it makes them, as it would on a GPU."""
    from transformers import masking_utils

    with mock.patch.object(masking_utils, "is_tracing", lambda tensor=None: False):
        yield
