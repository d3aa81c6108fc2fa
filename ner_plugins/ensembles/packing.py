"""Packing a folder that holds all of an archive."""

import gzip
import os
import tarfile
from pathlib import Path
from typing import Union

from ner_plugins.archives.writing import COMPRESSION


def pack_archive(folder: Union[str, "os.PathLike[str]"], target: str) -> None:
    """
    Write the files of a folder as an archive, without times and owners: equal files give equal bytes.

    # Parameters

    folder : `Union[str, os.PathLike[str]]`
        What `extracted_archive` would make of the archive.
    target : `str`
        The file to write.
    """
    with (
        open(target, "wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=COMPRESSION, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as archive,
    ):
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file():
                member = tarfile.TarInfo(path.relative_to(folder).as_posix())
                member.size, member.mode = path.stat().st_size, 0o644
                with open(path, "rb") as content:
                    archive.addfile(member, content)
