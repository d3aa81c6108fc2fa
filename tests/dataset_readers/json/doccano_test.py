import json
from pathlib import Path
from typing import Any

import pytest

from ner_plugins.data_tools.guess import guess_reader
from ner_plugins.dataset_readers import DoccanoReader
from ner_plugins.entities import Sentence
from ner_plugins.errors import DataError, LeftOut, Remark

FIXTURES = Path(__file__).parents[3] / "fixtures" / "doccano"
TEXT = "阿宝去了白塔书局"


def read(path: Any, *records: dict[str, Any], **options: Any) -> tuple[list[Sentence], list[DataError]]:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    reader: Any = DoccanoReader(**options)
    heard: list[DataError] = []
    reader.listener = heard.append
    return list(reader.sentences(str(path))), heard


def surfaces(sentence: Sentence) -> list[tuple[str, str]]:
    return [(sentence.text[entity.start : entity.end], entity.type) for entity in sentence.entities or ()]


def test_each_notation() -> None:
    train, dev, test = (list(DoccanoReader().sentences(f"{FIXTURES}#{split}")) for split in ("train", "dev", "test"))
    assert [surfaces(sentence) for sentence in train] == [
        [("何明远", "PER"), ("云杉影业", "ORG")], [("望月湖大学", "ORG"), ("望月湖", "LOC"), ("青禾市", "LOC")], [],
    ]  # fmt: skip
    assert surfaces(dev[0]) == [("민준", "PER"), ("서울 시청", "ORG"), ("서울", "LOC")] and dev[0].id == 7
    assert surfaces(test[0]) == [("林晓彤", "PER"), ("望月湖", "LOC")]


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    relation = {"id": 1, "from_id": 1, "to_id": 2, "type": "at"}
    record = {"text": TEXT, "entities": [[0, 2, "PER"]], "cats": ["news"], "relations": [relation] * 2}
    sentences, heard = read(tmp_path / "train.jsonl", record, {**record, "relations": []})
    assert [surfaces(sentence) for sentence in sentences] == [[("阿宝", "PER")]] * 2
    (remark,) = heard
    assert isinstance(remark, LeftOut)
    assert str(remark).endswith("train.jsonl: left out: 2 relations, 2 categories of a whole text")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"label": ["news"]}, "'news'.*Labels of whole texts come from a project for text classification"),
        ({"label": {"PER": {"阿宝": [[0, 1]]}}}, '"label" is a JSON object.*The reader cluener reads objects'),
        ({"label": "PER"}, '"label" is a JSON string'),
        ({"label": [[0, 2]]}, r'"label" has at index 0 \[0, 2\]'),
        ({"annotations": [{"start_offset": 0, "end_offset": 2, "label": 3, "user": 1}]}, "numbers of the labels"),
        ({"labels": [[0, 2, "PER"], [7, 9, "ORG"]]}, r"entity 1 \('ORG'\) ends at 9, past the text"),
        ({"label": [[2, 2, "PER"]]}, "0 <= START < END"),
        ({"text": 3, "label": []}, '"text" is a JSON number'),
    ],
)
def test_what_cannot_be_read(value: dict[str, Any], message: str, tmp_path: Path) -> None:
    good = {"text": TEXT, "label": [[4, 8, "ORG"]]}
    with pytest.raises(DataError, match=message):
        read(tmp_path / "f", good, {"text": TEXT, **value})
    sentences, heard = read(tmp_path / "f", {"text": TEXT, **value}, good, on_error="skip")
    assert len(sentences) == 1 and heard[0].line == 1


def test_units_of_offsets(tmp_path: Path) -> None:
    """doccano's export has no surfaces, so that only the first text in doubt can be named."""
    plain, shifted = {"text": TEXT, "label": [[0, 2, "PER"]]}, {"text": "🐼" + TEXT + "。", "label": [[2, 4, "PER"]]}
    before = {"text": TEXT + "🐼", "label": [[0, 2, "PER"]]}
    sentences, heard = read(tmp_path / "f", plain, before, shifted, shifted)
    assert surfaces(sentences[2]) == [("宝去", "PER")]
    (remark,) = heard
    assert isinstance(remark, Remark) and remark.line == 3 and 'offsets to "utf16"' in str(remark)
    sentences, heard = read(tmp_path / "f", plain, before, shifted, offsets="utf16")
    assert [surfaces(sentence) for sentence in sentences] == [[("阿宝", "PER")]] * 3 and not heard
    assert not read(tmp_path / "f", shifted, offsets="characters")[1]
    with pytest.raises(DataError, match=r"past the text .*utf16"):
        read(tmp_path / "f", {"text": "🐼" + TEXT, "label": [[6, 10, "ORG"]]})


def test_unlabelled_texts(tmp_path: Path) -> None:
    sentences, heard = read(tmp_path / "f", {"text": TEXT}, {"text": TEXT, "label": None, "meta": {}})
    assert [sentence.entities for sentence in sentences] == [None, None] and not heard
    _, heard = read(tmp_path / "f", {"text": TEXT, "lables": [[0, 2, "PER"]]})
    assert "'lables' is not read" in str(heard[0])


SPANS = [[0, 1, "X"]]


@pytest.mark.parametrize("value", [{"label": []}, {"labels": SPANS}, {"label": SPANS, "a": "一" * 70_000}])
@pytest.mark.parametrize("array", [False, True])
def test_it_is_recognised(value: dict[str, Any], array: bool, tmp_path: Path) -> None:
    path = tmp_path / "data"
    records = [{"id": 1, "text": "a", **value}] * 2
    path.write_text(json.dumps(records) if array else "".join(json.dumps(record) + "\n" for record in records))
    assert guess_reader(str(path)).name == "doccano"
