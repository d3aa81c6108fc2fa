import json
from pathlib import Path
from typing import Any

import pytest

from ner_plugins.data_tools.corrections import read_decisions
from ner_plugins.entities import Entity
from ner_plugins.errors import DataError
from ner_plugins.files.digests import text_key

NAME = {"start": 0, "end": 3, "type": "name"}
ORDER = {"start": 0, "end": 2, "type": "name"}
HEADING = {"format": "ner_plugins decisions", "version": 1, "audit": "a1", "decisions": 2}


def decision(**changes: Any) -> dict[str, Any]:
    return {
        "suspect": 1, "decision": "accept", "key": text_key("刘晓燕去了北京"), "gold": [NAME], "remove": [NAME],
        "add": [ORDER], **changes,
    }  # fmt: skip


def write(path: Path, *lines: Any) -> str:
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return str(path)


def test_decisions_are_read_with_their_places(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", HEADING, decision(), decision(suspect=2, decision="reject", remove=[], add=[]))
    first, second = read_decisions(path)
    assert (first.verdict, first.gold, first.add) == ("accept", (Entity(0, 3, "name"),), (Entity(0, 2, "name"),))
    assert first.source == f"{path}:2" and first.suspect == "a1 1"
    assert (second.verdict, second.remove, second.add) == ("reject", (), ())
    assert not first.agrees(second)


def test_a_file_without_a_heading_and_joined_files_are_read(tmp_path: Path) -> None:
    assert len(read_decisions(write(tmp_path / "a", decision()))) == 1
    joined = write(
        tmp_path / "b", HEADING, decision(), decision(suspect=2), {**HEADING, "audit": "b", "decisions": 1}, decision()
    )
    assert [one.suspect for one in read_decisions(joined)] == ["a1 1", "a1 2", "b 1"]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"decision": "maybe"}, "`decision` is 'maybe'"),
        ({"key": "12"}, "`key` is '12', which is no SHA-256"),
        ({"gold": None}, "`gold` is None, not a list of labels"),
        ({"add": [{"start": 2, "end": 2, "type": "name"}]}, "`add` is"),
        ({"add": [{"start": True, "end": 2, "type": "name"}]}, "`add` is"),
        ({"add": [{"start": 0, "end": 2, "type": " "}]}, "`add` is"),
        ({"remove": [ORDER]}, "`remove` has a label that is not in `gold`"),
        ({"remove": [], "add": [NAME]}, "`add` has a label that is in `gold` already"),
        ({"decision": "reject"}, "it rejects, but `remove` or `add` has labels"),
    ],
)
def test_a_line_that_is_no_decision_is_refused_or_left_out(tmp_path: Path, changes: Any, message: str) -> None:
    path = write(tmp_path / "d.jsonl", decision(suspect=7), decision(**changes))
    with pytest.raises(DataError, match=message) as caught:
        read_decisions(path)
    assert caught.value.line == 2 and caught.value.path == path
    errors: list[DataError] = []
    assert [one.suspect for one in read_decisions(path, errors.append)] == [" 7"] and len(errors) == 1


@pytest.mark.parametrize("cut", [1, 40, 300])
def test_a_file_that_was_cut_off_is_noticed_wherever_it_was_cut(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "d.jsonl"
    write(path, HEADING, decision(), decision(suspect=2))
    path.write_bytes(path.read_bytes()[:-cut] if cut > 1 else path.read_bytes().rpartition(b"\n{")[0] + b"\n")
    errors: list[DataError] = []
    found = read_decisions(str(path), errors.append)
    assert (len(found) == 1 and "1 decisions" in str(errors[-1])) or "2 decisions" in str(errors[0]) or errors
    with pytest.raises(DataError, match="expected"):
        read_decisions(str(path))


@pytest.mark.parametrize(
    "line", ["{", "[" * 100_000, "3", '{"format": "other"}', '{"format": "ner_plugins decisions", "version": 2}']
)
def test_other_files_are_refused_in_one_message(tmp_path: Path, line: str) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(DataError) as caught:
        read_decisions(str(path))
    assert caught.value.line == 1 and len(str(caught.value)) < 600
