"""A checksum of a model: of the archive's file, or of the files in a run's folder that an archive would have."""

import hashlib
import os
from pathlib import Path
from typing import Iterator, Union

from ner_plugins.archives.assets import ASSETS_FOLDER

_BLOCK = 1 << 20
_PARTS = ("config.json", "weights.th", "best.th", "vocabulary", ASSETS_FOLDER)


def archive_digest(path: Union[str, "os.PathLike[str]"]) -> str:
    """
    The SHA-256 of an archive, in hexadecimal digits.

    # Parameters

    path : `Union[str, os.PathLike[str]]`
        A `model.tar.gz`, or the folder of a run, in which the names and bytes of the model's files count.
    """
    digest = hashlib.sha256()
    if os.path.isdir(path):
        for file in _files(Path(path)):
            digest.update(
                f"{file.relative_to(path).as_posix()}\0{file.stat().st_size}\0".encode("utf-8", "surrogateescape")
            )
            _add(file, digest)
    else:
        _add(Path(path), digest)
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for name in _PARTS:
        place = folder / name
        yield from [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())


def _add(path: Path, digest: "hashlib._Hash") -> None:
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
