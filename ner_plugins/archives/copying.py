"""Copying a model archive with other thresholds in its configuration."""

import copy
import gzip
import io
import json
import os
import tarfile
from typing import Any, Mapping

from ner_plugins.archives.writing import COMPRESSION
from ner_plugins.errors import ArchiveError

_CONFIG = "config.json"


def copy_with_thresholds(archive: str, copied: str, thresholds: Mapping[str, float]) -> None:
    """
    Copy an archive, with `thresholds` as `model.thresholds` of its configuration.

    The model reads them there, so every command and `load_archive` apply them, a user can read them in the archive, and
    an override (`-o '{"model.thresholds": 0}'`) removes them. Everything else is copied as it is, times included, so
    the same thresholds give the same file.

    # Parameters

    archive : `str`
        A local `model.tar.gz` that was loaded before, since loading checks its members.
    copied : `str`
        The file to write or replace.
    thresholds : `Mapping[str, float]`
        By type.

    # Raises

    `ArchiveError` if it has no readable configuration.
    """
    found = False
    with (
        tarfile.open(archive, "r:*") as source,
        open(copied, "wb") as file,
        # Without the time of writing.
        gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=COMPRESSION, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as target,
    ):
        for member in source:
            content = source.extractfile(member) if member.isfile() else None
            if content is not None and os.path.normpath(member.name) == _CONFIG:
                found = True
                changed = _with_thresholds(content.read(), thresholds, archive)
                member = copy.copy(member)
                member.size, content = len(changed), io.BytesIO(changed)
            target.addfile(member, content)
    if not found:
        raise ArchiveError(f"{archive}: has no {_CONFIG}. It should be the model.tar.gz that `allennlp train` wrote")


def _with_thresholds(config: bytes, thresholds: Mapping[str, float], archive: str) -> bytes:
    try:
        parsed: dict[str, Any] = json.loads(config)
        parsed["model"]["thresholds"] = dict(thresholds)
    except (ValueError, TypeError, KeyError) as error:
        raise ArchiveError(f"{archive}: its {_CONFIG} is not a configuration that `allennlp train` wrote") from error
    return json.dumps(parsed, indent=4, ensure_ascii=False).encode("utf-8", "backslashreplace")
