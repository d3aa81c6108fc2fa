"""A copy of a model archive with other thresholds in its configuration."""

import copy
import gzip
import io
import json
import os
import tarfile
from typing import Any, Dict, Mapping

from ner_plugins.archives.writing import COMPRESSION
from ner_plugins.errors import ArchiveError

_CONFIG = "config.json"


def copy_with_thresholds(archive: str, copied: str, thresholds: Mapping[str, float]) -> None:
    """
    Copy an archive, with `thresholds` as `model.thresholds` of its configuration.

    That is where the model reads them, so that every command and `load_archive` apply them, whoever opens the archive
    sees them, and an override (`-o '{"model.thresholds": 0}'`) takes them away. All else stays as it is, times too:
    the same thresholds make the same file.

    # Parameters

    archive : `str`
        A `model.tar.gz`, local, that was loaded before (which checks its members).
    copied : `str`
        The file to write; one that is there is replaced.
    thresholds : `Mapping[str, float]`
        By type.

    # Raises

    `ArchiveError` if there is no configuration in it that can be read.
    """
    found = False
    with (
        tarfile.open(archive, "r:*") as source,
        open(copied, "wb") as file,
        # No time in it.
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
        raise ArchiveError(f"{archive}: there is no {_CONFIG} in it")


def _with_thresholds(config: bytes, thresholds: Mapping[str, float], archive: str) -> bytes:
    try:
        parsed: Dict[str, Any] = json.loads(config)
        parsed["model"]["thresholds"] = dict(thresholds)
    except (ValueError, TypeError, KeyError) as error:
        raise ArchiveError(f"{archive}: its {_CONFIG} is no configuration as `allennlp train` writes it") from error
    return json.dumps(parsed, indent=4, ensure_ascii=False).encode("utf-8", "backslashreplace")
