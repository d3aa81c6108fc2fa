import json
from pathlib import Path
from typing import Any

import pytest

from ner_plugins.dataset_readers import CmeeeReader
from ner_plugins.entities import Entity
from ner_plugins.errors import DataError

FIXTURES = Path(__file__).parents[3] / "fixtures" / "cmeee"
TEXT = "先天性心脏病"


def item(start: Any, end: Any, **more: Any) -> dict[str, Any]:
    return {"start_idx": start, "end_idx": end, "type": "dis", **more}


def test_the_fixture() -> None:
    read = [list(CmeeeReader().sentences(f"{FIXTURES}#{split}")) for split in ("train", "dev")]
    found = [[[(s.text[e.start : e.end], e.type) for e in s.entities or ()] for s in split] for split in read]
    assert found == [
        [[("先天性心脏病", "dis"), ("心", "bod"), ("肺炎", "dis")], []],
        [[("青禾素", "dru"), ("头痛", "sym"), ("头", "bod")]],
    ]


@pytest.mark.parametrize(
    ("entities", "message"),
    [
        ([item(3, 4, entity="心")], r'the text at \[3, 4\] is .心脏.*set the option ends to "exclusive"'),
        ([item(2, 2, entity="心")], r"is .性. \(expected .心.\)\. It occurs at \[3, 3\]"),
        ([item(3, 6)], "ends at 6, past the text .*at most 5"),
        ([{"start": 3, "end": 3}], "two whole numbers"),
        ({"a": 1}, '"entities" is a JSON object'),
        (["心"], "entity 0 is a JSON string"),
    ],
)
def test_what_cannot_be_read(entities: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text(json.dumps([{"text": TEXT, "entities": entities}]))
    with pytest.raises(DataError, match=message):
        list(CmeeeReader().sentences(str(path)))


def test_exclusive_ends_and_unlabelled_texts(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text(json.dumps({"text": TEXT, "entities": [item(3, 4, entity="心")]}))
    (sentence,) = CmeeeReader(ends="exclusive").sentences(str(path))
    assert sentence.entities == (Entity(3, 4, "dis"),)
    path.write_text(json.dumps([{"text": TEXT}, {"text": TEXT, "entities": None}], indent=1))
    assert [sentence.entities for sentence in CmeeeReader().sentences(str(path))] == [None, None]
