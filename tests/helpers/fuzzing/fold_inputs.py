"""The folder of `ner-folds`, and decisions about suspected label errors: read as they are, or one message."""

import contextlib
import json
import random
from pathlib import Path
from typing import Any

from fuzzing.mutations import mutated, value_changed
from fuzzing.outcomes import WrongOutcome, check_message
from ner_plugins.data_tools.corrections.decisions import FORMAT, FORMAT_VERSION, read_decisions
from ner_plugins.entities import Entity
from ner_plugins.errors import NerError
from ner_plugins.files.digests import sha256, text_key
from ner_plugins.files.folds_assignment import ASSIGNMENT, FoldAssignment
from ner_plugins.files.folds_file import RECORDS, FoldRecord, read_records
from ner_plugins.files.folds_manifest import MANIFEST, Fold, FoldsManifest, OutOfFold

_TEXTS = ("雾港大学的林晓彤", "雾港")
_DECISION: dict[str, Any] = {
    "decision": "accept", "key": text_key(_TEXTS[0]), "gold": [{"start": 0, "end": 2, "type": "LOC"}],
    "remove": [{"start": 0, "end": 2, "type": "LOC"}], "add": [{"start": 0, "end": 4, "type": "ORG"}], "suspect": "3",
}  # fmt: skip


def _records() -> list[dict[str, Any]]:
    entity = Entity(0, 2, "LOC", 0.5)
    one = FoldRecord(0, 0, _TEXTS[0], (entity,), (entity,), (entity, Entity(5, 8, "PER", 0.1)), "train.json", 1)
    other = FoldRecord(1, 1, _TEXTS[1], (), (), (), "train.json", 2, "a", ((0, 1), (1, 2)))
    return [one.to_json(), other.to_json()]


def _manifest(records: Path) -> dict[str, Any]:
    found = OutOfFold(RECORDS, 2, sha256(records))
    data = ({"file": "train.json", "bytes": 3, "sha256": "ab" * 32},)
    folds = (Fold("folds/0/model.tar.gz", "ab" * 32, 1), Fold("folds/1/model.tar.gz"))
    manifest = FoldsManifest("c.json", "ab" * 32, data, ("LOC", "PER"), 2, 1, 0.05, False, folds, found)
    manifest.write(records.parent)
    content: dict[str, Any] = json.loads((records.parent / MANIFEST).read_text(encoding="utf-8"))
    return content


def _written(value: Any, chance: random.Random) -> bytes:
    data = json.dumps(value, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
    return mutated(data, chance) if chance.random() < 0.2 else data


def _changed(value: Any, chance: random.Random) -> Any:
    for _ in range(chance.choice([1, 1, 2])):
        value = value_changed(value, chance)
    return value


def attack_folds(chance: random.Random, folder: Path) -> int:
    """One of the files of a folder, or a file of decisions, with something changed."""
    place = folder / "folds"
    place.mkdir(exist_ok=True)
    records = place / RECORDS
    kind, lines = chance.randrange(4), _records()
    if kind == 0:
        at = chance.randrange(2)
        lines[at] = _changed(lines[at], chance)
    records.write_bytes(b"".join(_written(line, chance if kind == 0 else random.Random(1)) + b"\n" for line in lines))
    manifest = _manifest(records)
    written = records
    if kind == 1:
        written = place / MANIFEST
        written.write_bytes(_written(_changed(manifest, chance), chance))
    elif kind == 2:
        written = place / ASSIGNMENT
        FoldAssignment(2, {text_key(text): number for number, text in enumerate(_TEXTS)}).write(place)
        written.write_bytes(_written(_changed(json.loads(written.read_bytes()), chance), chance))
    elif kind == 3:
        written = place / "decisions.jsonl"
        head = {"format": FORMAT, "version": FORMAT_VERSION, "decisions": chance.choice([1, 2]), "audit": "a"}
        both = [head, _DECISION] if chance.random() < 0.5 else [_DECISION]
        at = chance.randrange(len(both))
        both[at] = _changed(both[at], chance)
        written.write_bytes(b"\n".join(_written(one, chance) for one in both) + b"\n")
    try:
        _read(kind, place, written)
    except NerError as error:
        check_message(error)
    return written.stat().st_size


def _read(kind: int, place: Path, written: Path) -> None:
    if kind == 2:
        FoldAssignment.read(written).fold_of(_TEXTS[0])
    elif kind == 3:
        problems: list[NerError] = []
        kept = read_decisions(str(written), problems.append)
        for problem in problems:
            check_message(problem)
        with contextlib.suppress(NerError):
            if read_decisions(str(written)) != kept or problems:
                raise WrongOutcome(f"{problems} are errors in one reading and none in the other")
    else:
        _, found = read_records(place)
        for record in found:
            if FoldRecord.from_json(record.to_json()) != record:
                raise WrongOutcome(f"{record} is not read again as it is written")
