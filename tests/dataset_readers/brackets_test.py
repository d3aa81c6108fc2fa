import gzip
from pathlib import Path

import pytest
from allennlp.common import Params
from allennlp.data import DatasetReader
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.brackets import to_brackets
from ner_plugins.dataset_readers.brackets import BracketsReader
from ner_plugins.entities import Entity
from ner_plugins.errors import DataError

FIXTURES = Path(__file__).parents[2] / "fixtures" / "brackets"


def surfaces(sentence):
    return [(sentence.text[e.start : e.end], e.type) for e in sentence.entities]


def test_fixture_train():
    found = list(BracketsReader().sentences(f"{FIXTURES}#train"))
    assert [(s.source.rpartition(":")[2], s.id) for s in found] == [(n, None) for n in "1235"]
    assert found[0].text == "青禾银行的林晓彤说：价格是 3:00 的两倍。"
    assert found[0].entities == (Entity(0, 4, "company"), Entity(5, 8, "name"))
    assert surfaces(found[1]) == [("云杉市第二医院", "organization"), ("云杉市", "address"), ("医院", "organization")]
    assert (
        found[2].text == "한별해솔전자는 <달무리>를 \\n 이라 썼다."
        and found[2].entities[0].end == found[2].entities[1].start
    )
    assert found[3].entities == () and found[3].text.endswith("a > b 要写成 a < b。")


def test_fixture_dev_and_test():
    first, blank, surrogates = BracketsReader().sentences(f"{FIXTURES}#dev")
    assert first.text == "白塔在两行\n之间，a:b也是。"
    assert surfaces(first) == [("白塔", "scene:1"), ("白塔", "LOC"), ("a:b", "game")]
    assert (blank.text, blank.entities) == (" ", ())
    assert surrogates.text == "\ud83d单独的代\udfff理" and surfaces(surrogates) == [("代\udfff理", "name")]
    (only,) = BracketsReader().sentences(f"{FIXTURES}#test")
    assert surfaces(only) == [("阿宝", "name"), ("Cafe\u0301 Noir", "company")]


@pytest.mark.parametrize("name", ["dev.txt", "dev.brackets", "valid.txt", "valid.brackets.gz"])
def test_names_of_the_dev_file(tmp_path, name):
    data = b"\xef\xbb\xbf<a:T>b\r\n \r\nc"
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    found = list(BracketsReader().sentences(f"{tmp_path}#dev"))
    assert [(s.text, s.entities) for s in found] == [("ab", (Entity(0, 1, "T"),)), ("c", ())]


def test_a_bad_line(tmp_path):
    path = tmp_path / "f.txt"
    path.write_text("<a:T>\nx > y\nb")
    with pytest.raises(DataError, match=r"f\.txt:2: '>' at character 2 closes no '<' .*Write") as caught:
        list(BracketsReader().sentences(str(path)))
    assert caught.value.expected and caught.value.remedy
    reader = BracketsReader(on_error="skip")
    assert [s.text for s in reader.sentences(str(path))] == ["a", "b"] and reader.counts["skipped"] == 1


def test_instances():
    reader = DatasetReader.from_params(Params({"type": "brackets_ner", "entity_types": ["name"]}))
    (instance,) = reader.read(f"{FIXTURES}#test")
    assert instance["metadata"].metadata["entities"] == [{"start": 0, "end": 2, "type": "name"}]


CHARACTERS = st.sampled_from("<>:\\nu\n\r\u2028\ufeff \t\x1c\x85東") | st.characters(exclude_categories=())


@settings(max_examples=200)
@given(st.lists(st.tuples(st.text(CHARACTERS, min_size=1, max_size=6), st.data()), min_size=1, max_size=4))
def test_files_keep_every_text(tmp_path_factory, drawn):
    sentences = []
    for text, data in drawn:
        start = data.draw(st.integers(0, len(text) - 1))
        entity = Entity(start, data.draw(st.integers(start + 1, len(text))), data.draw(st.text(CHARACTERS, min_size=1)))
        sentences.append((text, data.draw(st.sampled_from([(), (entity,)]))))
    path = tmp_path_factory.getbasetemp() / "kept.txt"
    path.write_bytes("".join(to_brackets(*sentence) + "\n" for sentence in sentences).encode("utf-8"))
    assert [(s.text, s.entities) for s in BracketsReader().sentences(str(path))] == sentences


@settings(max_examples=200)
@given(data=st.data())
def test_mutated_and_random_files_raise_data_errors_only(tmp_path_factory, data):
    name = data.draw(st.sampled_from(["train.txt", "dev.txt", None]))
    blob = bytearray((FIXTURES / name).read_bytes() if name else data.draw(st.binary(max_size=100)))
    for _ in range(data.draw(st.integers(1, 8)) if name else 0):
        at = data.draw(st.integers(0, len(blob) - 1))
        blob[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    path = tmp_path_factory.getbasetemp() / "mutated_brackets.txt"
    path.write_bytes(blob)
    for options in ({}, {"on_error": "skip"}, {"encoding_errors": "surrogateescape", "on_error": "skip"}):
        try:
            for sentence in BracketsReader(**options).sentences(str(path)):
                assert all(0 <= e.start < e.end <= len(sentence.text) for e in sentence.entities)
        except DataError as error:
            assert str(path) in str(error)
