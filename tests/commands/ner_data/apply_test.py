import json
from pathlib import Path
from typing import Any

import pytest
from ner_data_actions import read, run

from ner_plugins.errors import ConfigError, DataError
from ner_plugins.files.digests import text_key

SENTENCES = [("刘晓燕去了北京", [(0, 3, "name"), (5, 7, "name")]), ("在首尔", []), ("好", [(0, 1, "address")])]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "train.json"
    rows = []
    for text, labels in SENTENCES:
        label: dict[str, Any] = {}
        for start, end, type_ in labels:
            label.setdefault(type_, {}).setdefault(text[start:end], []).append([start, end - 1])
        rows.append(json.dumps({"text": text, "label": label}, ensure_ascii=False))
    path.write_text("\n".join(rows) + "\n")
    return path


def label(start: int, end: int, type_: str) -> dict[str, Any]:
    return {"start": start, "end": end, "type": type_}


def decision(suspect: int, place: int, remove: list[Any], add: list[Any]) -> dict[str, Any]:
    text, labels = SENTENCES[place]
    return {
        "suspect": suspect, "decision": "accept" if remove or add else "reject", "key": text_key(text),
        "gold": [label(*one) for one in labels], "remove": [label(*one) for one in remove],
        "add": [label(*one) for one in add],
    }  # fmt: skip


def decisions(path: Path, *lines: Any) -> Path:
    head = {"format": "ner_plugins decisions", "version": 1, "audit": "a", "decisions": len(lines)}
    path.write_text("".join(f"{json.dumps(line)}\n" for line in (head, *lines)))
    return path


CITY = decision(1, 0, [(5, 7, "name")], [(5, 7, "address")])
SEOUL = decision(2, 1, [], [(1, 3, "address")])
REJECTED = decision(3, 2, [], [])


@pytest.mark.parametrize("name", ["new.json", "new.bioes", "new.spacy"])
def test_the_corrected_corpus_is_written(
    data: Path, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("apply", decisions(tmp_path / "d.jsonl", CITY, SEOUL, REJECTED), data, "-o", tmp_path / name)
    printed = capsys.readouterr().out
    assert printed.startswith(f"{tmp_path / name}: 3 sentences, 4 entities")
    assert (
        "2 decisions applied (2 sentences changed: 2 labels added, 1 removed); 1 rejected suspects left as they are; "
        "to read it: --reader "
    ) in printed
    spec = printed.strip().rpartition("--reader ")[2].strip("'")
    found = [(text, {(e.start, e.end, e.type) for e in entities}) for text, entities in read(tmp_path / name, spec)]
    assert found == [
        ("刘晓燕去了北京", {(0, 3, "name"), (5, 7, "address")}), ("在首尔", {(1, 3, "address")}),
        ("好", {(0, 1, "address")}),
    ]  # fmt: skip


def test_several_files_become_one(data: Path, tmp_path: Path) -> None:
    other = tmp_path / "more.json"
    other.write_text(data.read_text().splitlines()[1] + "\n")
    run("apply", decisions(tmp_path / "d.jsonl", SEOUL), data, other, "-o", tmp_path / "new.json")
    assert [len(entities) for _, entities in read(tmp_path / "new.json")] == [2, 1, 1, 1]


def test_what_cannot_be_applied_stops_before_anything_is_written_or_is_counted(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unknown = {**SEOUL, "suspect": 4, "key": text_key("别的")}
    path, output = decisions(tmp_path / "d.jsonl", CITY, unknown, REJECTED), tmp_path / "new.json"
    with pytest.raises(DataError, match=r"d\.jsonl:3: no sentence has the text"):
        run("apply", path, data, "-o", output)
    assert not output.exists()
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"d\.jsonl:4: no JSON"):
        run("apply", path, data, "-o", output)
    run("apply", path, data, "-o", output, "--on-error", "skip")
    streams = capsys.readouterr()
    assert "1 decisions applied" in streams.out and "1 refused" in streams.out and "2 unreadable lines" in streams.out
    assert streams.err.count("left out: ") == 3 and len(read(output)) == 3
    with pytest.raises(ConfigError, match="exists"):
        run("apply", decisions(path, CITY), data, "-o", output)
    with pytest.raises(ConfigError, match="is the input itself"):
        run("apply", path, data, "-o", data, "--force")


def test_types_that_the_data_lack(data: Path, tmp_path: Path) -> None:
    path = decisions(tmp_path / "d.jsonl", decision(1, 1, [], [(1, 3, "city")]))
    with pytest.raises(DataError, match="no label of the data has the type 'city'"):
        run("apply", path, data, "-o", tmp_path / "new.json")
    run("apply", path, data, "-o", tmp_path / "new.json", "--new-types", "city, x")
    assert read(tmp_path / "new.json")[1][1][0].type == "city"
