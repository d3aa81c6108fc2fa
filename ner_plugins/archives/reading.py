"""Reading archives: safe extraction, data instead of code, and the mark that components are loaded, not trained."""

import os
import re
import shutil
import tarfile
import tempfile
import zlib
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Iterator, Union

from ner_plugins.archives.config import ArchivedParams, parsed_overrides
from ner_plugins.archives.parts import check_parts
from ner_plugins.archives.trust import check_file, is_untrusted, strings_in, untrusted
from ner_plugins.compat.replace import replace
from ner_plugins.errors import ArchiveError, ConfigError, NerError
from ner_plugins.files.export_manifest import MANIFEST, ExportManifest

MAX_MEMBERS = 10_000
MAX_BYTES = 64 * 2**30
MAX_DEPTH = 8
"""Of archives whose model is that of another archive."""
_PREFIX = "ner-archive-"
# The archives that are being loaded, outermost first.
_around: ContextVar[tuple[str, ...]] = ContextVar("ner_plugins_archives", default=())


def announce_loading_model() -> None:
    """
    AllenNLP 2.10.1 builds components alike for training and loading; mark `Model.load` (see `archives.assets`), and
    leave the random weights out that it would replace.
    """
    from allennlp.models.model import Model

    from ner_plugins.archives.uninitialised import WithoutDrawing

    def without_drawing(original: Any) -> Any:
        def load(*args: Any, **kwargs: Any) -> Any:
            with WithoutDrawing(kwargs.get("weights_file")):
                return original(*args, **kwargs)

        return load

    replace(Model, "load", _announcing)
    replace(Model, "load", without_drawing)


def announce_loading_readers() -> None:
    """
    Mark the loading of an archive's dataset readers, as `announce_loading_model` does for the model.

    It is the first that AllenNLP 2.10.1 does with a configuration, which it expects to be one: see `check_parts`. A
    reader that is given by its name alone it trains with, but cannot load.
    """
    from allennlp.models import archival

    def checking(original: Any) -> Any:
        def load_dataset_readers(config: Any, serialization_dir: Any) -> Any:
            check_parts(config.params, str(serialization_dir))
            for key in ("dataset_reader", "validation_dataset_reader"):
                if isinstance(config.params.get(key), str):
                    config.params[key] = {"type": config.params[key]}
            return original(config, serialization_dir)

        return load_dataset_readers

    replace(archival, "_load_dataset_readers", checking)
    replace(archival, "_load_dataset_readers", _announcing)


def _announcing(original: Any) -> Any:
    def load(*args: Any, **kwargs: Any) -> Any:
        from ner_plugins.archives.assets import loading

        with loading():
            return original(*args, **kwargs)

    return load


def load_as_data() -> None:
    """
    AllenNLP 2.10.1 runs what an archive's configuration names (see `archives.trust`), evaluates it as Jsonnet, and
    names the folder that it extracted the archive to in errors, many of them tracebacks.

    Here a configuration is data, and an error is one message with the user's archive in it.
    """
    from allennlp.models import archival

    def guarded(original: Any) -> Any:
        def load_archive(
            archive_file: Any, cuda_device: int = -1, overrides: Any = "", weights_file: Any = None
        ) -> Any:
            from ner_plugins.compat.plugins import load_model_parts

            load_model_parts()
            _check_name(archive_file)
            check_file(archive_file)  # of an archive in an archive
            named = strings_in(parsed_overrides(overrides))
            if not is_untrusted():
                named |= {str(archive_file), str(weights_file)}
            with _not_within_itself(archive_file), untrusted(named), naming_archive(archive_file):
                return original(archive_file, cuda_device, overrides, weights_file)

        return load_archive

    replace(archival, "load_archive", guarded)
    archival.Params = ArchivedParams


def _check_name(archive_file: Any) -> None:
    if not str(archive_file).strip():  # as with "$UNSET"; AllenNLP would take the current folder
        raise ConfigError("the name of the archive is empty: name a model.tar.gz")
    if Path(str(archive_file), MANIFEST).is_file():
        export = ExportManifest.read(str(archive_file))
        raise ArchiveError(
            f"{archive_file}: not an archive but a model exported with --to {export.target}; its README.md "
            f"says how to use it. Name the archive that it was exported from, {export.archive}"
        )


@contextmanager
def _not_within_itself(archive_file: Any) -> Iterator[None]:
    """Refuse an archive whose model is of an archive (`from_archive`) that leads back to it."""
    path = os.path.realpath(str(archive_file))
    around = _around.get()
    if path in around or len(around) >= MAX_DEPTH:
        raise ArchiveError(f"{archive_file}: its model is that of another archive, and so on without an end")
    token = _around.set((*around, path))
    try:
        yield
    finally:
        _around.reset(token)


@contextmanager
def naming_archive(archive_file: Any) -> Iterator[None]:
    """
    A context that loads an archive, or builds something of its configuration. What it raises names `archive_file`, and
    is an `ArchiveError` unless it is an error of the user's own options.
    """
    from allennlp.common.checks import ConfigurationError

    name = str(archive_file).replace("\\", "/")
    try:
        yield
    except UnicodeDecodeError as error:
        raise ArchiveError(f"{name}: damaged: a text file in it is not UTF-8 ({error})") from error
    except (NerError, ConfigurationError, OSError, RuntimeError) as error:
        message, folders = str(error), re.compile(rf"{re.escape(tempfile.gettempdir())}/{_PREFIX}\w+")
        if folders.search(message):
            raise ArchiveError(folders.sub(name, message)) from error
        if found := re.search(r"can't allocate memory: you tried to allocate (\d+) bytes", message):
            size = f"{int(found[1]) / 2**30:,.1f} GiB"
            raise ArchiveError(f"{name}: cannot be loaded: its model needs {size}, more than there is") from error
        if isinstance(error, RuntimeError) and not re.search("state.dict|GPU|CUDA|accelerator", message):
            raise ArchiveError(f"{name}: cannot be loaded: {_reason(error)}") from error
        raise
    except Exception as error:
        if isinstance(error, (TypeError, ValueError, AssertionError, AttributeError)) and hasattr(error, "config_key"):
            raise  # the command line says what the option has to be
        raise ArchiveError(f"{name}: its configuration or vocabulary cannot be used: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """The first line of an error's message, with its kind."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:300]}".rstrip(": ")


def extract_safely() -> None:
    """AllenNLP 2.10.1 extracts archives without checking their members (CVE-2007-4559)."""
    from allennlp.models import archival

    archival.extracted_archive = extracted_archive


@contextmanager
def extracted_archive(resolved_archive_file: Union[str, os.PathLike[str]], cleanup: bool = True) -> Iterator[str]:
    """
    Extract a model archive into a new temporary folder, and yield its path.

    # Parameters

    resolved_archive_file : `str`
        A gzipped tar as written by `allennlp train`.
    cleanup : `bool`, optional (default=`True`)
        Whether to delete the folder at the end. After an error it is always deleted.

    # Raises

    `ArchiveError` if the file is not an archive, is truncated, exceeds `MAX_MEMBERS` or `MAX_BYTES`, or has a member
    that a model's archive does not need: a link, a device, an absolute path, or a path outside the folder.
    """
    folder = tempfile.mkdtemp(prefix=_PREFIX)
    done = False
    try:
        try:
            with tarfile.open(resolved_archive_file, "r:*") as archive:
                _extract(archive, folder, str(resolved_archive_file))
                _read_to_the_end(archive)
        except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
            raise ArchiveError(
                f"{resolved_archive_file}: not a complete model archive ({error}). "
                "It should be the model.tar.gz that `allennlp train` wrote: copy it again"
            ) from error
        yield folder
        done = True
    finally:
        if cleanup or not done:
            shutil.rmtree(folder, ignore_errors=True)


def _extract(archive: tarfile.TarFile, folder: str, name: str) -> None:
    room = shutil.disk_usage(folder).free
    total = 0
    for count, member in enumerate(archive, start=1):
        problem = _problem(member, folder)
        total += member.size
        if problem is None and count > MAX_MEMBERS:
            problem = f"is one of more than {MAX_MEMBERS} members"
        if problem is None and total > MAX_BYTES:
            problem = f"brings the extracted size to {total} bytes, more than {MAX_BYTES}"
        if problem is not None:
            raise ArchiveError(f"{name}: member {member.name!r} {problem}. Refused; do not trust this file")
        if total > room:
            raise ArchiveError(
                f"{name}: its content is larger than the {room} bytes that are free in {tempfile.gettempdir()}. "
                "Free some space, or name another folder in the environment variable TMPDIR"
            )
        if hasattr(tarfile, "data_filter"):
            archive.extract(member, folder, filter="data")
        else:  # Python 3.10.0 to 3.10.11: the checks of `_problem` alone
            archive.extract(member, folder, set_attrs=False)


def _read_to_the_end(archive: tarfile.TarFile) -> None:
    """Read past the last member, so that the checksum of the compressed stream is verified."""
    stream = archive.fileobj
    while stream is not None and stream.read(1 << 20):
        pass


def _problem(member: tarfile.TarInfo, folder: str) -> str | None:
    if not (member.isfile() or member.isdir()):
        return "is a link or a device"
    root = os.path.realpath(folder)
    target = os.path.realpath(os.path.join(root, member.name))
    if os.path.isabs(member.name) or (target != root and not target.startswith(root + os.sep)):
        return "lies outside the archive's folder"
    return None
