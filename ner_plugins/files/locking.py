"""Locks of files and folders, which end with the process that has them."""

import os
from contextlib import contextmanager
from typing import Callable, Iterator, Union

from ner_plugins.errors import NerError


@contextmanager
def locked(path: Union[str, "os.PathLike[str]"], refusal: Callable[[], NerError]) -> Iterator[int]:
    """
    Hold the lock of an existing file or folder. Where the system or the file system has no locks, none is held.

    # Parameters

    path : `Union[str, os.PathLike]`
    refusal : `Callable[[], NerError]`
        Makes the error that is raised if another process has the lock.

    # Returns

    `int`
        The file descriptor of the lock. A process that inherits it keeps the lock if this one is killed.
    """
    lock = os.open(path, os.O_RDONLY)
    try:
        try:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise refusal() from None
        except (ImportError, OSError):
            pass
        yield lock
    finally:
        os.close(lock)
