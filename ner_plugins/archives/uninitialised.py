"""Building a trained model without drawing the random weights that its own replace, and not larger than these."""

import math
import os
from typing import Any, Callable, Optional

import torch
from torch.overrides import TorchFunctionMode

from ner_plugins.archives.trust import is_trusting
from ner_plugins.errors import ArchiveError

_DRAWING = frozenset(
    {
        "uniform_", "normal_", "trunc_normal_", "xavier_uniform_", "xavier_normal_", "kaiming_uniform_",
        "kaiming_normal_", "sparse_", "orthogonal_",
    }
)  # fmt: skip


_FACTORIES = frozenset({torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn})
_MORE_BYTES = 2 << 30  # than four times the weights; position tables and other constants are not among these
_MOST_TENSORS = 200_000


class WithoutDrawing(TorchFunctionMode):
    """
    A context, of this thread alone, in which modules are initialised with constants where they would draw random
    numbers. Drawing the weights of an encoder takes longer than reading them from a file.

    # Parameters

    weights_file : `Any`, optional (default=`None`)
        The weights of an archive. Unless archives are trusted, tensors that are together much larger, or very many,
        are an `ArchiveError`: a configuration could ask for more memory than there is.
    """

    def __init__(self, weights_file: Any = None) -> None:
        super().__init__()
        is_limited = weights_file is not None and os.path.isfile(weights_file) and not is_trusting()
        self._most = 4 * os.path.getsize(weights_file) + _MORE_BYTES if is_limited else math.inf
        self._bytes = self._tensors = 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Optional[dict[str, Any]] = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", "") == "torch.nn.init" and func.__name__ in _DRAWING:
            tensor = args[0] if args else kwargs["tensor"]
            self._check(tensor)
            with torch.no_grad():
                return tensor.zero_()
        if func in _FACTORIES and self._most < math.inf:
            self._count(args, kwargs)
        if func in (torch.Tensor.normal_, torch.Tensor.uniform_):
            self._check(args[0])
            return args[0].fill_(_middle(func, *args[1:], **kwargs))
        return func(*args, **kwargs)


    def _check(self, tensor: torch.Tensor) -> None:
        """Check the size of a tensor before its memory is used; those of some constructors are not counted."""
        if (size := tensor.numel() * tensor.element_size()) > self._most:
            raise _too_large(size)

    def _count(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Count a tensor that is about to be made of a size."""
        given = args[0] if args and not isinstance(args[0], int) else args or kwargs.get("size", ())
        sizes = [size for size in given if isinstance(size, int)] if isinstance(given, (tuple, list)) else []
        width = getattr(kwargs.get("dtype") or torch.get_default_dtype(), "itemsize", 4)
        self._bytes += max(0, math.prod(sizes)) * width
        self._tensors += 1
        if self._bytes > self._most or self._tensors > _MOST_TENSORS:
            raise _too_large(self._bytes if self._bytes > self._most else None)


def _too_large(size: Optional[int]) -> ArchiveError:
    """The error about so many bytes, or (`None`) so many tensors."""
    what = "very many tensors" if size is None else f"{size / 2**30:,.1f} GiB of weights"
    return ArchiveError(
        f"the archive's configuration asks for {what}, far more than its weights have. It is damaged or hostile; if "
        "you trust it, add --trust-archive"
    )


def _middle(func: Any, *limits: float, **named: Any) -> float:
    """The mean of what would be drawn: functions that draw again until a value fits take it."""
    if func is torch.Tensor.normal_:
        return float(limits[0] if limits else named.get("mean", 0.0))
    low = limits[0] if limits else named.get("from", 0.0)
    high = limits[1] if len(limits) > 1 else named.get("to", 1.0)
    return float(low + high) / 2
