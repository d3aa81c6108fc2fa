"""Decorators that compile the kernels."""

from typing import Any, Callable

import numba
from numpy.typing import NDArray

Function = Callable[..., Any]
Array = NDArray[Any]
"""An array argument; the kernels document its dtype and shape."""
Number = Any
"""A scalar of numpy or Python; compiled functions make no difference."""

# Sums may be regrouped and products fused, so that loops vectorise; NaN stays NaN.
REGROUP = frozenset({"contract", "reassoc", "nsz"})


def kernel(function: Function) -> Function:
    """
    Compile a function that Python calls, at its first call; it runs without the interpreter's lock.

    The machine code is cached on disk for the next process: beside the source, in the user's cache, or in
    `NUMBA_CACHE_DIR`. A change of the function's file recompiles it; a change of a helper's file does not.
    """
    try:
        compiled: Function = numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # "no locator available": no writable cache directory
        compiled = numba.njit(nogil=True)(function)
    return compiled


def helper(function: Function) -> Function:
    """Compile a function that kernels call."""
    compiled: Function = numba.njit(fastmath=set(REGROUP))(function)
    return compiled
