"""`manifest.json`: what an exported model is, and what it was exported from."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Mapping, Union

from ner_plugins.errors import ArchiveError
from ner_plugins.files.atomic import atomic_path
from ner_plugins.files.json_files import parsed_json
from ner_plugins.version import VERSION

MANIFEST = "manifest.json"
FORMAT = "ner_plugins export"
FORMAT_VERSION = 1
"""Raised whenever an earlier package could not read a newer export."""


@dataclass(frozen=True)
class ExportManifest:
    """
    The content of `manifest.json`.

    # Parameters

    target : `str`
        What it was exported to: the `--to` of `allennlp ner-export`.
    types : `list[str]`
        The entity types, in order of their ids.
    archive_digest : `str`
        The SHA-256 of the archive (`ner_plugins.archives.digest`).
    archive : `str`
        The archive's file name, without its folder.
    package_version : `str`
        The version of ner_plugins that wrote it.
    format_version : `int`
    details : `Mapping[str, Any]`
        What the target has to say: numbers, strings, lists and objects of them.
    """

    target: str
    types: list[str]
    archive_digest: str
    archive: str
    package_version: str = VERSION
    format_version: int = FORMAT_VERSION
    details: Mapping[str, Any] = field(default_factory=dict)

    def write(self, folder: Union[str, "os.PathLike[str]"]) -> None:
        """Write it into a folder. It is written last: a folder without one is not a complete export."""
        content = {"format": FORMAT, **asdict(self)}
        with atomic_path(Path(folder, MANIFEST)) as partial, open(partial, "w", encoding="utf-8") as file:
            json.dump(content, file, ensure_ascii=False, indent=1)
            file.write("\n")

    @classmethod
    def read(cls, folder: Union[str, "os.PathLike[str]"]) -> "ExportManifest":
        """
        Read that of a folder.

        # Raises

        `ArchiveError` if there is none, if it is damaged, or if its format is newer than this package.
        """
        path = Path(folder, MANIFEST)
        try:
            content = parsed_json(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            raise ArchiveError(f"{folder}: not an exported model: it has no {MANIFEST}. {_EXPORT_AGAIN}") from None
        except (OSError, ValueError) as error:
            raise ArchiveError(f"{path}: damaged ({error}). {_EXPORT_AGAIN}") from error
        if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
            raise ArchiveError(f"{path}: not of an exported model. {_EXPORT_AGAIN}")
        version = content.get("format_version")
        if isinstance(version, int) and version > FORMAT_VERSION:
            writer = content.get("package_version", "unknown")
            raise ArchiveError(
                f"{path}: format_version is {version}, and this ner_plugins ({VERSION}) reads up to {FORMAT_VERSION}. "
                f"Install the ner_plugins that wrote it ({writer}), or export the archive again with this one"
            )
        try:
            manifest = cls(**content)
        except TypeError as error:
            raise ArchiveError(f"{path}: damaged ({error}). {_EXPORT_AGAIN}") from error
        if not isinstance(manifest.types, list) or not isinstance(manifest.details, dict):
            raise ArchiveError(f"{path}: damaged: types is not a list, or details not an object. {_EXPORT_AGAIN}")
        return manifest


_EXPORT_AGAIN = "It should be the folder that `allennlp ner-export` wrote: copy it again, or export the archive again"


def is_export(path: Union[str, "os.PathLike[str]"]) -> bool:
    """Whether a path is a folder with the manifest of an export, of any target and version."""
    try:
        content = parsed_json(Path(path, MANIFEST).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("format") == FORMAT
