"""The memory of a process, or of its GPU."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Optional

import torch

_STATUS = Path("/proc/self/status")
_FORGET = Path("/proc/self/clear_refs")


class MemoryMeter:
    """
    The peak of the memory in use since the meter was made.

    On a GPU it is that of torch's tensors; on a CPU that of the whole process, which only Linux can reset.

    # Parameters

    device : `torch.device`
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._start = self._reset()

    def peak(self) -> Optional[int]:
        """Bytes above those in use at the start; `None` if they cannot be measured."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
            highest: Optional[int] = torch.cuda.max_memory_allocated(self._device)
        else:
            highest = _resident("VmHWM")
        if self._start is None or highest is None:
            return None
        return max(0, highest - self._start)

    def _reset(self) -> Optional[int]:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
            torch.cuda.reset_peak_memory_stats(self._device)
            return int(torch.cuda.memory_allocated(self._device))
        try:
            _FORGET.write_text("5")
        except OSError:
            return None
        return _resident("VmRSS")


def _resident(key: str) -> Optional[int]:
    """A number of bytes from the process's status: `VmRSS` (now) or `VmHWM` (peak)."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith(key + ":")), None)


def tensor_bytes(values: Iterable[Any]) -> int:
    """The bytes of the tensors among `values`, each of which may be a dictionary or list of more."""
    total = 0
    for value in values:
        if isinstance(value, torch.Tensor):
            total += value.numel() * value.element_size()
        elif isinstance(value, dict):
            total += tensor_bytes(value.values())
        elif isinstance(value, (list, tuple)):
            total += tensor_bytes(value)
    return total


def optimizer_bytes(optimizer: Any) -> int:
    """The bytes of an optimizer's state."""
    inner = getattr(optimizer, "optimizers", None)  # AllenNLP's `multi`
    parts = inner.values() if isinstance(inner, dict) else [optimizer]
    return sum(tensor_bytes(part.state.values()) for part in parts)
