"""A file of distributions that a teacher has predicted, by key."""

import io
import logging
import os
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Iterator, Mapping, Sequence, Union

import numpy
import torch
from torch import Tensor

from ner_plugins.errors import NerError

logger = logging.getLogger(__name__)

_AT_ONCE = 500  # keys of a query
_PATIENCE = 120.0  # seconds to wait for another process that writes


class DistributionCache:
    """
    Tensors by key in one SQLite file, which several processes and runs may share. What is written is there as a whole
    or not at all, also when a process is killed.

    # Parameters

    path : `Union[str, os.PathLike[str]]`
        Made when something is written.
    limit : `int`
        Bytes; once the file is larger, nothing is added.
    """

    def __init__(self, path: Union[str, "os.PathLike[str]"], limit: int) -> None:
        self.path, self.limit = Path(path), limit
        self._is_full = False

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Tensor]:
        """
        The tensors of those keys that are there.

        # Raises

        `NerError` if the file is damaged or is something else.
        """
        found: dict[bytes, Tensor] = {}
        if not self.path.exists():
            return found
        with self._connection() as connection:
            for start in range(0, len(keys), _AT_ONCE):
                some = list(keys[start : start + _AT_ONCE])
                places = ",".join("?" * len(some))
                rows = connection.execute(f"SELECT key, value FROM outputs WHERE key IN ({places})", some)
                found |= {key: _tensor(value) for key, value in rows}
        return found

    def add(self, tensors: Mapping[bytes, Tensor]) -> None:
        """
        Write float32 copies of tensors, unless the file has reached its limit.

        # Raises

        `NerError` if the file is damaged or is something else, or cannot be written.
        """
        if self._is_full or not tensors:
            return
        if self.path.exists() and self.path.stat().st_size > self.limit:
            self._is_full = True
            logger.warning(
                "%s has reached %d MB: further outputs of the teacher are computed in each epoch. Raise "
                "model.distillation.cache_megabytes, or name another cache", self.path, self.limit >> 20,
            )  # fmt: skip
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._connection() as connection, connection:
            rows = [(key, _bytes(tensor)) for key, tensor in tensors.items()]
            connection.executemany("INSERT OR REPLACE INTO outputs VALUES (?, ?)", rows)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        # Opened for each use: a connection can neither be copied with a model nor used after a fork.
        try:
            with closing(sqlite3.connect(self.path, timeout=_PATIENCE)) as connection:
                connection.execute("CREATE TABLE IF NOT EXISTS outputs (key BLOB PRIMARY KEY, value BLOB NOT NULL)")
                yield connection
        except sqlite3.Error as error:
            raise NerError(
                f"{self.path}: cannot be used as the cache of a teacher's outputs ({error}). Delete the file if it is "
                "damaged, or name another one in model.distillation.cache"
            ) from error


def _bytes(tensor: Tensor) -> bytes:
    stream = io.BytesIO()
    numpy.save(stream, tensor.detach().float().cpu().numpy(), allow_pickle=False)
    return stream.getvalue()


def _tensor(value: bytes) -> Tensor:
    return torch.from_numpy(numpy.load(io.BytesIO(value), allow_pickle=False))
