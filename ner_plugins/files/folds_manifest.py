"""`folds.json`: what the folds of a corpus are, and which file of out-of-fold predictions belongs to them."""

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Mapping, Optional, Union

from ner_plugins.errors import DataError, shown
from ner_plugins.files.atomic import atomic_path
from ner_plugins.version import VERSION

MANIFEST = "folds.json"
FORMAT = "ner_plugins folds"
FORMAT_VERSION = 1
"""Raised whenever an earlier package could not read newer folds."""

AGAIN = "Repeat the ner-folds that made it, or copy the whole folder again"


@dataclass(frozen=True)
class Fold:
    """
    A fold, and the model that was trained without it.

    # Parameters

    archive : `str`
        Its `model.tar.gz`, relative to the folder.
    archive_digest : `Optional[str]`
        The archive's SHA-256; `None` until it is trained.
    records : `int`
        How many sentences of the training data are in the fold.
    """

    archive: str
    archive_digest: Optional[str] = None
    records: int = 0


@dataclass(frozen=True)
class OutOfFold:
    """
    The file of out-of-fold predictions.

    # Parameters

    file : `str`
        Its name in the folder.
    records : `int`
        How many lines it has: one for each sentence of the training data.
    sha256 : `str`
        Of the file.
    """

    file: str
    records: int
    sha256: str


@dataclass(frozen=True)
class FoldsManifest:
    """
    The content of `folds.json`.

    # Parameters

    config : `str`
        The config's file, as it was named.
    config_digest : `str`
        The SHA-256 of the config with everything applied, as JSON with sorted keys.
    data : `tuple[Mapping[str, Any], ...]`
        `file`, `bytes` and `sha256` of each file of the training data.
    types : `tuple[str, ...]`
        The entity types of the training data, sorted.
    k : `int`
        The number of folds.
    seed : `int`
        That of the assignment of texts to folds.
    floor : `float`
        The lowest probability of a candidate.
    nested : `bool`
        Whether predicted entities may lie inside others.
    folds : `tuple[Fold, ...]`
        In order of their numbers, from 0.
    out_of_fold : `Optional[OutOfFold]`, optional (default=`None`)
        `None` while the folds are being trained.
    grouped_by : `str`, optional (default=`"text"`)
        `text`: equal texts are in one fold; `document`: so are all sentences of a document as well.
    package_version : `str`
        The version of ner_plugins that wrote it.
    """

    config: str
    config_digest: str
    data: tuple[Mapping[str, Any], ...]
    types: tuple[str, ...]
    k: int
    seed: int
    floor: float
    nested: bool
    folds: tuple[Fold, ...]
    out_of_fold: Optional[OutOfFold] = None
    grouped_by: str = "text"
    package_version: str = VERSION

    def write(self, folder: Union[str, "os.PathLike[str]"]) -> None:
        """Write it into a folder, whole or not at all."""
        content = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self)}
        with atomic_path(Path(folder, MANIFEST)) as partial:
            text = json.dumps(content, ensure_ascii=False, indent=1)
            Path(partial).write_bytes(text.encode("utf-8", "backslashreplace") + b"\n")

    @classmethod
    def read(cls, folder: Union[str, "os.PathLike[str]"]) -> "FoldsManifest":
        """
        Read that of a folder.

        # Raises

        `DataError` if there is none, if it is damaged, or if it is of another version.
        """
        path = Path(folder, MANIFEST)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            problem = f"no folds: there is no {MANIFEST}"
            raise DataError(problem, path=str(folder), expected="a folder that ner-folds wrote") from None
        except (OSError, ValueError, RecursionError) as error:
            raise DataError(f"damaged: {error}", path=str(path), remedy=AGAIN) from None
        if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
            raise DataError(f'no folds: its "format" is not "{FORMAT}"', path=str(path), remedy=AGAIN)
        version = content.pop("format_version", None)
        if version != FORMAT_VERSION:
            raise DataError(
                f"format_version is {shown(version)}", path=str(path), expected=str(FORMAT_VERSION),
                remedy=f"Install the ner_plugins that wrote it ({shown(content.get('package_version', 'unknown'))})",
            )  # fmt: skip
        return _parsed(content, path)


def _parsed(content: Mapping[str, Any], path: Path) -> FoldsManifest:
    try:
        _check_keys(content, FoldsManifest)
        for fold in content["folds"]:
            _check_keys(fold, Fold)
        folds, out_of_fold = tuple(Fold(**fold) for fold in content["folds"]), content["out_of_fold"]
        if out_of_fold is not None:
            _check_keys(out_of_fold, OutOfFold)
            out_of_fold = OutOfFold(**out_of_fold)
        lists = {"data": tuple(content["data"]), "types": tuple(content["types"]), "folds": folds}
        made = FoldsManifest(**{**content, **lists, "out_of_fold": out_of_fold})
        for name, value in _wrong_values(made).items():
            raise ValueError(f"{name} is {shown(value)}")
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise DataError(f"damaged: {error}", path=str(path), remedy=AGAIN) from None
    return made


def _check_keys(content: Any, kind: type) -> None:
    expected = {field.name for field in fields(kind)}
    if set(content) != expected:
        raise ValueError(f"its keys are {shown(sorted(content), 200)}, expected {', '.join(sorted(expected))}")


def _wrong_values(one: FoldsManifest) -> dict[str, Any]:
    """The values that no ner-folds writes, by their names."""
    found = one.out_of_fold
    fits = {
        "types": all(isinstance(name, str) for name in one.types),
        "k": is_whole(one.k) and one.k == len(one.folds),
        "seed": is_whole(one.seed),
        "floor": isinstance(one.floor, float) and 0.0 <= one.floor <= 1.0,
        "nested": isinstance(one.nested, bool),
        "folds": all(isinstance(fold.archive, str) and is_whole(fold.records) for fold in one.folds),
        # A manifest of strangers must not name a file elsewhere.
        "out_of_fold": found is None or (is_whole(found.records) and _is_plain_name(found.file)),
    }
    return {name: getattr(one, name) for name, is_right in fits.items() if not is_right}


def _is_plain_name(file: Any) -> bool:
    return isinstance(file, str) and file == os.path.basename(file) and file not in ("", ".", "..")


def is_whole(value: Any) -> bool:
    """Whether a value of JSON is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)
