"""Writing a file or folder under a temporary name, so that there is all of it or the earlier one."""

import errno
import itertools
import os
import shutil
from contextlib import contextmanager
from typing import Iterator, Union

_numbers = itertools.count()
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def named_when_full(name: str) -> Iterator[None]:
    """Add a file's name to the error that there is no room for what is written: `write` does not name the file."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno in _FULL:
            error.filename = name
        raise


@contextmanager
def atomic_path(target: Union[str, "os.PathLike[str]"], sync: bool = False, hidden: bool = True) -> Iterator[str]:
    """
    A path to write a file at, which is renamed to `target` when the block ends.

    If the block raises (Ctrl-C included), the written file is deleted, and an earlier `target` stays as it was. The
    temporary file is in the folder of `target`.

    # Parameters

    target : `Union[str, os.PathLike[str]]`
        The file to write or replace; a link is itself replaced.
    sync : `bool`, optional (default=`False`)
        Whether the content has to be on the disk before the file gets its name, so that not even a power failure
        leaves half of it.
    hidden : `bool`, optional (default=`True`)
        Whether the temporary name is a hidden one, which nothing takes for a file of a corpus, rather than one that
        begins with the name of `target`.

    # Raises

    `OSError` if the file cannot be written. An error about the temporary file names `target` instead.
    """
    folder, name = os.path.split(target)
    partial = os.path.join(folder, f"{'' if hidden else name}.partial-{os.getpid()}-{next(_numbers)}")
    try:
        with named_when_full(os.fspath(target)):
            yield partial
            if sync:
                with open(partial, "rb+") as file:
                    os.fsync(file.fileno())
            os.replace(partial, target)
    except OSError as error:
        if error.filename == partial:
            error.filename, error.filename2 = os.fspath(target), None
        raise
    finally:
        if os.path.exists(partial):
            os.unlink(partial)


@contextmanager
def atomic_folder(target: Union[str, "os.PathLike[str]"]) -> Iterator[str]:
    """
    A new folder to fill, which is renamed to `target` when the block ends.

    If the block raises (Ctrl-C included), the folder is deleted. It is beside `target`, under a hidden name.

    # Parameters

    target : `Union[str, os.PathLike[str]]`
        A name that does not exist, or that of an empty folder, which is replaced.

    # Raises

    `OSError` if the folder cannot be made, or if `target` is not empty by then. An error about the folder names
    `target` instead.
    """
    folder, name = os.path.split(os.path.abspath(target))
    partial = os.path.join(folder, f".partial-{os.getpid()}-{next(_numbers)}")
    try:
        os.mkdir(partial)
        with named_when_full(os.fspath(target)):
            yield partial
        os.rename(partial, os.path.join(folder, name))
    except OSError as error:
        if error.filename == partial:
            error.filename, error.filename2 = os.fspath(target), None
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
