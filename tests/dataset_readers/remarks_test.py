import json
import logging
from pathlib import Path
from typing import Any

import pytest

from ner_plugins.dataset_readers import ConllReader, DatasetsRowsReader, LabelStudioReader, MsraReader
from ner_plugins.dataset_readers.remarks import TagTally, clauses, numbered_characters, unread_keys
from ner_plugins.errors import Remark

BMES = ["B-X", "M-X", "E-X"]


@pytest.mark.parametrize(("illegal", "entities", "said"), [(20, 39, True), (20, 40, False), (19, 19, False)])
def test_more_than_half_and_at_least_twenty(illegal: int, entities: int, said: bool) -> None:
    tally = TagTally("f")
    tally.entities = entities
    for _ in range(illegal):
        tally.add_illegal(BMES, 1)
    remark = tally.remark("BIO")
    assert (remark is not None) == said
    if remark is not None:
        assert str(remark).startswith(f"f: 20 of {entities} entities") and 'set scheme to "BMES"' in str(remark)


def test_tags_of_no_scheme_suggest_none() -> None:
    tally = TagTally("f")
    tally.entities = 20
    tally.add_illegal(["B-X", "I-X", "M-X"], 20)
    assert "set scheme" not in str(tally.remark("BIO"))


@pytest.mark.parametrize("rule", ["repair", "drop"])
def test_training_logs_it_and_a_block_at_once_counts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, rule: str
) -> None:
    path = tmp_path / "data.txt"
    legal, illegal = "青 B-X\n禾 I-X\n\n", "青 B-X\n禾 E-X\n\n"
    reader: Any = ConllReader(scheme="BIO", illegal_tags=rule)
    for copies, said in ((30, True), (100, False)):
        caplog.clear()
        path.write_text(legal * copies + illegal * 60)
        with caplog.at_level(logging.WARNING):
            list(reader.sentences(str(path)))
        assert any("60 of 90 entities" in record.getMessage() for record in caplog.records) == said


def test_rows_of_datasets(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text((json.dumps({"tokens": ["a", "b", "c"], "ner_tags": BMES}) + "\n") * 20)
    heard: list[Any] = []
    reader: Any = DatasetsRowsReader(scheme="BIO")
    reader.listener = heard.append
    list(reader.sentences(str(path)))
    (remark,) = (error for error in heard if isinstance(error, Remark))
    assert str(remark).startswith(f"{path}: 20 of 20 entities")


def test_numbered_characters() -> None:
    characters = "青禾银行的林晓彤来了"
    tokens = [f"{character}{n}" for n, character in enumerate(characters)]
    assert "'青0'" in str(numbered_characters(tokens, "f"))
    assert numbered_characters([*tokens, "好"], "f") is None
    assert numbered_characters(tokens[:9], "f") is None
    assert numbered_characters([str(n) for n in range(10, 30)], "f") is None


def test_tokens_that_are_clauses(tmp_path: Path) -> None:
    """Label Studio's CoNLL export of Chinese splits at punctuation alone."""
    path = tmp_path / "f.conll"
    texts = ["何明远在云杉影业上班", "望月湖大学在青禾市的东边", "林晓彤读了望月湖的冬天"]
    path.write_text("-DOCSTART- -X- O\n" + "".join(f"{text} -X- _ B-PER\n。 -X- _ O\n\n" for text in texts))
    reader: Any = LabelStudioReader()
    heard: list[Any] = []
    reader.listener = heard.append
    assert len(list(reader.sentences(str(path)))) == 3
    (remark,) = heard
    assert "3 of 4 tokens are whole clauses, such as " in str(remark) and "export JSON" in str(remark)
    words = ["何明远", "在", "云杉影业", "上班", "。", *map(str, range(11))]
    assert clauses([*words, *texts], "f") is None and clauses([*words[:12], *texts], "f") is not None


@pytest.mark.data
def test_weibo_by_another_reader(shared_data: Path) -> None:
    heard: list[Any] = []
    reader: Any = MsraReader(scheme="BIO")
    reader.listener = heard.append
    list(reader.sentences(f"{shared_data}/weibo/weiboNER_2nd_conll.test"))
    assert ["every token ends in a digit" in str(error) for error in heard if isinstance(error, Remark)] == [True]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"text": "a", "labels": {}}, "'labels' is not read, and there is no 'label'. Did you mean 'label'"),
        ({"text": "a", "spans": [[0, 1]]}, "'spans' is not read, .*Rename it if it holds the labels"),
        ({"text": "a", "entities": [{}]}, "'entities' is not read.*The reader datasets_ner reads it"),
        ({"text": "a", "label": None, "labels": {}}, None),
        ({"text": "a", "id": 3, "source": "web"}, None),
    ],
)
def test_unread_keys(record: dict[str, Any], message: str | None) -> None:
    remark = unread_keys(json.dumps(record), ("text", "label", "id"), ("label",), "f", 3)
    if message is None:
        assert remark is None
    else:
        assert remark is not None and remark.line == 3
        with pytest.raises(Remark, match=message):
            raise remark


def test_cluener_rows_by_the_reader_of_datasets(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    path.write_text('{"text": "青禾", "label": {"ORG": {"青禾": [[0, 1]]}}}\n' * 3)
    heard: list[Any] = []
    reader: Any = DatasetsRowsReader()
    reader.listener = heard.append
    assert len(list(reader.sentences(str(path)))) == 3
    (remark,) = heard
    assert remark.line == 1 and str(remark).endswith("The reader cluener reads it")
