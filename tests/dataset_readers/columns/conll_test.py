"""The column reader: what it tells from a file, what it does with bad lines."""

import gzip
import itertools
import logging
import tarfile
import zipfile
from pathlib import Path

import pytest
from allennlp.common import Params
from allennlp.data import DatasetReader
from fuzzing.outcomes import within
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ner_plugins.dataset_readers.columns.conll import ConllReader
from ner_plugins.dataset_readers.columns.parser import merge_documents
from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import ConfigError, DataError, NerError
from ner_plugins.tag_schemes import SCHEMES, spans_to_tags

FIXTURES = Path(__file__).parents[3] / "fixtures"


def read(tmp_path, content, **options):
    path = tmp_path / "data.txt"
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    reader = ConllReader(**options)
    return reader, [(s.text, s.entities) for s in reader.sentences(str(path))]


LAYOUTS = {
    "tab": "东\tB-LOC\n京\tI-LOC\n\n好\tO\n",
    "space": "东 B-LOC\n京 I-LOC\n\n好 O\n",
    "aligned": "东   B-LOC\n京   I-LOC\n\n好   O\n",
    "mixed white space": "东 \t B-LOC\n京 \t I-LOC\n\n好 \t  O\n",
    "CRLF": "东\tB-LOC\r\n京\tI-LOC\r\n\r\n好\tO\r\n",
    "BOM, no last LF": "\ufeff东\tB-LOC\n京\tI-LOC\n\n好\tO",
    "many blank lines": "\n \n东\tB-LOC\n京\tI-LOC\n\u3000\n\n\n好\tO\n\n\n",
    "four columns": "东 NR x B-LOC\n京 NR x I-LOC\n\n好 AD x O\n",
    "numbered": "1\t东\tB-LOC\n2\t京\tI-LOC\n\n1\t好\tO\n",
    "numbered from 0": "0 东 B_LOC\n1 京 I_LOC\n\n0 好 O\n",
    "IOB1": "东\tI-LOC\n京\tI-LOC\n\n好\tO\n",
    "BMES": "东\tB-LOC\n京\tE-LOC\n\n好\tO\n",
    "BIOUL": "东\tB-LOC\n京\tL-LOC\n\n好\tO\n",
    "blank after a tag": "东 B-LOC \n京 I-LOC\n\n好 O  \n",
    "blanks after all tags": "东 B-LOC \n京 I-LOC \n\n好 O \n",
    "tab and a blank after a tag": "东\tB-LOC \n京\tI-LOC\n\n好\tO\u3000\n",
    "tabs after all tags": "东\tB-LOC\t\n京\tI-LOC\t\n\n好\tO\t\n",
    "comments": "# id 1\n东\tB-LOC\n京\tI-LOC\n\n# id 2\tdomain\n# more\n好\tO\n",
    "documents": "-DOCSTART- O\n\n东 B-LOC\n京 I-LOC\n\n-DOCSTART- O\n好 O\n",
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_are_told_from_the_file(tmp_path, name):
    reader, found = read(tmp_path, LAYOUTS[name], illegal_tags="strict")
    assert found == [("东京", (Entity(0, 2, "LOC"),)), ("好", ())]
    assert reader.counts["tokens"] == 3


def test_blanks_after_tags_in_a_large_file(tmp_path):
    sentence = "东 B-LOC\n京 I-LOC\n\n好 O\n\n"
    plain = sentence * 20_000
    for separator in " \t":
        written = plain.replace(" ", separator)
        padded = f"东{separator}B-LOC\n京{separator}I-LOC \n\n"
        _, found = read(tmp_path, written + padded + written, illegal_tags="strict")
        assert len(found) == 80_001 and set(found) == {("东京", (Entity(0, 2, "LOC"),)), ("好", ())}


def test_a_token_of_a_mark_or_a_blank_stays(tmp_path):
    assert [text for text, _ in read(tmp_path, "\ufeffa\tO\n\ufeff\tO\n \tB-X\n")[1]] == ["a\ufeff "]
    tags_first = read(tmp_path, "O\ta\nB-X\t \n", tag_columns=[0], token_column=1)[1]
    assert tags_first == [("a ", (Entity(1, 2, "X"),))]


BARE = "东 B\n京 I\n去 O\n\n好 O\n南 B\n"


def test_tags_without_a_type(tmp_path):
    _, found = read(tmp_path, BARE, bare_type="LOC", illegal_tags="strict")
    assert found == [("东京去", (Entity(0, 2, "LOC"),)), ("好南", (Entity(1, 2, "LOC"),))]
    mixed = "B\tB\tx\nI\tB-LOC\ty\n"
    assert read(tmp_path, mixed, bare_type="T", tag_columns=[1], token_column=0)[1] == [
        ("BI", (Entity(0, 1, "T"), Entity(1, 2, "LOC")))
    ]


def test_what_was_told_is_logged(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        read(tmp_path, "Rain\tI-NP\tO\nin\tI-PP\tO\nAnsel\tI-NP\tI-LOC\n")
    assert "columns 1, 2 all look like tags; the last is read" in caplog.text
    assert "tag scheme IOB1 (letters I)" in caplog.text
    assert r"columns 3, token_column 0, tag_columns (2,), separator '\t', join ' '" in caplog.text


@pytest.mark.parametrize(
    ("tokens", "join"),
    [
        (["a", "b"], ""),
        (["上海", "的", "雨"], ""),
        (["東京", "タワー"], ""),
        (["Port", "Ansel"], " "),
        (["서울", "에"], " "),
        (["上海", "ABCDE"], " "),
        (["1", "2", "."], ""),
    ],
)
def test_how_tokens_join(tmp_path, tokens, join):
    content = "".join(f"{token}\tB-X\n" for token in tokens)
    _, [(text, entities)] = read(tmp_path, content)
    assert text == join.join(tokens)
    assert [text[e.start : e.end] for e in entities] == tokens
    assert read(tmp_path, content, join="_")[1][0][0] == "_".join(tokens)


def test_tokens_that_are_the_separator(tmp_path):
    assert read(tmp_path, "a B-X\n  I-X\nb I-X\n")[1] == [("a b", (Entity(0, 3, "X"),))]
    assert read(tmp_path, "a\tB-X\n\t\tI-X\nb\tO\n")[1] == [("a\tb", (Entity(0, 2, "X"),))]
    assert read(tmp_path, "a\tO\n \tO\n\u3000\tB-X\n")[1] == [("a \u3000", (Entity(2, 3, "X"),))]
    assert read(tmp_path, "a\tO\n\u2028\tO\n\x85\tO\n")[1] == [("a\u2028\x85", ())]


def test_several_layers_are_united(tmp_path):
    content = "a B-X B-Y\nb I-X O\nc O B-X\nd B-Z B-Z\n"
    expected = (Entity(0, 2, "X"), Entity(0, 1, "Y"), Entity(2, 3, "X"), Entity(3, 4, "Z"))
    assert read(tmp_path, content, tag_columns=[1, 2])[1] == [("abcd", expected)]
    assert read(tmp_path, content, tag_columns=[-2, -1])[1] == [("abcd", expected)]
    assert read(tmp_path, content)[1] == [("abcd", (Entity(0, 1, "Y"), Entity(2, 3, "X"), Entity(3, 4, "Z")))]


def test_unlabelled_files(tmp_path):
    assert read(tmp_path, "a\nb\n\nc\n")[1] == [("ab", None), ("c", None)]
    assert read(tmp_path, "Rain NN\nfell VB\n", tag_columns=[])[1] == [("Rain fell", None)]
    with pytest.raises(DataError, match=r"no column of tags such as O and B-PER in lines like 'Rain NN'.*tag_columns"):
        read(tmp_path, "Rain NN\nfell VB\n")


ILLEGAL = "a I-X\nb O\nc B-X\nd I-Y\n\ne I-Z\nf I-Z\ng B-Z\n"


def test_rules_for_illegal_tags(tmp_path, caplog):
    reader, found = read(tmp_path, ILLEGAL, scheme="BIO")
    assert found[0][1] == (Entity(0, 1, "X"), Entity(2, 3, "X"), Entity(3, 4, "Y")) and len(found[1][1]) == 2
    assert (reader.counts["repaired"], reader.counts["dropped"]) == (3, 0)
    assert "3 entities had illegal tags and were repaired" in caplog.text
    reader, found = read(tmp_path, ILLEGAL, scheme="BIO", illegal_tags="drop")
    assert [entities for _, entities in found] == [(Entity(2, 3, "X"),), (Entity(2, 3, "Z"),)]
    assert (reader.counts["repaired"], reader.counts["dropped"]) == (0, 3)
    with pytest.raises(DataError, match=r"txt:1: I-X after the start of a sentence is not allowed in BIO\. Correct"):
        read(tmp_path, ILLEGAL, scheme="BIO", illegal_tags="strict")


def test_listener_hears_of_every_illegal_entity_with_its_line(tmp_path):
    path = tmp_path / "data.txt"
    path.write_text(ILLEGAL + "\nx O\n", encoding="utf-8")
    reader = ConllReader(scheme="BIO")
    heard = []
    reader.listener = heard.append
    assert len(list(reader.sentences(str(path)))) == 3
    assert [error.line for error in heard] == [1, 4, 6] and all(error.path == str(path) for error in heard)
    reader = ConllReader(scheme="BIO", illegal_tags="strict", on_error="skip")
    assert [s.text for s in reader.sentences(str(path))] == ["x"] and reader.counts["skipped"] == 2


def test_a_letter_that_comes_late_widens_the_scheme(tmp_path, caplog):
    start = "a B-X\nb E-X\n\n" * 12000  # longer than what the layout is told from
    with caplog.at_level(logging.INFO):
        reader, found = read(tmp_path, start + "a B-X\nb M-X\nc E-X\n")
    assert found[-1] == ("abc", (Entity(0, 3, "X"),)) and reader.counts["repaired"] == 0
    assert "tag scheme BIOES" in caplog.text and "tag scheme BMES, because the letter M occurs too" in caplog.text
    reader, _ = read(tmp_path, start + "a B-X\nb M-X\nc E-X\n", scheme="BIOES")
    assert reader.counts["repaired"] == 1


BAD_LINES = {
    "one column": ("a\tO\nb\nc\tO\n", r":2: 1 columns in 'b' \(expected 2\)"),
    "three columns": ("a\tO\nb\tx\tO\nc\tO\n", r":2: 3 columns in 'b\\tx\\tO' \(expected 2\)"),
    "no token": ("a\tO\nc\tO\n\tO\n", r":3: no token in '\\tO'"),
    "no tag": ("a\tO\nc\tO\n" * 30 + "c\tX\n", r":61: 'X' is not a tag such as O or B-PER"),
    "bare tag": ("a\tO\nc\tO\n" * 30 + "c\tB\n", r":61: 'B' is not a tag"),
    "mixed schemes": ("a\tB-X\nb\tI-X\n\nc\tB-X\nd\tM-X\n", r":5: 'M-X': no tag scheme has all of the letters B, I, M"),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_bad_lines_name_file_line_and_what_was_expected(tmp_path, name):
    content, message = BAD_LINES[name]
    with pytest.raises(DataError, match=message):
        read(tmp_path, content)


def test_skip_leaves_out_the_sentence_and_counts(tmp_path, caplog):
    reader, found = read(tmp_path, "a\tO\nb\n\nc\tO\n\nd\tX-Y\n\ne\tB-Y\n", on_error="skip", columns=2, tag_columns=[1])
    assert found == [("c", ()), ("e", (Entity(0, 1, "Y"),))]
    assert reader.counts["skipped"] == 2 and "2 of 4 records skipped" in caplog.text
    assert "data.txt:2: 1 columns" in caplog.text and "data.txt:6: 'X-Y' is not a tag" in caplog.text


def test_encoding_errors_name_byte_and_line(tmp_path):
    content = b"a\tO\n\xffb\tO\n\nc\tO\n"
    with pytest.raises(DataError, match=r"data.txt:2: 0xff is not UTF-8 \(byte 4 of the file, byte 0 of the line"):
        read(tmp_path, content)
    assert read(tmp_path, content, on_error="skip")[1] == [("c", ())]
    assert read(tmp_path, content, encoding_errors="replace", join="")[1] == [("a\ufffdb", ()), ("c", ())]
    assert read(tmp_path, content, encoding_errors="surrogateescape", join="")[1] == [("a\udcffb", ()), ("c", ())]
    assert read(tmp_path, "a O\n".encode("utf-16"))[1] == [("a", ())]


def test_a_document_as_one_text(tmp_path):
    content = "-DOCSTART- O\n\na B-X\nb I-X\n\nc B-X\n\n-DOCSTART- O\n\nd O\n"
    reader, found = read(tmp_path, content, document_level=True)
    assert found == [("ab\nc", [Entity(0, 2, "X"), Entity(3, 4, "X")]), ("d", [])]
    assert [s.id for s in reader.sentences(str(tmp_path / "data.txt"))] == [0, 1]
    _, found = read(tmp_path, content.replace("c B-X", "c"), document_level=True, on_error="skip")
    assert found == [("d", [])]


def test_a_long_document_takes_linear_time():
    """Copying the entities so far for each sentence takes a minute for this one."""
    with within(20):
        [document] = merge_documents([None, *[Sentence("a", [Entity(0, 1, "X")])] * 200_000])
    assert len(document.text) == 399_999 and len(document.entities) == 200_000
    assert document.entities[-1] == Entity(399_998, 399_999, "X")


def test_the_first_error_of_a_document_comes_at_once():
    def records():
        yield Sentence("a", [])
        yield DataError("bad")
        raise AssertionError("read on")

    [error] = itertools.islice(merge_documents(records()), 1)
    assert error.problem == "bad"


def test_a_document_of_which_hardly_anything_can_be_read():
    records = [Sentence("a", []), *[DataError("no token", path="data.txt", line=7)] * 20_000]
    documents = merge_documents(records)
    assert next(documents).problem == "no token"
    with pytest.raises(DataError, match=r"data.txt:7: 10,001 of the 10,002 sentences .* the last one: no token"):
        next(documents)


def test_bad_sentences_of_several_documents_are_not_added():
    records = [None, Sentence("a", []), *[DataError("bad")] * 9_000] * 3
    assert [type(record) for record in merge_documents(records)] == [DataError] * 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": 0}, "columns is 0, but must be at least 1"),
        ({"columns": 2, "token_column": 2}, "token_column names 2, but there are 2 columns"),
        ({"columns": 2, "tag_columns": [-3]}, "tag_columns names -3"),
        ({"scheme": "BIX"}, "unknown tag scheme 'BIX'"),
        ({"illegal_tags": "fix"}, 'illegal_tags is "fix"; it can be repair, strict or drop'),
        ({"bare_type": ""}, "bare_type is '', but must be the name of a type"),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(ConfigError, match=message):
        DatasetReader.from_params(Params({"type": "conll_ner", **options}))


@pytest.mark.parametrize("options", [{"token_column": 5}, {"tag_columns": [4]}, {"tag_columns": [-4]}])
def test_columns_that_the_file_lacks(tmp_path, options):
    with pytest.raises(DataError, match=r"data.txt: .*column"):
        read(tmp_path, "a O\nb O\n", **options)


def test_wrappings_give_the_same_sentences(tmp_path):
    folder = FIXTURES / "conll_ner"
    data = (folder / "train.txt").read_bytes()
    (tmp_path / "train.conll.gz").write_bytes(gzip.compress(data))
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.writestr("x/train.txt", data)
    with tarfile.open(tmp_path / "c.tar.gz", "w:gz") as tar:
        tar.add(folder, "korean")
    expected = [(s.text, s.entities) for s in ConllReader().sentences(f"{folder}#train")]
    assert expected[0] == ("동백시의 한나래", (Entity(0, 3, "LC"), Entity(5, 8, "PS")))
    for path in (f"{tmp_path}#train", f"{tmp_path}/c.zip#train", f"{tmp_path}/c.tar.gz!korean/train.txt"):
        assert [(s.text, s.entities) for s in ConllReader().sentences(path)] == expected, path


def test_from_a_config():
    params = Params({"type": "conll_ner", "tag_columns": [-1], "scheme": "iob2", "rename_types": {"LC": "LOC"}})
    reader = DatasetReader.from_params(params)
    instances = list(reader.read(f"{FIXTURES}/conll_ner#train"))
    assert [e["type"] for e in instances[0]["metadata"].metadata["entities"]] == ["LOC", "PS"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(st.text("东京ab가#-é𝄞", min_size=1, max_size=3), min_size=1, max_size=6), min_size=1),
    st.sampled_from(SCHEMES),
    st.sampled_from(["\t", " "]),
    st.data(),
)
def test_written_columns_come_back(tmp_path, sentences, scheme, separator, data):
    expected, lines = [], []
    for tokens in sentences:
        start = data.draw(st.integers(0, len(tokens) - 1))
        end = data.draw(st.integers(start + 1, len(tokens)))
        tags = spans_to_tags([(start, end, "X.Y")], len(tokens), scheme)
        lines += [f"{token}{separator}{tag}\n" for token, tag in zip(tokens, tags, strict=True)] + ["\n"]
        before = sum(len(token) + 1 for token in tokens[:start])
        expected.append(("|".join(tokens), before, "|".join(tokens[start:end])))
    _, found = read(tmp_path, "".join(lines), join="|", illegal_tags="strict", comment="", scheme=scheme)
    assert [(text, e.start, text[e.start : e.end]) for text, [e] in found] == expected


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.text("aB-IO X\t\n\r#1\u2028", max_size=80), st.booleans())
def test_any_bytes_raise_nothing_but_our_errors(tmp_path, content, skip):
    try:
        read(tmp_path, content, on_error="skip" if skip else "raise")
    except NerError as error:
        assert "data.txt" in str(error)
