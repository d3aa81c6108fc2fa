"""
The part of an archive besides weights and vocabulary: the folder `ner_assets/` in the serialization directory.

A component that needs more than its options to be built again (a tokenizer, an encoder's configuration, a lexicon,
thresholds) saves it there in training. When `is_loading()`, it reads from there and from nowhere else.
"""

import json
import os
import re
import shutil
import tempfile
import zlib
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import metadata
from pathlib import Path
from typing import Any, Callable, Iterator, Union

from ner_plugins.distributed import is_first_rank
from ner_plugins.errors import ArchiveError
from ner_plugins.files.atomic import atomic_path
from ner_plugins.files.json_files import parsed_json
from ner_plugins.version import VERSION

ASSETS_FOLDER = "ner_assets"
MANIFEST = "manifest.json"
FORMAT_VERSION = 2  # 2: parameters of the head are under `head.`; of 1, `NerModel` maps the names when it loads
_READABLE = (1, 2)

_loading: ContextVar[bool] = ContextVar("ner_plugins_loading", default=False)


@contextmanager
def loading() -> Iterator[None]:
    """
    A context in which components of a trained model are built: they read from `ner_assets/` alone, never from the
    folders and hub names of the configuration. AllenNLP's `Model.load` and its loading of readers run in it.
    """
    token = _loading.set(True)
    try:
        yield
    finally:
        _loading.reset(token)


def is_loading() -> bool:
    """Whether components are being built for a trained model (see `loading`) rather than for training."""
    return _loading.get()


def asset_name(source: str) -> str:
    """
    The name of an asset: readable, and different for different sources.

    # Parameters

    source : `str`
        A folder, a file or a hub name, as in the configuration.

    # Returns

    `str`
        The last part of `source` in characters safe for any file system, and a checksum of all of `source`.
    """
    source = source.replace("\\", "/").rstrip("/")
    slug = re.sub(r"[^A-Za-z0-9._-]+", "_", source.rsplit("/", 1)[-1]).strip("._-")[:60] or "asset"
    return f"{slug}-{zlib.crc32(source.encode('utf-8', 'surrogatepass')):08x}"


class Assets:
    """
    The assets of one serialization directory, or of the folder that an archive was extracted to.

    Each asset is written under a temporary name and then renamed, so that a reader sees all of it or nothing; in
    distributed training only rank 0 writes. Components must read eagerly, because AllenNLP deletes the extracted
    archive as soon as the model is built.

    # Parameters

    serialization_dir : `Union[str, os.PathLike[str]]`
        The directory that AllenNLP passes to constructors as `serialization_dir`.
    """

    def __init__(self, serialization_dir: Union[str, "os.PathLike[str]"]) -> None:
        self.root = Path(serialization_dir) / ASSETS_FOLDER

    def exists(self) -> bool:
        """Whether anything has been saved here."""
        return (self.root / MANIFEST).is_file()

    def folder(self, name: str) -> Path:
        """The path of the folder `name`, which need not exist (see `require`)."""
        return self.root / name

    def check_version(self) -> None:
        """
        Refuse assets that this version of the package cannot read.

        # Raises

        `ArchiveError` if there are none, if the manifest cannot be read, or if it is of another `format_version`.
        """
        path = self.root / MANIFEST
        if not path.is_file():
            raise ArchiveError(
                f"{path}: not found, so this archive does not carry what its model needs besides weights. Archive it "
                "again with this package's `allennlp train`, which includes ner_assets/, or retrain"
            )
        manifest = _read_json(path)
        found = manifest.get("format_version") if isinstance(manifest, dict) else None
        if found not in _READABLE:
            writer = manifest.get("ner_plugins", "unknown") if isinstance(manifest, dict) else "unknown"
            readable = " and ".join(map(str, _READABLE))
            raise ArchiveError(
                f"{path}: format_version is {found}, this ner_plugins ({VERSION}) reads {readable}. "
                f"Retrain, or use the ner_plugins version that wrote it ({writer})"
            )

    def require(self, name: str, what: str) -> Path:
        """
        The path of an asset without which a model cannot be loaded.

        # Parameters

        name : `str`
            As in `save_folder` or `save_json`.
        what : `str`
            The asset as the message names it, such as "the tokenizer of 'bert-base-chinese'".

        # Raises

        `ArchiveError` if it is missing, or if `check_version` fails.
        """
        self.check_version()
        path = self.root / name
        if not path.exists():
            held = sorted(entry.name for entry in self.root.iterdir() if entry.name != MANIFEST)
            raise ArchiveError(
                f"{self.root}: the archive does not carry {what} ({name}; it carries {', '.join(held) or 'nothing'}). "
                "Load it with the configuration it was trained with (no override of that key), or retrain"
            )
        return path

    def save_folder(self, name: str, write: Callable[[Path], None]) -> None:
        """
        Save a folder unless it exists: a recovered run keeps the assets that it began with.

        # Parameters

        name : `str`
            The folder's name.
        write : `Callable[[Path], None]`
            Fills the (empty) folder that it gets.
        """
        if not is_first_rank() or self.folder(name).is_dir():
            return
        self.save_manifest()
        temporary = Path(tempfile.mkdtemp(prefix=".tmp-", dir=self.root))
        try:
            write(temporary)
            temporary.chmod(0o755)
            os.replace(temporary, self.folder(name))
        except OSError:
            # Another process was faster: a folder cannot replace one that has files.
            if not self.folder(name).is_dir():
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def save_json(self, name: str, value: Any) -> None:
        """Save a JSON value under `name`, replacing an earlier one: for settings that training determines."""
        if is_first_rank():
            self.save_manifest()
            _write_json(self.root / name, value)

    def load_json(self, name: str, what: str) -> Any:
        """Read what `save_json` saved; parameters and errors as in `require`."""
        return _read_json(self.require(name, what))

    def save_manifest(self) -> None:
        """
        Write `manifest.json` if it is missing: the versions of the format and of the libraries.

        # Raises

        `ArchiveError` if there is one of another `format_version`.
        """
        if not is_first_rank():
            return
        if self.exists():
            self.check_version()
            return
        self.root.mkdir(parents=True, exist_ok=True)
        versions = {library: _installed_version(library) for library in ("torch", "transformers")}
        _write_json(self.root / MANIFEST, {"format_version": FORMAT_VERSION, "ner_plugins": VERSION, **versions})


def _installed_version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "unknown"


def _write_json(path: Path, value: Any) -> None:
    with atomic_path(path) as partial, open(partial, "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, indent=1, sort_keys=True)


def _read_json(path: Path) -> Any:
    try:
        return parsed_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ArchiveError(f"{path}: cannot be read as JSON ({error}). Copy the archive again, or retrain") from error
