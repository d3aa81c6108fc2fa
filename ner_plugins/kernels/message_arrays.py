"""The arrays that the kernels of messages fill. It imports no kernel, so that numba is only needed to run them."""

from importlib import import_module
from typing import Any, Callable, NamedTuple, Sequence

import numpy as np

LANES = 16  # as in `arithmetic`, which is only imported when it is needed
NOTHING = np.empty((0, 0, 0), np.float32)


def kernel_of(module: str, name: str) -> Callable[..., Any]:
    """A kernel; the first use of its module imports numba and compiles."""
    kernel: Callable[..., Any] = getattr(import_module(f"ner_plugins.kernels.{module}"), name)
    return kernel


class OneWay(NamedTuple):
    """The output arrays of the kernel `forward_messages`."""

    forward: np.ndarray  # Shape of this and the next: (batch, length, width)
    weights: np.ndarray
    offsets: np.ndarray  # Shape: (batch, length)
    log_z: np.ndarray  # Shape: (batch,)

    @classmethod
    def unfilled(cls, emissions: np.ndarray) -> "OneWay":
        """Arrays of the sizes that the kernel needs. Shape of `emissions`: (batch, length, tags)"""
        batch, length, number = emissions.shape
        forward, weights = np.empty((2, batch, length, -(-number // LANES) * LANES), np.float32)
        return cls(forward, weights, np.empty((batch, length)), np.empty(batch))

    @classmethod
    def filled(cls, arrays: Sequence[np.ndarray]) -> "OneWay":
        """The arrays after the kernel has run over emissions, mask, transitions, start and end."""
        one_way = cls.unfilled(arrays[0])
        kernel_of("messages", "forward_messages")(*arrays, *one_way)
        return one_way


def fill_other_way(
    arrays: Sequence[np.ndarray], one_way: OneWay, backward: np.ndarray, by_token: np.ndarray
) -> None:
    """Fill `by_token` with marginals, and `backward` with backward messages unless its size is 0."""
    emissions, mask, transitions, _, end = arrays
    scale = np.where(np.isnan(one_way.log_z), np.float32(np.nan), np.float32(1))
    by_pair, by_edge = np.empty_like(transitions), np.zeros((2, len(end)), np.float32)
    kernel_of("messages", "backward_messages")(
        emissions, mask, transitions, end, *one_way[:2], scale, backward, NOTHING, by_token, by_pair, by_edge
    )
