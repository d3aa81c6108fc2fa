import gzip
import json
from pathlib import Path

import pytest

from ner_plugins.comparison.prediction_files import PredictionFile, read_gold, read_predictions
from ner_plugins.comparison.span_counts import PredictedSentence
from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError, DataError

GOLD = [PredictedSentence("张三在北京", [Entity(0, 2, "PER")], ()), PredictedSentence("好", [], ())]
LINES = [
    {"id": 0, "text": "张三在北京", "entities": [{"start": 3, "end": 5, "type": "LOC", "text": "北京", "score": 0.5}]},
    {"text": "好", "entities": []},
]


def written(path: Path, *lines: object) -> PredictionFile:
    text = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return PredictionFile(path)


@pytest.mark.parametrize("name", ["crf.jsonl", "crf.json.gz"])
def test_predictions_are_read(name: str, tmp_path: Path) -> None:
    file = written(tmp_path / name, *LINES)
    found = read_predictions(file, GOLD)
    assert [one.predicted for one in found] == [[Entity(3, 5, "LOC")], []]
    assert [(one.text, one.gold) for one in found] == [(one.text, one.gold) for one in GOLD]
    assert file.model == "crf" and file.name == str(tmp_path / name)


@pytest.mark.parametrize(
    "lines, message",
    [
        ([LINES[1], LINES[0]], r"crf\.jsonl:1: a prediction for '好' \(expected the sentence .* '张三在北京'"),
        ([LINES[0]], r"1 predictions \(expected 2, one for each sentence"),
        ([*LINES, LINES[1]], r"3 predictions \(expected 2"),
        (["text"], r"crf\.jsonl:1: 'text' \(expected a line"),
        ([{"text": "张三在北京"}], "expected a line"),
        ([{"text": "好", "entities": [{"start": 0, "end": 9, "type": "LOC"}]}], "expected a line"),
        ([{"text": "好", "entities": [{"start": "0", "end": 1, "type": "LOC"}]}], "expected a line"),
        (["[]"], "expected a line"),
        ([{"entities": []}], "expected a line"),
        ([{"text": 3, "entities": []}], "expected a line"),
    ],
)
def test_what_is_no_prediction_of_these_data(lines: list[object], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_predictions(written(tmp_path / "crf.jsonl", *lines), GOLD)


def test_gold_is_read_by_a_guessed_reader() -> None:
    found = read_gold("fixtures/cluener#dev")
    assert found and all(one.predicted == () for one in found) and any(one.gold for one in found)
    assert found == read_gold("fixtures/cluener/dev.json", "cluener")


def test_gold_has_to_be_one_split_with_labels() -> None:
    with pytest.raises(ConfigError, match=r"several splits\. Choose one of .*#train"):
        read_gold("fixtures/cluener")
    with pytest.raises(DataError, match="this sentence has no label"):
        read_gold("fixtures/cluener#test")
