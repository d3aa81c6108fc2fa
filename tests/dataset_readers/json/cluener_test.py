import copy
import gzip
import json
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.dataset_readers import CluenerReader
from ner_plugins.dataset_readers.json.cluener import parse_record
from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import DataError

FIXTURES = Path(__file__).parents[3] / "fixtures" / "cluener"
GOOD = {"text": "青禾银行的林晓彤", "label": {"company": {"青禾银行": [[0, 3]]}, "name": {"林晓彤": [[5, 7]]}}}


@pytest.fixture
def reader():
    return CluenerReader()


def surfaces(sentence):
    return [(sentence.text[e.start : e.end], e.type) for e in sentence.entities]


def test_fixture_train(reader):
    sentences = list(reader.sentences(f"{FIXTURES}#train"))
    assert len(sentences) == 8 and sum(len(s.entities) for s in sentences) == 17
    assert sentences[0].source == f"{FIXTURES}/train.json:1" and sentences[0].id is None
    # A surface that occurs again without a label is not labelled.
    assert sentences[0].entities == (Entity(0, 4, "company"), Entity(5, 8, "name"))
    # Nested
    assert surfaces(sentences[1]) == [
        ("《云杉影业与白塔书局的十年》", "book"), ("云杉影业", "company"), ("白塔书局", "company"),
    ]  # fmt: skip
    # Adjacent
    assert [(e.start, e.end) for e in sentences[2].entities] == [(0, 3), (3, 6), (6, 8), (8, 11)]
    # Characters beyond the basic plane, joiners, combining marks
    assert surfaces(sentences[3]) == [("阿宝", "name"), ("《雾港来信》", "movie"), ("Star Forge 2", "game")]
    assert sentences[4].entities == ()
    assert [(e.start, e.end) for e in sentences[5].entities] == [(0, 3), (11, 14), (7, 10)]
    assert surfaces(sentences[7]) == [("Cafe\u0301 Noir", "company")]


def test_fixture_test_is_unlabelled(reader):
    sentences = list(reader.sentences(f"{FIXTURES}#test"))
    assert [(s.id, s.entities) for s in sentences] == [(0, None), (1, None), (2, None)]


def variants(folder):
    """The training file in other wrappings."""
    data = (FIXTURES / "train.json").read_bytes()
    (folder / "bom_crlf.json").write_bytes(b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"))
    (folder / "no_end.json").write_bytes(data.rstrip(b"\n"))
    (folder / "blank.json").write_bytes(b"\n \n" + data.replace(b"\n", b"\n\n\t\n"))
    (folder / "train.json.gz").write_bytes(gzip.compress(data))
    with zipfile.ZipFile(folder / "c.zip", "w") as archive:
        archive.writestr("cluener/train.json", data)
    with tarfile.open(folder / "c.tar.gz", "w:gz") as tar:
        tar.add(FIXTURES, "cluener")
    names = ("bom_crlf.json", "no_end.json", "blank.json", "train.json.gz", "c.zip#train", "c.tar.gz!cluener#train")
    return [f"{folder}/{name}" for name in names]


def test_wrappings_give_the_same_sentences(reader, tmp_path):
    expected = [(s.text, s.entities, s.id) for s in reader.sentences(f"{FIXTURES}/train.json")]
    for path in [*variants(tmp_path), f"{tmp_path}#train"]:
        assert [(s.text, s.entities, s.id) for s in reader.sentences(path)] == expected, path


def changed(path, value):
    """`GOOD` with one thing replaced; `path` are the keys to it."""
    record = copy.deepcopy(GOOD)
    place = record
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(record, ensure_ascii=False)


SPAN = ("label", "company", "青禾银行")
BAD = {
    "invalid JSON": ("{text: 1}", "no valid JSON at character 1"),
    "two values": ("{} {}", "Extra data"),
    "truncated": (json.dumps(GOOD)[:-9], "ends in the middle.*truncated"),
    "truncated in a string": (json.dumps(GOOD)[:13], "ends in the middle.*truncated"),
    "endless nesting": ("[" * 100_000, "cannot be read"),
    "endless number": ("1" * 10_000, "cannot be read"),
    "array": ("[1]", "a JSON array .expected an object"),
    "null": ("null", "a JSON null"),
    "no text": ('{"label": {}, "txt": "a"}', r"no \"text\" among the keys \['label', 'txt'\]"),
    "text not a string": (changed(["text"], 5), '"text" is a JSON number'),
    "text null": (changed(["text"], None), '"text" is a JSON null'),
    "id a list": (changed(["id"], [1]), '"id" is a JSON array'),
    "id a boolean": (changed(["id"], True), '"id" is a JSON boolean'),
    "label a list": (changed(["label"], []), '"label" is a JSON array.*expected.*SURFACE'),
    "type's value a list": (changed(["label", "company"], [[0, 3]]), "under 'company' a JSON array"),
    "surface's value a number": (changed(SPAN, 1), "under 'company', '青禾银行' a JSON number"),
    "flat offsets": (changed(SPAN, [0, 3]), r"has the offsets 0 \(expected \[START, END\], two"),
    "one offset": (changed(SPAN, [[0]]), r"has the offsets \[0\]"),
    "boolean offsets": (changed(SPAN, [[False, 3]]), r"has the offsets \[False, 3\]"),
    "float offsets": (changed(SPAN, [[0.0, 3]]), r"has the offsets \[0\.0, 3\]"),
    "string offsets": (changed(SPAN, [["0", "3"]]), "has the offsets"),
    "negative": (changed(SPAN, [[-8, -5]]), r"offsets \[-8, -5\] \(expected 0 <= START"),
    "end before start": (changed(SPAN, [[3, 0]]), r"offsets \[3, 0\]"),
    "past the end": (changed(SPAN, [[0, 8]]), r"ends at 8, past the text \(expected an end of at most 7\)"),
    "surface mismatch": (changed(SPAN, [[1, 4]]), r"the text at \[1, 4\] is '禾银行的'.*It occurs at \[0, 3\]"),
    "surface not there": (changed(["label", "company"], {"白塔": [[0, 1]]}), "does not contain it"),
    "exclusive end": (changed(SPAN, [[0, 4]]), "exclusive.*subtract 1"),
    "exclusive end at the end": (changed(["label", "name"], {"林晓彤": [[5, 8]]}), "past the text.*subtract 1"),
    "far past the end": (changed(SPAN, [[0, 10**4000]]), r"ends at 10+\.\.\., past the text"),
    "far before the start": (changed(SPAN, [[-(10**4000), 3]]), r"has the offsets \[-10+\.\.\. \(expected 0 <="),
    "empty type": (changed(["label", ""], {"林晓彤": [[5, 7]]}), '"label" has an empty type.*Name the type'),
    "empty surface": (changed(["label", "name"], {"": [[5, 4]]}), "expected 0 <= START"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_records(reader, tmp_path, name):
    line, message = BAD[name]
    path = tmp_path / "f.json"
    path.write_text(json.dumps(GOOD) + "\n" + line + "\n" + json.dumps(GOOD))
    with pytest.raises(DataError, match=message) as caught:
        list(reader.sentences(str(path)))
    error = caught.value
    assert str(error).startswith(f"{path}:2: ") and error.expected and error.remedy
    assert len(str(error)) < 600 + len(str(path))
    skipping = CluenerReader(on_error="skip")
    assert [s.source[-2:] for s in skipping.sentences(str(path))] == [":1", ":3"]
    assert skipping.counts["skipped"] == 1


def test_harmless_oddities():
    label = '{"T": {"a": [[0, 0], [0, 0]], "b": []}, "U": {"a": [[0, 0]]}}'
    line = f'{{"text": "x", "text": "ab", "label": {label}, "id": "7"}}'
    assert parse_record(line, "f", 3) == Sentence("ab", (Entity(0, 1, "T"), Entity(0, 1, "U")), "7", "f:3")
    assert parse_record('{"text": "", "label": null, "id": null}', "f", 1) == Sentence("", None, None, "f:1")


def test_lone_surrogates_are_read():
    line = r'{"text": "a\ud800b", "label": {"T": {"\ud800b": [[1, 2]]}}}'
    assert parse_record(line, "f", 1) == Sentence("a\ud800b", (Entity(1, 3, "T"),), None, "f:1")


@settings(max_examples=200)
@given(data=st.data())
def test_mutated_files_raise_data_errors_only(tmp_path_factory, data):
    blob = bytearray((FIXTURES / "train.json").read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(blob) - 1))
        blob[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    path = tmp_path_factory.getbasetemp() / "mutated.json"
    path.write_bytes(blob)
    for options in ({}, {"on_error": "skip"}, {"encoding_errors": "surrogateescape", "on_error": "skip"}):
        try:
            for sentence in CluenerReader(**options).sentences(str(path)):
                assert all(0 <= e.start < e.end <= len(sentence.text) for e in sentence.entities or ())
        except DataError as error:
            assert str(path) in str(error)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                    lambda inner: st.lists(inner) | st.dictionaries(
                        st.sampled_from(["text", "label", "id", "a"]) | st.text(), inner)))  # fmt: skip
def test_any_json_is_a_sentence_or_a_data_error(value):
    try:
        assert isinstance(parse_record(json.dumps(value), "f", 1), Sentence)
    except DataError as error:
        assert error.line == 1


TYPES = ("address", "book", "company", "game", "government", "movie", "name", "organization", "position", "scene")


@pytest.mark.data
@pytest.mark.parametrize(
    "split, sentences, counts",
    [
        ("train", 10748, (2891, 1139, 2980, 2376, 1835, 1123, 3755, 3210, 3141, 1521)),
        ("dev", 1343, (373, 154, 378, 295, 247, 151, 465, 367, 433, 209)),
        ("test", 1345, ()),
    ],
)
def test_real_counts(reader, shared_data, split, sentences, counts):
    read = list(reader.sentences(f"{shared_data / 'cluener2020'}#{split}"))
    assert len(read) == sentences
    assert Counter(e.type for s in read for e in s.entities or ()) == Counter(dict(zip(TYPES, counts, strict=False)))
    if split == "test":
        assert [s.id for s in read] == list(range(1345)) and all(s.entities is None for s in read)


@pytest.mark.data
@pytest.mark.parametrize("name", ["train.json.gz", "dev.json"])
def test_real_surfaces(reader, shared_data, name):
    path = shared_data / "cluener2020" / name
    data = path.read_bytes()
    lines = (gzip.decompress(data) if name.endswith(".gz") else data).decode().splitlines()
    for line, sentence in zip(lines, reader.sentences(str(path)), strict=True):
        label = json.loads(line)["label"]
        expected = [(s, t) for t, found in label.items() for s, spans in found.items() for _ in spans]
        assert surfaces(sentence) == expected


def test_labelled_and_unlabelled_lines_in_one_file_name_the_line(tmp_path: Path) -> None:
    path = tmp_path / "mixed.json"
    path.write_text('{"text": "a", "label": {}}\n{"text": "b"}\n')
    with pytest.raises(DataError, match=r"mixed\.json:2: no gold"):
        list(CluenerReader().sentences(str(path)))
