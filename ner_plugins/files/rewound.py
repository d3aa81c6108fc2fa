"""A stream whose beginning was looked at."""

import io
from typing import BinaryIO


class Rewound(io.RawIOBase):
    """
    A stream again from its first byte, for readers that tell by a file's head how to read it.

    # Parameters

    head : `bytes`
        What was read of it.
    rest : `BinaryIO`
        The stream.
    """

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head, self._rest = head, rest

    def read(self, size: int = -1, /) -> bytes:
        """The head as one piece whatever `size`, and then what the stream gives."""
        head, self._head = self._head, b""
        return head or self._rest.read(size)
