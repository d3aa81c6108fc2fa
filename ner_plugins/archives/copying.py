"""Copying models: an archive with other thresholds in its configuration, or any model into a folder."""

import copy
import gzip
import io
import json
import os
import shutil
import tarfile
from pathlib import Path
from typing import Any, Mapping

from ner_plugins.archives.writing import COMPRESSION, archive_model
from ner_plugins.errors import ArchiveError
from ner_plugins.files.atomic import atomic_path
from ner_plugins.files.json_files import parsed_json

_CONFIG = "config.json"
_ARCHIVE, _FOLDER = "model.tar.gz", "model"


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
        parsed: dict[str, Any] = parsed_json(config)
        parsed["model"]["thresholds"] = dict(thresholds)
    except (ValueError, TypeError, KeyError) as error:
        raise ArchiveError(f"{archive}: its {_CONFIG} is not a configuration that `allennlp train` wrote") from error
    return json.dumps(parsed, indent=4, ensure_ascii=False).encode("utf-8", "backslashreplace")


def copy_model(path: str, folder: "os.PathLike[str]") -> str:
    """
    Copy a model into a folder.

    # Parameters

    path : `str`
        An archive, the folder of a run, which is archived, or any other folder of a model, which is copied as it is.
    folder : `os.PathLike[str]`

    # Returns

    `str`
        The name of the copy in `folder`.
    """
    from allennlp.common.file_utils import cached_path

    source = Path(path if os.path.exists(path) else cached_path(path))
    if source.is_file():
        target = Path(folder, _ARCHIVE)
        if not (target.exists() and target.samefile(source)):
            with atomic_path(target) as partial:
                shutil.copyfile(source, partial)
        return _ARCHIVE
    weights = next((name for name in ("weights.th", "best.th") if (source / name).is_file()), None)
    if weights is not None and (source / _CONFIG).is_file():
        archive_model(source, weights, Path(folder, _ARCHIVE))
        return _ARCHIVE
    target = Path(folder, _FOLDER)
    if not (target.exists() and target.samefile(source)):
        shutil.copytree(source, target)
    return _FOLDER
