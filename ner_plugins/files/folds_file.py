"""
The folder of `ner-folds`: out-of-fold predictions, one JSON object for each sentence of the training data.

    manifest, records = read_records("folds/weibo")
    for record in records:
        missed = [entity for entity in record.gold if (entity.score or 0) < 0.1]

The folder has `folds.json` (`FoldsManifest`), `folds/0`, `folds/1`, … (the runs) and `out_of_fold.jsonl`.
"""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Iterable, Iterator, Optional, Sequence, Union

from ner_plugins.entities import Entity
from ner_plugins.errors import DataError, shown
from ner_plugins.files.atomic import atomic_path
from ner_plugins.files.digests import sha256, text_key
from ner_plugins.files.folds_manifest import AGAIN, MANIFEST, FoldsManifest, OutOfFold, is_whole
from ner_plugins.files.opening import readable
from ner_plugins.files.output_files import dump_json

RECORDS = "out_of_fold.jsonl"
"""The name of the file in the folder."""

FIELDS = ("id", "key", "fold", "source", "document", "text", "tokens", "gold", "predicted", "candidates")
"""The keys of a line, in order."""


@dataclass(frozen=True)
class FoldRecord:
    """
    A sentence of the training data, with what the model says of it that was trained without its fold.

    # Parameters

    id : `int`
        The sentence's place in the training data, from 0.
    fold : `int`
        Its fold, from 0.
    text : `str`
    gold : `tuple[Entity, ...]`
        Its labels, sorted. `score` is the probability that the model gives to exactly this span and type; `None` if the
        model cannot score it: it lacks the type, or the span does not begin and end with a token or is too wide.
    predicted : `tuple[Entity, ...]`
        What `allennlp predict` gives, with scores, in order of position.
    candidates : `tuple[Entity, ...]`
        Every span and type with a probability of at least the manifest's `floor`, and all of `predicted`; sorted by
        start, end and type. They may overlap.
    file : `str`, optional (default=`""`)
        The file that the sentence is from.
    line : `Optional[int]`, optional (default=`None`)
        The line in it, from 1.
    document : `Optional[str]`, optional (default=`None`)
        The document that it is a part of, if the corpus marks them.
    tokens : `Optional[tuple[tuple[int, int], ...]]`, optional (default=`None`)
        The start and end of each token of the model; `None` if each character that is no blank is one.
    """

    id: int
    fold: int
    text: str
    gold: tuple[Entity, ...]
    predicted: tuple[Entity, ...]
    candidates: tuple[Entity, ...]
    file: str = ""
    line: Optional[int] = None
    document: Optional[str] = None
    tokens: Optional[tuple[tuple[int, int], ...]] = None

    @property
    def key(self) -> str:
        """The SHA-256 of the text: equal texts have the same."""
        return text_key(self.text)

    def to_json(self) -> dict[str, Any]:
        """The object of a line."""
        return {
            "id": self.id,
            "key": self.key,
            "fold": self.fold,
            "source": {"file": self.file, "line": self.line},
            "document": self.document,
            "text": self.text,
            "tokens": None if self.tokens is None else [list(token) for token in self.tokens],
            "gold": [{**entity.to_json(), "probability": entity.score} for entity in self.gold],
            "predicted": [{**entity.to_json(), "score": entity.score} for entity in self.predicted],
            "candidates": [{**entity.to_json(), "score": entity.score} for entity in self.candidates],
        }

    @classmethod
    def from_json(cls, value: Any) -> "FoldRecord":
        """
        The inverse of `to_json`.

        # Raises

        `ValueError` with what is wrong.
        """
        if not isinstance(value, dict) or set(value) != set(FIELDS):
            found = sorted(value) if isinstance(value, dict) else value
            raise ValueError(f"{shown(found, 200)} instead of an object with {', '.join(FIELDS)}")
        source, tokens, text = value["source"], value["tokens"], value["text"]
        fits = {
            "id": is_whole(value["id"]),
            "fold": is_whole(value["fold"]),
            "text": isinstance(text, str),
            "key": isinstance(text, str) and value["key"] == text_key(text),
            "source": isinstance(source, dict) and set(source) == {"file", "line"} and isinstance(source["file"], str)
            and (source["line"] is None or is_whole(source["line"])),
            "document": value["document"] is None or isinstance(value["document"], str),
            "tokens": tokens is None or (isinstance(tokens, list) and all(map(_is_pair, tokens))),
        }  # fmt: skip
        for name, is_right in fits.items():
            if not is_right:
                raise ValueError(f"`{name}` is {shown(value[name])}")
        return cls(
            value["id"], value["fold"], text,
            tuple(_entity(one, text, "gold", "probability") for one in _listed(value, "gold")),
            tuple(_entity(one, text, "predicted", "score") for one in _listed(value, "predicted")),
            tuple(_entity(one, text, "candidates", "score") for one in _listed(value, "candidates")),
            source["file"], source["line"], value["document"],
            None if tokens is None else tuple((start, end) for start, end in tokens),
        )  # fmt: skip


def write_records(
    folder: Union[str, "os.PathLike[str]"], records: Iterable[FoldRecord], manifest: FoldsManifest
) -> FoldsManifest:
    """
    Write the out-of-fold predictions of a folder, and then its manifest.

    # Parameters

    folder : `Union[str, os.PathLike[str]]`
    records : `Iterable[FoldRecord]`
        In order of their ids.
    manifest : `FoldsManifest`
        Without `out_of_fold`, and without the numbers of records of its folds: they are counted.

    # Returns

    `FoldsManifest`
        As it was written.
    """
    counts = [0] * manifest.k
    with atomic_path(Path(folder, RECORDS), sync=True) as partial:
        with open(partial, "wb") as file:
            for record in records:
                counts[record.fold] += 1
                file.write(dump_json(record.to_json()).encode("utf-8") + b"\n")
        digest = sha256(partial)
    folds = tuple(replace(fold, records=count) for fold, count in zip(manifest.folds, counts, strict=True))
    written = replace(manifest, folds=folds, out_of_fold=OutOfFold(RECORDS, sum(counts), digest))
    written.write(folder)
    return written


def read_records(path: Union[str, "os.PathLike[str]"]) -> tuple[FoldsManifest, Iterator[FoldRecord]]:
    """
    The manifest of a folder, and its records as a stream, in order of their ids.

    The digest of the file is checked before this function returns, and each record when it is read.

    # Parameters

    path : `Union[str, os.PathLike[str]]`
        A folder that `ner-folds` wrote, or the file of out-of-fold predictions in it.

    # Raises

    `DataError` if there are no folds, if they are not finished, if the file was cut or changed, if it is of another
    version, or if a record is not as described.
    """
    place = Path(path)
    folder = place.parent if place.is_file() else place
    manifest = FoldsManifest.read(folder)
    known = manifest.out_of_fold
    if known is None:
        remedy = "Repeat the ner-folds that began it: it goes on where it was"
        raise DataError("these folds are not finished: there are no predictions", path=str(folder), remedy=remedy)
    file = folder / known.file
    if place.is_file() and place.name not in (known.file, MANIFEST):
        problem = f"not the file of out-of-fold predictions, which is {known.file}"
        raise DataError(problem, path=str(place), remedy="Name the folder")
    _check_whole(file, known)
    return manifest, _records(file, manifest)


def _check_whole(file: Path, known: OutOfFold) -> None:
    with readable(str(file)), open(file, "rb") as stream:
        lines, last = _lines_in(stream)
    if last not in (b"", b"\n"):
        raise DataError("cut off: its last line is incomplete", path=str(file), remedy=AGAIN)
    if lines != known.records:
        raise DataError(f"{lines} records", path=str(file), expected=f"{known.records}", remedy=AGAIN)
    with readable(str(file)):
        if sha256(file) != known.sha256:
            problem = f"changed since it was written: its SHA-256 is not that of {MANIFEST}"
            raise DataError(problem, path=str(file), remedy=AGAIN)


def _lines_in(stream: BinaryIO) -> tuple[int, bytes]:
    """The number of line ends, and the last byte."""
    lines, last = 0, b""
    while block := stream.read(1 << 20):
        lines, last = lines + block.count(b"\n"), block[-1:]
    return lines, last


def _records(file: Path, manifest: FoldsManifest) -> Iterator[FoldRecord]:
    types = set(manifest.types)
    with readable(str(file)):
        stream = open(file, "rb")  # noqa: SIM115 (closed below)
    with stream:
        for number, line in enumerate(stream, 1):
            try:
                record = FoldRecord.from_json(json.loads(line))
                _check_fits(record, number - 1, manifest.k, types)
            except (ValueError, RecursionError) as error:
                raise DataError(f"not an out-of-fold record: {error}", path=str(file), line=number) from None
            yield record


def _check_fits(record: FoldRecord, place: int, k: int, types: set[str]) -> None:
    if record.id != place:
        raise ValueError(f"`id` is {record.id}, expected {place}")
    if not 0 <= record.fold < k:
        raise ValueError(f"`fold` is {record.fold}, but there are {k}")
    for entity in (*record.gold, *record.predicted, *record.candidates):
        if entity.type not in types:
            raise ValueError(f"{MANIFEST} lacks the type {shown(entity.type)}")


def _listed(value: dict[str, Any], name: str) -> Sequence[Any]:
    found = value[name]
    if not isinstance(found, list):
        raise ValueError(f"`{name}` is {shown(found)}, expected a list")
    return found


def _entity(value: Any, text: str, name: str, number: str) -> Entity:
    """An entity of a list; `number` is the key of its probability, which only gold may lack."""
    fits = isinstance(value, dict) and set(value) == {"start", "end", "type", number}
    if fits:
        start, end, score = value["start"], value["end"], value[number]
        fits = is_whole(start) and is_whole(end) and 0 <= start < end <= len(text) and isinstance(value["type"], str)
        fits = fits and (_is_probability(score) or (score is None and name == "gold"))
    if not fits:
        expected = f'{{"start", "end", "type", "{number}"}} with 0 <= start < end <= {len(text)}'
        raise ValueError(f"{shown(value)} in `{name}`, expected {expected}")
    return Entity(start, end, value["type"], score)


def _is_probability(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0.0 <= value <= 1.0


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(is_whole, value))
