"""How the kernels are compiled."""

from typing import Any, Callable

import numba
from numpy.typing import NDArray

Function = Callable[..., Any]
Array = NDArray[Any]
"""An array of a kernel; the kernels say which numbers are in it, and its shape."""
Number = Any
"""A number, of numpy's or of the interpreter's, which are the same to a compiled function."""

# Sums may be regrouped and products fused, which is what makes loops vectorise; NaN stays NaN.
REGROUP = frozenset({"contract", "reassoc", "nsz"})


def kernel(function: Function) -> Function:
    """
    Compile a function that is called from Python: at its first call, without the interpreter's lock, with the machine
    code kept on disk for the next process where some directory can be written: beside the source, else in the user's
    cache, or where `NUMBA_CACHE_DIR` says. It is compiled again when the file of the function changes, but not when
    that of a helper from another file does.
    """
    try:
        compiled: Function = numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # "no locator available": nowhere to keep it
        compiled = numba.njit(nogil=True)(function)
    return compiled


def helper(function: Function) -> Function:
    """Compile a function that kernels call, into them."""
    compiled: Function = numba.njit(fastmath=set(REGROUP))(function)
    return compiled
