"""Building a trained model without drawing the random weights that its own replace."""

from typing import Any, Callable, Optional

import torch
from torch.overrides import TorchFunctionMode

_DRAWING = frozenset(
    {
        "uniform_", "normal_", "trunc_normal_", "xavier_uniform_", "xavier_normal_", "kaiming_uniform_",
        "kaiming_normal_", "sparse_", "orthogonal_",
    }
)  # fmt: skip


class WithoutDrawing(TorchFunctionMode):
    """
    A context, of this thread alone, in which modules are initialised with constants where they would draw random
    numbers. Drawing the weights of an encoder takes longer than reading them from a file.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Optional[dict[str, Any]] = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", "") == "torch.nn.init" and func.__name__ in _DRAWING:
            tensor = args[0] if args else kwargs["tensor"]
            with torch.no_grad():
                return tensor.zero_()
        if func in (torch.Tensor.normal_, torch.Tensor.uniform_):
            return args[0].fill_(_middle(func, *args[1:], **kwargs))
        return func(*args, **kwargs)


def _middle(func: Any, *limits: float, **named: Any) -> float:
    """The mean of what would be drawn: functions that draw again until a value fits take it."""
    if func is torch.Tensor.normal_:
        return float(limits[0] if limits else named.get("mean", 0.0))
    low = limits[0] if limits else named.get("from", 0.0)
    high = limits[1] if len(limits) > 1 else named.get("to", 1.0)
    return float(low + high) / 2
