import gzip
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from allennlp.common import Params
from allennlp.data import DatasetReader
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.dataset_readers.json.datasets_rows import DatasetsRowsReader
from ner_plugins.dataset_readers.json.rows import parse_row
from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import ConfigError, DataError, LeftOut, NerError

FIXTURES = Path(__file__).parents[3] / "fixtures" / "datasets_rows"
NAMES = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG"]


def surfaces(sentence: Sentence) -> list[tuple[str, str]]:
    assert sentence.entities is not None
    return [(sentence.text[e.start : e.end], e.type) for e in sentence.entities]


def read(tmp_path: Path, *rows: Any, **options: Any) -> list[Sentence]:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return list(DatasetsRowsReader(**options).sentences(str(path)))


def test_fixture_with_entities() -> None:
    sentences = list(DatasetsRowsReader().sentences(f"{FIXTURES}#train"))
    assert [s.id for s in sentences] == ["0", "1", "2", "3", "4"]
    assert surfaces(sentences[0]) == [("云杉影业", "company"), ("何明远", "name"), ("望月湖", "scene")]
    # Nested: the entities, not the flat tags beside them.
    assert surfaces(sentences[1]) == [("《望月湖的冬天》", "book"), ("望月湖", "scene"), ("白塔书局", "company")]
    assert [(e.start, e.end) for e in sentences[2].entities or ()] == [(0, 3), (3, 6), (6, 9)]
    assert sentences[3].text == "😀 阿宝\t说：\u3000“行。”" and surfaces(sentences[3]) == [("阿宝", "name")]
    assert sentences[4].entities == () and sentences[4].source == f"{FIXTURES}/train.jsonl:5"


def test_fixture_of_words_and_tags(caplog: pytest.LogCaptureFixture) -> None:
    reader = DatasetsRowsReader()
    heard: list[DataError] = []
    reader.listener = heard.append
    with caplog.at_level(logging.INFO):
        korean, english = reader.sentences(f"{FIXTURES}#dev")
    assert korean.text == "민준은 서울 시청에서 일한다 ." and surfaces(korean) == [("서울 시청에서", "LOC")]
    assert english.text == "Anna Weiss visited Graz"
    assert surfaces(english) == [("Anna Weiss", "PER"), ("Graz", "LOC")]
    assert reader.counts["repaired"] == 1 and reader.counts["tokens"] == 9
    assert [(e.line, "tag 3" in e.problem) for e in heard] == [(2, True)]
    assert "tag scheme BIO" in caplog.text


def test_fixture_without_gold() -> None:
    assert [(s.text, s.entities) for s in DatasetsRowsReader().sentences(f"{FIXTURES}#test")] == [
        ("林晓彤在读书。", None),
        ("没有标注", None),
    ]


def test_numbers_need_names() -> None:
    path = f"{FIXTURES}/numbers.jsonl"
    first, second = DatasetsRowsReader(tag_names=NAMES).sentences(path)
    assert first.text == "阿宝在青禾" and surfaces(first) == [("阿宝", "PER"), ("青禾", "ORG")]
    assert second.text == "晴" and second.entities == ()
    with pytest.raises(DataError, match=r"numbers\.jsonl:1: .*index 0 the number 1.*tag_names"):
        list(DatasetsRowsReader().sentences(path))
    with pytest.raises(DataError, match=r"the number 4.*0 to 3, since tag_names has 4"):
        list(DatasetsRowsReader(tag_names=NAMES[:4]).sentences(path))


def test_compressed_with_bom_and_crlf(tmp_path: Path) -> None:
    data = (FIXTURES / "train.jsonl").read_bytes()
    expected = [(s.text, s.entities, s.id) for s in DatasetsRowsReader().sentences(f"{FIXTURES}#train")]
    (tmp_path / "train.json.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n\r\n")))
    assert [(s.text, s.entities, s.id) for s in DatasetsRowsReader().sentences(f"{tmp_path}#train")] == expected


@pytest.mark.parametrize(
    "rows, options, texts",
    [
        ([{"tokens": ["a", "b"]}], {}, ["ab"]),
        ([{"tokens": ["a", "b"]}], {"join": " "}, ["a b"]),
        ([{"tokens": ["a", "b"]}, {"tokens": ["ab", "c"]}], {}, ["a b", "ab c"]),
        ([{"tokens": ["ab", "c"]}], {"join": ""}, ["abc"]),
        ([{"tokens": ["ab", "c"], "text": " ab\t c "}], {"join": "x"}, [" ab\t c "]),
        ([{"tokens": []}], {}, [""]),
    ],
)
def test_how_tokens_are_joined(tmp_path: Path, rows: Any, options: Any, texts: list[str]) -> None:
    assert [s.text for s in read(tmp_path, *rows, **options)] == texts


def test_tags_lie_on_the_tokens_of_a_given_text(tmp_path: Path) -> None:
    (sentence,) = read(tmp_path, {"text": "in  New\u3000York,", "tokens": ["in", "New", "York", ","],
                                  "tags": ["O", "B-LOC", "I-LOC", "O"]})  # fmt: skip
    assert surfaces(sentence) == [("New\u3000York", "LOC")]


@pytest.mark.parametrize("illegal, spans", [("repair", [(0, 2), (3, 4)]), ("drop", [(0, 2)])])
def test_rules_for_illegal_tags(tmp_path: Path, illegal: str, spans: list[tuple[int, int]]) -> None:
    row = {"tokens": list("abcd"), "tags": ["B-X", "I-X", "O", "I-X"]}
    (sentence,) = read(tmp_path, row, illegal_tags=illegal, scheme="IOB2")
    assert [(e.start, e.end) for e in sentence.entities or ()] == spans
    with pytest.raises(DataError, match=r"rows\.jsonl:1: tag 3: I-X after O"):
        read(tmp_path, row, illegal_tags="strict", scheme="BIO")


def test_the_scheme_is_told_by_the_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        (sentence,) = read(tmp_path, {"tokens": list("abc"), "ner_tags": ["B-X", "M-X", "E-X"]}, illegal_tags="strict")
    assert [(e.start, e.end) for e in sentence.entities or ()] == [(0, 3)] and "tag scheme BMES" in caplog.text
    with pytest.raises(DataError, match=r"rows\.jsonl: no tag scheme has all.*Set the option scheme"):
        read(tmp_path, {"tokens": list("abc"), "ner_tags": ["M-X", "I-X", "L-X"]})


GOOD = {"text": "青禾银行的林晓彤", "entities": [{"start": 0, "end": 4, "label": "ORG"}]}


def entity(**changes: Any) -> dict[str, Any]:
    return {**GOOD, "entities": [{"start": 0, "end": 4, "type": "ORG", **changes}]}


BAD: dict[str, tuple[Any, str]] = {
    "array": ([1], 'a JSON array .expected an object with the key "text" or "tokens"'),
    "no text": ({"sentence": "a"}, r"no \"text\" and no \"tokens\" among the keys \['sentence'\]"),
    "text a number": ({"text": 1}, '"text" is a JSON number'),
    "id a list": ({"text": "a", "id": []}, '"id" is a JSON array'),
    "tokens a string": ({"tokens": "ab"}, '"tokens" is a JSON string'),
    "token a number": ({"tokens": ["a", 1]}, '"tokens" has at index 1 a JSON number'),
    "empty token": ({"tokens": ["a", ""]}, "token 1 is empty"),
    "tags a string": ({"tokens": ["a"], "ner_tags": "O"}, '"ner_tags" is a JSON string'),
    "tag a boolean": ({"tokens": ["a"], "ner_tags": [True]}, "at index 0 a JSON boolean"),
    "tag no tag": ({"tokens": ["a"], "ner_tags": ["PER"]}, "tag 0: 'PER' is not a tag"),
    "too few tags": ({"tokens": ["a", "b"], "tags": ["O"]}, "1 tags, but 2 tokens"),
    "tags without tokens": ({"text": "ab", "ner_tags": ["O", "O"]}, "2 tags, but no tokens"),
    "token not in the text": ({"text": "a b", "tokens": ["a", "c"]}, r"token 1 is 'c' .*goes on with ' b' at 1"),
    "token later in the text": ({"text": "a x b", "tokens": ["a", "b"]}, "token 1 is 'b'"),
    "text goes on": ({"text": "a b", "tokens": ["a"]}, "goes on after the last token: ' b'"),
    "entities an object": ({"text": "a", "entities": {}}, '"entities" is a JSON object'),
    "entity a list": ({"text": "a", "entities": [[0, 1, "T"]]}, "entity 0 is a JSON array"),
    "float offset": (entity(start=0.0), r"has the offsets \[0\.0, 4\]"),
    "boolean offset": (entity(start=False), r"has the offsets \[False, 4\]"),
    "no type": (entity(type=None), "entity 0 has the type None"),
    "empty type": (entity(type=""), "entity 0 has the type ''"),
    "empty span": (entity(end=0), r"has the offsets \[0, 0\]"),
    "negative": (entity(start=-1), r"has the offsets \[-1, 4\]"),
    "past the end": (entity(end=9), "ends at 9, past the text .expected at most 8"),
    "another surface": (entity(text="的林"), r"the text at \[0, 4\] is '青禾银行'.*It occurs at \[4, 6\]"),
    "surface elsewhere": (entity(text="白塔"), "does not contain it"),
    "inclusive end": (entity(end=3, text="青禾银行"), "add 1 to each"),
    "surface under another key": (entity(end=3, entity="青禾银行"), "add 1 to each"),
    "surface as a word": (entity(word="的林"), r"the text at \[0, 4\] is '青禾银行'.*It occurs at \[4, 6\]"),
}


def test_keys_inside_entities_that_are_not_read_are_named_once(tmp_path: Path) -> None:
    rows = [
        GOOD, entity(entity="ORG", id=1, score=0.5, mention=""), entity(word="##x", certainty=1),
        entity(mention="青禾银行", word="y"),
    ]  # fmt: skip
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    reader, heard = DatasetsRowsReader(), []
    reader.listener = heard.append
    assert len(list(reader.sentences(str(path)))) == 4
    [remark] = heard
    assert isinstance(remark, LeftOut)
    listed = "'entity' (line 2), 'mention' (line 2), 'word' (line 3), 'certainty' (line 3)"
    assert f"the keys {listed} inside entities" in str(remark)
    path.write_text(json.dumps(GOOD), encoding="utf-8")
    heard.clear()
    list(reader.sentences(str(path)))
    assert not heard


@pytest.mark.parametrize("name", BAD)
def test_bad_rows(tmp_path: Path, name: str) -> None:
    row, message = BAD[name]
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path, GOOD, row, GOOD)
    error = caught.value
    assert str(error).startswith(f"{tmp_path}/rows.jsonl:2: ") and error.expected and error.remedy
    assert [s.source[-2:] for s in read(tmp_path, GOOD, row, GOOD, on_error="skip")] == [":1", ":3"]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"scheme": "XYZ"}, "unknown tag scheme 'XYZ'"),
        ({"tag_names": ["O", "PER"]}, "tag_names has 'PER'"),
        ({"tag_names": "O"}, "tag_names has 'O'"),
    ],
)
def test_bad_options(options: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DatasetsRowsReader(**options)


def test_an_unknown_rule_for_illegal_tags() -> None:
    with pytest.raises(ConfigError, match='illegal_tags is "ignore"; it can be repair, strict or drop'):
        DatasetReader.from_params(Params({"type": "datasets_ner", "illegal_tags": "ignore"}))


def test_bad_lines_are_told_where_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"text": "a"}\n{"text": "\xff"}\n{"text": "b"}\n')
    with pytest.raises(DataError, match=r"rows\.jsonl:2: 0xff is not UTF-8"):
        list(DatasetsRowsReader().sentences(str(path)))
    assert [s.text for s in DatasetsRowsReader(on_error="skip").sentences(str(path))] == ["a", "b"]
    path.write_text('{"text": "a"}', encoding="utf-16")
    assert [s.text for s in DatasetsRowsReader().sentences(str(path))] == ["a"]


@settings(max_examples=150)
@given(data=st.data())
def test_mutated_files_raise_errors_of_the_family_only(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    blob = bytearray((FIXTURES / data.draw(st.sampled_from(["train.jsonl", "dev.jsonl"]))).read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(blob) - 1))
        blob[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    path = tmp_path_factory.getbasetemp() / "mutated.jsonl"
    path.write_bytes(blob)
    options: list[dict[str, str]] = [{}, {"on_error": "skip"}, {"illegal_tags": "drop", "on_error": "skip"}]
    for option in options:
        try:
            for sentence in DatasetsRowsReader(**option).sentences(str(path)):
                assert all(0 <= e.start < e.end <= len(sentence.text) for e in sentence.entities or ())
        except NerError as error:
            assert str(path) in str(error)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 4) | st.sampled_from(["O", "B-X", "a", "ab"]) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(["start", "end", "type", "label", "text"]), inner),
)
KEYS = st.sampled_from(["text", "tokens", "ner_tags", "tags", "entities", "id"])


@settings(max_examples=300)
@given(st.dictionaries(KEYS, JSON))
def test_any_row_is_a_sentence_or_a_data_error(value: Any) -> None:
    try:
        row = parse_row(json.dumps(value), "f", 1, "")
        assert [row.text[start:end] for start, end in row.offsets] == (row.tokens or [])
        assert all(Entity(0, len(row.text), "").contains(entity) for entity in row.entities or ())
    except DataError as error:
        assert error.line == 1
