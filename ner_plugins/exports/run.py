"""Writing an export: a new folder, all of it or nothing."""

import logging
import os
from dataclasses import fields
from pathlib import Path

from ner_plugins.archives.digest import archive_digest
from ner_plugins.errors import ConfigError
from ner_plugins.exports.model_card import write_card
from ner_plugins.exports.registry import TARGETS
from ner_plugins.exports.target import ExportOptions, ExportSource
from ner_plugins.files.atomic import atomic_folder
from ner_plugins.files.export_manifest import ExportManifest

logger = logging.getLogger(__name__)


def check_folder(folder: str) -> None:
    """
    Refuse a folder that an export would not be written to, before anything slow is done.

    # Raises

    `ConfigError` if it exists and is not empty, or cannot be made.
    """
    parent = os.path.dirname(os.path.abspath(folder))
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise ConfigError(f"-o {folder} exists and is not a folder: name a new folder")
    if os.path.isdir(folder) and os.listdir(folder):
        raise ConfigError(f"-o {folder} exists and is not empty: name a new folder, or remove this one first")
    if not os.path.isdir(parent):
        raise ConfigError(f"-o {folder}: there is no folder {parent}: make it first")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise ConfigError(f"-o {folder}: {parent} is not writable")


def check_options(target: str, options: ExportOptions) -> None:
    """
    Refuse options that a target does not take.

    # Raises

    `ConfigError` naming the option, or the target if it is unknown.
    """
    if target not in TARGETS:
        raise ConfigError(f"there is no export target {target!r}; there are {', '.join(sorted(TARGETS))}")
    taken = TARGETS[target].options | {"language"}
    for field in fields(options):
        if field.name not in taken and getattr(options, field.name) != field.default:
            raise ConfigError(f"--{field.name.replace('_', '-')} has no effect with --to {target}: remove it")


def export(source: ExportSource, folder: str, target: str, options: ExportOptions) -> ExportManifest:
    """
    Export a model into a new folder.

    # Parameters

    source : `ExportSource`
    folder : `str`
        A name that does not exist, or that of an empty folder.
    target : `str`
        A key of `TARGETS`.
    options : `ExportOptions`

    # Returns

    `ExportManifest`
        That of the folder.

    # Raises

    `ConfigError` for a folder that is not empty or an option that has no effect, and what the target raises. Nothing
    is written then.
    """
    check_folder(folder)
    check_options(target, options)
    if source.reader.neighbours is not None:
        logger.warning(
            "the model was trained with context_sentences, but an exported one reads each text alone: it finds what "
            "the archive finds without neighbours"
        )
    with atomic_folder(folder) as partial:
        details = TARGETS[target].export(source, Path(partial), options)
        card = os.path.basename(os.path.abspath(folder))
        write_card(source, Path(partial), target, details, card, options.language)
        name = os.path.basename(os.path.abspath(source.path))
        manifest = ExportManifest(target, list(source.model.types), archive_digest(source.path), name, details=details)
        manifest.write(partial)
    return manifest
