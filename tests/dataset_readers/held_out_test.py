"""The reader's option `fold`."""

import json
from pathlib import Path
from typing import Any

import pytest
from allennlp.common import Params
from allennlp.data import DatasetReader

from ner_plugins.archives.assets import loading
from ner_plugins.errors import ConfigError, DataError
from ner_plugins.files.digests import text_key
from ner_plugins.files.folds_assignment import FoldAssignment

TEXTS = ["张三在北京", "李四在上海", "王五在广州", "不在任何一折"]


@pytest.fixture
def data(tmp_path: Path) -> str:
    FoldAssignment(2, {text_key(text): n % 2 for n, text in enumerate(TEXTS[:3])}).write(tmp_path)
    lines = [{"text": text, "label": {}} for text in [*TEXTS, TEXTS[0]]]
    (tmp_path / "train.json").write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return str(tmp_path / "train.json")


def texts(path: str, number: Any = 0, assignment: str = "assignment.json", **options: Any) -> list[str]:
    fold = {"assignment": str(Path(path).parent / assignment), "number": number}
    reader = DatasetReader.from_params(Params({"type": "cluener", "fold": fold, **options}))
    return [instance["metadata"].metadata["text"] for instance in reader.read(path)]


def test_the_texts_of_a_fold_are_left_out(data: str) -> None:
    assert texts(data, 0) == [TEXTS[1], TEXTS[3]]
    assert texts(data, 1) == [TEXTS[0], TEXTS[2], TEXTS[3], TEXTS[0]]
    assert texts(data, 0, max_instances=1) == [TEXTS[1]]


def test_with_a_drawn_split_both_parts_lack_the_fold(data: str) -> None:
    found = [texts(f"{data}#{split}", 0, dev_fraction=0.5) for split in ("train", "dev")]
    assert sorted(found[0] + found[1]) == sorted([TEXTS[1], TEXTS[3]])


def test_a_trained_model_reads_everything_and_needs_no_assignment(data: str, tmp_path: Path) -> None:
    with loading():
        assert texts(data, 0, "gone.json") == [*TEXTS, TEXTS[0]]


def test_mistakes_are_named(data: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"dataset_reader\.fold\.number is 2, but .* has the folds 0 to 1"):
        texts(data, 2)
    with pytest.raises(DataError, match=r"gone\.json: cannot be read: No such file.*the assignment\.json of ner-folds"):
        texts(data, 0, "gone.json")
    (tmp_path / "only.json").write_text(json.dumps({"text": TEXTS[0], "label": {}}), encoding="utf-8")
    with pytest.raises(DataError, match="no sentence outside of fold 0 in it"):
        texts(str(tmp_path / "only.json"), 0)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"format": "ner_plugins fold assignment", "format_version": 2}'])
def test_another_file_is_no_assignment(data: str, tmp_path: Path, content: str) -> None:
    (tmp_path / "other.json").write_text(content)
    with pytest.raises(DataError, match="no assignment of texts to folds"):
        texts(data, 0, "other.json")
