"""Writing archives that hold everything their model needs."""

import gzip
import io
import json
import logging
import os
import tarfile
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Iterator, NamedTuple, Optional, Union

from ner_plugins.archives.assets import ASSETS_FOLDER
from ner_plugins.archives.new_types import NewTypes, extend_vocabulary, with_new_types
from ner_plugins.archives.pretrained_modules import with_own_modules
from ner_plugins.errors import NerError
from ner_plugins.files.atomic import atomic_path
from ner_plugins.files.json_files import parsed_json

logger = logging.getLogger(__name__)

COMPRESSION = 6
"""The level of gzip. tarfile's default of 9 takes far longer and hardly makes weights smaller."""

StrPath = Union[str, "os.PathLike[str]"]


def write_whole_archives() -> None:
    """
    AllenNLP 2.10.1 archives only weights, vocabulary and the files that the user lists in `include_in_archive`.

    `ner_assets/`, without which a model of this package cannot be built on another machine, is always included. A model
    of type `from_archive`, for which AllenNLP would need the old archive again, gets the old archive's model
    configuration, and its vocabulary, extended. So does a module that was taken from an archive (`_pretrained`).
    """
    from allennlp.models import archival

    archival.archive_model = archive_model


def archive_model(
    serialization_dir: StrPath,
    weights: StrPath = "best.th",
    archive_path: Optional[StrPath] = None,
    include_in_archive: Optional[list[str]] = None,
) -> str:
    """
    Write a run's archive. The file gets its name when it is complete.

    # Parameters

    serialization_dir : `str`
        The run's directory.
    weights : `str`
        The weights file, relative to that directory.
    archive_path : `Optional[str]`
        The file to write, or a directory for a `model.tar.gz`; by default the run's directory.
    include_in_archive : `Optional[list[str]]`
        Patterns of further files in the run's directory.

    # Returns

    `str`
        The archive's path.

    # Raises

    `RuntimeError` if the weights or the configuration are missing.
    """
    folder = Path(serialization_dir)
    for file, what in ((folder / weights, "weights"), (folder / "config.json", "config")):
        if not file.exists():
            raise RuntimeError(f"{what} file '{file}' does not exist, unable to archive model")
    target = Path(archive_path or folder)
    target = target / "model.tar.gz" if target.is_dir() else target
    logger.info("writing the archive %s", target)
    with ExitStack() as stack:
        partial = stack.enter_context(atomic_path(target))
        compressed = stack.enter_context(gzip.open(partial, "wb", compresslevel=COMPRESSION))
        archive = stack.enter_context(tarfile.open(fileobj=compressed, mode="w"))
        parts = _standing_alone(folder, stack)
        member = tarfile.TarInfo("config.json")
        member.size, member.mode = len(parts.config), 0o644
        member.mtime = int((folder / "config.json").stat().st_mtime)
        archive.addfile(member, io.BytesIO(parts.config))
        archive.add(folder / weights, arcname="weights.th")
        for path, name in _members(folder, [ASSETS_FOLDER, *(include_in_archive or [])], parts):
            archive.add(path, arcname=name)
    return str(target)


class _Parts(NamedTuple):
    """
    The parts of an archive that may come from elsewhere than the run's directory.

    # Parameters

    config : `bytes`
    vocabulary : `Path`
    assets : `list[Path]`
        Assets besides those of the run.
    """

    config: bytes
    vocabulary: Path
    assets: list[Path]


def _members(folder: Path, included: list[str], parts: _Parts) -> Iterator[tuple[Path, str]]:
    """The other files and folders, each once, with their names in the archive."""
    seen = {"vocabulary"}
    yield parts.vocabulary, "vocabulary"
    for pattern in ("meta.json", *included):
        for path in sorted(folder.glob(pattern)):
            name = path.relative_to(folder).as_posix()
            if name not in seen:
                seen.add(name)
                yield path, name
    for path in parts.assets:
        if not (folder / ASSETS_FOLDER / path.name).exists():
            yield path, f"{ASSETS_FOLDER}/{path.name}"


def _standing_alone(folder: Path, stack: ExitStack) -> _Parts:
    """
    The run's configuration with a model that does not need another archive, the vocabulary of that model, and its
    assets in the other archive, which stays extracted until `stack` is closed.
    """
    from allennlp.common.file_utils import cached_path
    from allennlp.models import archival

    own = _Parts((folder / "config.json").read_bytes(), folder / "vocabulary", [])
    config: dict[str, Any] = json.loads(own.config)
    vocabularies: list[tuple[Path, Optional[NewTypes]]] = []
    vocabulary = own.vocabulary
    assets: list[Path] = []
    while isinstance(model := config.get("model"), dict) and model.get("type") == "from_archive":
        source = str(model.get("archive_file"))
        try:
            found = Path(cached_path(source))
            other = found if found.is_dir() else Path(stack.enter_context(archival.extracted_archive(found)))
            trained = parsed_json((other / "config.json").read_bytes())["model"]
        except (OSError, ValueError, KeyError, NerError) as error:
            logger.warning("loading this archive will need %s, which cannot be read now (%s)", source, error)
            return own
        assets += (other / ASSETS_FOLDER).iterdir() if (other / ASSETS_FOLDER).is_dir() else []
        new_types = model.get("new_types")
        config["model"] = with_new_types(trained, new_types)
        vocabularies.append((vocabulary, new_types))
        vocabulary = other / "vocabulary"
    if not vocabularies:
        changed, assets = with_own_modules(config, folder)
        return own if changed is config else own._replace(config=_written(changed), assets=assets)
    target = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "vocabulary"
    _extended(vocabulary, vocabularies, config.get("vocabulary") or {}).save_to_files(str(target))
    return _Parts(_written(config), target, assets)


def _written(config: dict[str, Any]) -> bytes:
    return json.dumps(config, indent=4).encode()


def _extended(first: Path, others: list[tuple[Path, Optional[NewTypes]]], settings: dict[str, Any]) -> Any:
    """A vocabulary, extended by each of some others in turn, the last first, as `from_archive` does."""
    from allennlp.data import Vocabulary

    named = {key: settings[key] for key in ("padding_token", "oov_token") if key in settings}
    extended = Vocabulary.from_files(str(first), **named)
    for folder, new_types in reversed(others):
        extend_vocabulary(extended, Vocabulary.from_files(str(folder), **named), new_types)
    return extended
