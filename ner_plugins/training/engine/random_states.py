"""Saving and restoring the states of all random generators that training uses."""

import random
from typing import Any

import numpy
import torch


def random_states() -> dict[str, Any]:
    """
    The states of the generators of Python, numpy, torch and every CUDA device.

    # Returns

    `dict[str, Any]`
        Tensors and plain containers, which can be loaded with `weights_only=True`.
    """
    name, keys, position, has_gauss, gauss = numpy.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": (str(name), [int(key) for key in keys], int(position), int(has_gauss), float(gauss)),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_random_states(states: dict[str, Any]) -> None:
    """
    Restore the states that `random_states` returned. States of CUDA devices that are absent here are ignored.
    """
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, *rest = states["numpy"]
    numpy.random.set_state((name, numpy.array(keys, dtype=numpy.uint32), *rest))
    torch.set_rng_state(states["torch"])
    if torch.cuda.is_available():
        for device, state in enumerate(states["cuda"][: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(state, device)
