"""Python's garbage collector, and what it costs where millions of things are made."""

import gc
from contextlib import contextmanager
from typing import Iterator


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """
    Puts garbage collection off while something is made of which nothing is garbage.

    The collector looks at the tokens and entities of a corpus again and again, which takes longer than making them.
    (Reference counting goes on; a thread that makes cycles meanwhile has them collected a little later.)
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
