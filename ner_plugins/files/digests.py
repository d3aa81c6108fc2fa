"""Checksums of files and texts."""

import hashlib
import os
from typing import Union

_MEBIBYTE = 1 << 20


def sha256(path: Union[str, "os.PathLike[str]"]) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_MEBIBYTE):
            digest.update(block)
    return digest.hexdigest()


def text_key(text: str) -> str:
    """The SHA-256 of a text in UTF-8, in hexadecimal digits; lone surrogates are allowed."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
