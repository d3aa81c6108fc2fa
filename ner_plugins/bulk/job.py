"""A job: what is computed from which input, kept in its output folder so that a stopped one goes on."""

import hashlib
import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator, Optional, Sequence

from ner_plugins.bulk.indexing import FileIndex
from ner_plugins.bulk.row_ids import MAX_FILES
from ner_plugins.errors import ConfigError, DataError
from ner_plugins.files.atomic import atomic_path
from ner_plugins.files.json_files import parsed_json
from ner_plugins.files.locking import locked

RECORD, LOCK, FORMAT = "_job.json", "_lock", 1
_NEW = "Name another OUTPUT, or delete this one"
_HALF = ".partial-"  # what a process that was killed while it wrote the record has left: see `atomic_path`
_WEIGHTS = ("best.th", "weights.th")


@dataclass(frozen=True)
class JobSettings:
    """
    What the results depend on, beside the input.

    # Parameters

    model : `str`
        The SHA-256 of the archive: see `digest_of_model`.
    options : `dict[str, Any]`
        Those of the model and of reading and writing.
    """

    model: str
    options: dict[str, Any]

    @property
    def key(self) -> str:
        """The name of the checkpoint's folder."""
        options = json.dumps(self.options, sort_keys=True).encode()
        return f"{self.model[:16]}-{hashlib.sha256(options).hexdigest()[:16]}"


class Job:
    """
    The record of a job, `_job.json`.

    # Parameters

    output : `str`
        Its folder.
    settings : `JobSettings`

    # Raises

    `ConfigError` if the folder belongs to another job, or to nothing that this command has written.
    """

    def __init__(self, output: str, settings: JobSettings) -> None:
        self.output, self.settings = Path(output), settings
        self.files: list[FileIndex] = []
        self._look()

    def _look(self) -> None:
        """Read the record, if there is one."""
        if not self.output.exists():
            return
        if not self.output.is_dir():
            raise ConfigError(f"{self.output} is a file: name a folder for the results")
        record = self.output / RECORD
        names = {one.name for one in self.output.iterdir() if not one.name.startswith(_HALF)}
        if record.exists():
            self._read(record)
        elif names - {LOCK}:
            raise ConfigError(f"{self.output} is not empty, and is no output of ner-bulk. {_NEW}")

    @property
    def checkpoint(self) -> Path:
        """The folder of Ray's checkpoints: a new model or other options never go on with an old job's."""
        return self.output / "_checkpoint" / self.settings.key

    @property
    def work(self) -> Path:
        """The folder of files that are being written."""
        return self.output / "_work"

    def take(self, files: Sequence[FileIndex]) -> list[int]:
        """
        Number the files of the input. A content keeps the number that it had before, wherever the file is now; new
        files are added.

        # Returns

        `list[int]`
            The number of each file.

        # Raises

        `ConfigError` if content of the job is missing.
        """
        free: dict[tuple[str, str], list[int]] = {}
        for number, known in enumerate(self.files):
            free.setdefault((known.sha256, known.format), []).append(number)
        numbers = []
        for file in files:
            candidates = free.get((file.sha256, file.format), [])
            same_place = [number for number in candidates if self.files[number].path == file.path]
            if candidates:
                numbers.append((same_place or candidates)[0])
                candidates.remove(numbers[-1])
                self.files[numbers[-1]] = file
            else:
                numbers.append(len(self.files))
                self.files.append(file)
        if lost := [self.files[number].name for left in free.values() for number in left]:
            raise ConfigError(
                f"{self.output} holds results of files that the input lacks, or has with another content: "
                f"{', '.join(sorted(lost)[:5])}{', …' if len(lost) > 5 else ''}. Name the same input, to which files "
                f"may be added. {_NEW}"
            )
        if len(self.files) > MAX_FILES:
            raise ConfigError(f"the input has {len(self.files)} files; a job can have {MAX_FILES}")
        return numbers

    def write(self) -> None:
        """Write the record, before any row is."""
        content = {
            "format": FORMAT,
            "model": self.settings.model,
            "options": self.settings.options,
            "files": [file.to_json() for file in self.files],
        }
        with atomic_path(self.output / RECORD, sync=True) as partial:
            Path(partial).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")

    def _read(self, record: Path) -> None:
        try:
            content = parsed_json(record.read_bytes())
            version, model, options = content["format"], content["model"], content["options"]
            files = [FileIndex.from_json(fields) for fields in content["files"]] if version == FORMAT else []
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"damaged ({error})", path=str(record), remedy=_NEW) from None
        if version != FORMAT:
            raise ConfigError(f"{record} has format {version}, and this version of ner_plugins knows {FORMAT}. {_NEW}")
        mine = {"the model": self.settings.model, **self.settings.options}
        theirs = {"the model": model, **options}
        if differing := [key for key in {**theirs, **mine} if theirs.get(key) != mine.get(key)]:
            raise ConfigError(f"{self.output} belongs to another job, which differs in {', '.join(differing)}. {_NEW}")
        self.files = files

    @contextmanager
    def locked(self) -> Iterator[None]:
        """
        Make the folder, and keep others from running the job at the same time. The record is read again, since others
        may have changed it.

        # Raises

        `ConfigError` if another process runs it, or as the constructor.
        """
        self.output.mkdir(parents=True, exist_ok=True)
        (self.output / LOCK).touch()
        with locked(self.output / LOCK, self._is_in_use):
            for half in self.output.glob(f"{_HALF}*"):
                half.unlink()
            self._look()
            yield

    def _is_in_use(self) -> ConfigError:
        return ConfigError(f"{self.output}: another ner-bulk is at work on it: wait for it, or end it")


def digest_of_model(archive: str, weights_file: Optional[str] = None) -> str:
    """
    The SHA-256 of what a model consists of.

    # Parameters

    archive : `str`
        A file; or a folder, of which a training run's counts with its configuration, vocabulary and best weights, and
        any other with all its files.
    weights_file : `Optional[str]`, optional (default=`None`)
        Other weights.

    # Raises

    `DataError` if there is no such file.
    """
    from ner_plugins.files.data_paths import no_such_file

    for path in filter(None, (archive, weights_file)):
        if not os.path.exists(path):
            raise no_such_file(path)
    digest = hashlib.sha256()
    root = Path(archive)
    for file in _model_files(root) + ([Path(weights_file)] if weights_file else []):
        name = file.relative_to(root) if root.is_dir() and file.is_relative_to(root) else Path()
        digest.update(f"{name}\0{file.stat().st_size}\0".encode())
        with open(file, "rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _model_files(root: Path) -> list[Path]:
    if not root.is_dir():
        return [root]
    files = sorted(path for path in root.rglob("*") if path.is_file())
    if not (root / "vocabulary").is_dir():
        return files
    top = {"config.json", "meta.json", *_WEIGHTS}
    return [file for file in files if file.parent == root / "vocabulary" or (file.parent == root and file.name in top)]
