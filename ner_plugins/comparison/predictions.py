"""The predictions of a run's archive on labelled data, made once and kept beside the run."""

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator, Optional, Sequence

from ner_plugins.archives.digest import archive_digest
from ner_plugins.comparison.span_counts import PredictedSentence
from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError
from ner_plugins.files.atomic import atomic_path
from ner_plugins.files.data_paths import DataPath
from ner_plugins.files.digests import sha256
from ner_plugins.files.json_files import parsed_json
from ner_plugins.files.opening import local_path, names_in

logger = logging.getLogger(__name__)

FOLDER = "predictions"
"""The folder in a run's folder."""
_VERSION = 1
_ARCHIVE = "model.tar.gz"


@dataclass(frozen=True)
class LabelledData:
    """
    Labelled data to predict.

    # Parameters

    path : `str`
        A data path.
    digest : `str`
        Of its files, and of the member and split that are read.
    """

    path: str
    digest: str

    @classmethod
    def at(cls, path: str) -> "LabelledData":
        """
        The data at a path. All files of a folder count, since only a reader knows which of them are a split.

        # Raises

        `DataError` if there is no such file.
        """
        place = DataPath.parse(path)
        if Path(place.path).is_dir():
            files = [[name, sha256(Path(place.path, name))] for name in sorted(names_in(place) or ())]
        else:
            files = [["", sha256(Path(local_path(place.path)))]]
        facts = json.dumps([place.member, place.split, files])
        return cls(path, hashlib.sha256(facts.encode("utf-8", "surrogatepass")).hexdigest())


Predict = Callable[[str], Sequence[PredictedSentence]]
"""From an archive to the predictions of its model."""


def predictions_of(folder: Path, data: LabelledData, predict: Predict) -> list[PredictedSentence]:
    """
    The predictions of the run in a folder, which are made and kept in `predictions/` unless they are there.

    The file's name has the digests of data and archive. Where the archive has been deleted, predictions that were made
    before are used if they are of one archive alone.

    # Parameters

    folder : `Path`
    data : `LabelledData`
    predict : `Predict`
        Called only if the predictions have to be made.

    # Raises

    `ConfigError` if there is neither an archive nor a file of predictions; whatever `predict` raises.
    """
    archive = _archive(folder)
    if archive is None:
        kept = sorted((folder / FOLDER).glob(f"{data.digest[:16]}-*.jsonl"))
        if len(kept) != 1:
            reason = f"there is no {_ARCHIVE}, and {len(kept) or 'no'} files of earlier predictions on {data.path}"
            raise ConfigError(f"{folder}: {reason}: train it again, or leave it out")
        return list(_read(kept[0]))
    digest = archive_digest(archive)
    file = folder / FOLDER / f"{data.digest[:16]}-{digest[:16]}.jsonl"
    if file.is_file():
        try:
            return list(_read(file))
        except (ValueError, LookupError, TypeError) as error:
            logger.warning("%s is damaged (%s): it is made again", file, error)
    found = list(predict(str(archive)))
    file.parent.mkdir(exist_ok=True)
    _write(file, {"data": data.path, "data_digest": data.digest, "archive_digest": digest}, found)
    return found


def _archive(folder: Path) -> Optional[Path]:
    if (folder / _ARCHIVE).is_file():
        return folder / _ARCHIVE
    return folder if (folder / "best.th").is_file() else None


def _write(file: Path, facts: dict[str, Any], sentences: Sequence[PredictedSentence]) -> None:
    lines = [{"format_version": _VERSION, **facts, "sentences": len(sentences)}]
    lines += [{"text": one.text, "gold": _lists(one.gold), "predicted": _lists(one.predicted)} for one in sentences]
    with atomic_path(file) as partial:
        Path(partial).write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")


def _read(file: Path) -> Iterator[PredictedSentence]:
    """The sentences of a file; `ValueError`, `LookupError` or `TypeError` if it is damaged."""
    header, *lines = map(parsed_json, file.read_text(encoding="utf-8").split("\n")[:-1])
    if header["format_version"] != _VERSION or header["sentences"] != len(lines):
        raise ValueError(f"{len(lines)} sentences, version {header['format_version']}")
    for line in lines:
        yield PredictedSentence(line["text"], _entities(line["gold"]), _entities(line["predicted"]))


def _lists(entities: Sequence[Entity]) -> list[list[Any]]:
    return [[entity.start, entity.end, entity.type] for entity in entities]


def _entities(lists: Sequence[Sequence[Any]]) -> list[Entity]:
    return [Entity(start, end, type_) for start, end, type_ in lists]
