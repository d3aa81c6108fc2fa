"""The folder of out-of-fold predictions: what is written is read, and nothing else."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.entities import Entity
from ner_plugins.errors import DataError
from ner_plugins.files.digests import sha256
from ner_plugins.files.folds_file import RECORDS, FoldRecord, read_records, write_records
from ner_plugins.files.folds_manifest import MANIFEST, Fold, FoldsManifest, OutOfFold

PEOPLE = FoldsManifest(
    "tagger.jsonnet", "0" * 64, ({"file": "train.txt", "bytes": 3, "sha256": "1" * 64},), ("LOC", "PER"), 2, 7, 0.01,
    False, (Fold("folds/0/model.tar.gz"), Fold("folds/1/model.tar.gz", "2" * 64)),
)  # fmt: skip
FIRST = FoldRecord(
    0, 1, "刘晓燕去了北京", (Entity(0, 3, "PER", 0.91), Entity(5, 7, "LOC", None)), (Entity(0, 3, "PER", 0.91),),
    (Entity(0, 2, "PER", 0.02), Entity(0, 3, "PER", 0.91)), "train.txt", 1, "d1",
)  # fmt: skip
SECOND = FoldRecord(1, 0, "서울 \ud800", (), (), (), tokens=((0, 1), (1, 2)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_records(tmp_path, [FIRST, SECOND], PEOPLE)
    return tmp_path


def scores(record: FoldRecord) -> list[Any]:
    return [entity.score for entity in (*record.gold, *record.predicted, *record.candidates)]


def test_what_is_written_is_read(folder: Path) -> None:
    manifest, records = read_records(folder)
    found = list(records)
    assert found == [FIRST, SECOND] and [scores(one) for one in found] == [scores(FIRST), []]
    assert manifest.out_of_fold == OutOfFold(RECORDS, 2, sha256(folder / RECORDS))
    assert [fold.records for fold in manifest.folds] == [1, 1]
    assert replace(manifest, out_of_fold=None, folds=PEOPLE.folds) == PEOPLE
    assert list(read_records(folder / RECORDS)[1]) == found


def test_a_line_has_the_documented_keys(folder: Path) -> None:
    line = json.loads((folder / RECORDS).read_text(encoding="utf-8").splitlines()[0])
    assert line == {
        "id": 0, "key": "a0d313c01e70323e8caa7ad44fed18e7e6b25d5c1a35bfe792407ae3b466afdf", "fold": 1,
        "source": {"file": "train.txt", "line": 1}, "document": "d1", "text": "刘晓燕去了北京", "tokens": None,
        "gold": [
            {"start": 0, "end": 3, "type": "PER", "probability": 0.91},
            {"start": 5, "end": 7, "type": "LOC", "probability": None},
        ],
        "predicted": [{"start": 0, "end": 3, "type": "PER", "score": 0.91}],
        "candidates": [
            {"start": 0, "end": 2, "type": "PER", "score": 0.02}, {"start": 0, "end": 3, "type": "PER", "score": 0.91}
        ],
    }  # fmt: skip


spans = st.builds(
    lambda start, width, kind, score: Entity(start, start + width, kind, score),
    st.integers(0, 3), st.integers(1, 3), st.sampled_from(["LOC", "PER"]), st.floats(0, 1),
)  # fmt: skip
texts = st.text(st.characters(exclude_categories=[]), min_size=6, max_size=9)


@given(st.lists(st.tuples(texts, st.integers(0, 1), st.lists(spans).map(tuple)), max_size=4))
def test_any_records_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[str, int, tuple[Entity, ...]]]
) -> None:
    folder = tmp_path_factory.mktemp("folds")
    records = [FoldRecord(n, fold, text, found, found, found) for n, (text, fold, found) in enumerate(parts)]
    write_records(folder, records, PEOPLE)
    found = list(read_records(folder)[1])
    assert found == records and list(map(scores, found)) == list(map(scores, records))


def test_every_cut_of_the_file_is_refused(folder: Path) -> None:
    whole = (folder / RECORDS).read_bytes()
    for size in range(len(whole)):
        (folder / RECORDS).write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"incomplete|1 records|0 records"):
            read_records(folder)


def test_a_changed_character_is_refused(folder: Path) -> None:
    whole = (folder / RECORDS).read_bytes()
    (folder / RECORDS).write_bytes(whole.replace(b"0.02", b"0.03"))
    with pytest.raises(DataError, match=r"changed since it was written.*Repeat the ner-folds"):
        read_records(folder)


def change_line(folder: Path, number: int, **changes: Any) -> None:
    """Change a line, and the manifest with it, as a program would that writes the format."""
    lines = [json.loads(line) for line in (folder / RECORDS).read_text(encoding="utf-8").splitlines()]
    lines[number] = {name: value for name, value in {**lines[number], **changes}.items() if value != "absent"}
    (folder / RECORDS).write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    content["out_of_fold"]["sha256"] = sha256(folder / RECORDS)
    (folder / MANIFEST).write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"fold": 2}, r"out_of_fold.jsonl:2: not an out-of-fold record: `fold` is 2, but there are 2"),
        ({"id": 5}, "`id` is 5, expected 1"),
        ({"fold": True}, "`fold` is True"),
        ({"text": "另一句"}, "`key` is "),
        ({"document": 3}, "`document` is 3"),
        ({"source": {"file": "x"}}, "`source` is"),
        ({"tokens": [[1]]}, "`tokens` is"),
        ({"gold": "absent"}, "instead of an object with id, key, fold"),
        ({"gold": None}, "`gold` is None, expected a list"),
        ({"more": 1}, "instead of an object with id, key, fold"),
        ({"gold": [{"start": 0, "end": 9, "type": "PER", "probability": 0.5}]}, "in `gold`, expected"),
        ({"gold": [{"start": 0, "end": 1, "type": "ORG", "probability": 0.5}]}, "lacks the type 'ORG'"),
        ({"predicted": [{"start": 0, "end": 1, "type": "PER", "score": None}]}, "in `predicted`, expected"),
        ({"candidates": [{"start": 0, "end": 1, "type": "PER", "score": 1.5}]}, "in `candidates`, expected"),
        ({"candidates": [{"start": 0, "end": 1, "type": "PER", "score": float("nan")}]}, "in `candidates`, expected"),
    ],
)
def test_a_record_that_is_not_as_described_is_named(folder: Path, changes: dict[str, Any], message: str) -> None:
    change_line(folder, 1, **changes)
    records = read_records(folder)[1]
    next(records)
    with pytest.raises(DataError, match=message):
        next(records)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"format_version": 2}, r"format_version is 2 \(expected 1\). Install the ner_plugins that wrote it"),
        ({"format": "other"}, 'its "format" is not'),
        ({"k": 3}, "k is 3"),
        ({"floor": None}, "floor is None"),
        ({"nested": "no"}, "nested is 'no'"),
        ({"types": 3}, "damaged"),
        ({"colour": 1}, "its keys are"),
        ({"out_of_fold": {"file": "../x.jsonl", "records": 2, "sha256": ""}}, "out_of_fold is"),
        ({"out_of_fold": {"file": None, "records": 2, "sha256": ""}}, "out_of_fold is"),
        ({"out_of_fold": {"file": "..", "records": 2, "sha256": ""}}, "out_of_fold is"),
        ({"out_of_fold": {"file": "x.jsonl", "records": "2", "sha256": ""}}, "out_of_fold is"),
        ({"out_of_fold": None}, "not finished: there are no predictions.*goes on where it was"),
    ],
)
def test_another_manifest_is_refused(folder: Path, changes: dict[str, Any], message: str) -> None:
    content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    (folder / MANIFEST).write_text(json.dumps({**content, **changes}), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_records(folder)


def test_what_is_no_folder_of_folds_is_refused(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(DataError, match=r"there is no folds\.json.*a folder that ner-folds wrote"):
        read_records(tmp_path / "nothing")
    (folder / MANIFEST).write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=r"folds\.json: damaged"):
        read_records(folder)


def test_another_file_of_the_folder_is_refused(folder: Path) -> None:
    (folder / "other.jsonl").touch()
    with pytest.raises(DataError, match="not the file of out-of-fold predictions"):
        read_records(folder / "other.jsonl")
    (folder / RECORDS).unlink()
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_records(folder)
