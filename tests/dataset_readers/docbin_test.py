import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.data_tools.formats.writer import write_corpus
from ner_plugins.dataset_readers.docbin import SpacyReader
from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import ConfigError, DataError

Sentences = list[tuple[str, Any]]


@pytest.fixture
def spacy() -> Any:
    pytest.importorskip("spacy.vocab")
    return pytest.importorskip("spacy")


def test_without_spacy_the_remedy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy.vocab", None)
    path = tmp_path / "a.spacy"
    path.write_bytes(b"x")
    reader = SpacyReader()  # which may be one of several that are looked through
    with pytest.raises(ConfigError, match="pip install spacy"):
        list(reader.sentences(str(path)))
    with pytest.raises(ConfigError, match="pip install spacy"):
        write_corpus([Sentence("a", ())], tmp_path / "b.spacy")
    assert [p.name for p in tmp_path.iterdir()] == ["a.spacy"]


def save(spacy: Any, path: Path, *docs: Any, **options: Any) -> Path:
    spacy.tokens.DocBin(docs=docs, **options).to_disk(path)
    return path


def read(path: Path, **options: Any) -> Sentences:
    return [(s.text, s.entities) for s in SpacyReader(**options).sentences(str(path))]


def test_documents_as_spacy_makes_them(spacy: Any, tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    nested = nlp("Anna Weiss of Graz  University\t")
    nested.spans["sc"] = [nested.char_span(14, 18, "LOC"), nested.char_span(14, 30, "ORG")]
    nested.spans["other"] = [nested.char_span(0, 4, "GIVEN")]
    nested.set_ents([nested.char_span(0, 10, "PER")])
    nested.user_data["id"] = "n1"
    path = save(spacy, tmp_path / "train.spacy", nested, store_user_data=True)
    person, place, school = Entity(0, 10, "PER"), Entity(14, 18, "LOC"), Entity(14, 30, "ORG")
    (sentence,) = SpacyReader().sentences(f"{tmp_path}#train")
    assert sentence == Sentence(nested.text, (person, place, school), "n1", f"{tmp_path}/train.spacy:1")
    assert read(path, spans_key=None) == [(nested.text, (person,))]
    assert read(path, spans_key="other") == [(nested.text, (person, Entity(0, 4, "GIVEN")))]


def test_gold_and_none(spacy: Any, tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    labelled, spans, empty = nlp("a b"), nlp("a b"), nlp("")
    labelled.set_ents([])
    spans.spans["sc"] = [spans[0:1]]
    with pytest.raises(DataError, match=r"a\.spacy:1: the entity \(0, 1\) with the label ''"):
        read(save(spacy, tmp_path / "a.spacy", spans))
    spans.spans["sc"] = [spacy.tokens.Span(spans, 0, 1, label="T")]
    path = save(spacy, tmp_path / "a.spacy", labelled, spans, empty)
    assert read(path) == [("a b", ()), ("a b", (Entity(0, 1, "T"),)), ("", ())]
    assert read(save(spacy, tmp_path / "b.spacy", nlp("a b"))) == [("a b", None)]


def test_what_spacy_reads_of_ours(spacy: Any, tmp_path: Path) -> None:
    text = "《望月湖的冬天》 是\t白塔书局"
    flat, inner, outer = Entity(11, 15, "company"), Entity(1, 4, "scene"), Entity(0, 8, "book")
    made = [Sentence(text, (flat,), 5), Sentence(text, (inner, outer, flat)), Sentence(text, ())]
    write_corpus(made, tmp_path / "a.spacy")
    docs = list(spacy.tokens.DocBin().from_disk(tmp_path / "a.spacy").get_docs(spacy.blank("zh").vocab))
    assert [doc.text for doc in docs] == [text] * 3 and [token.text for token in docs[0]] == list(text)
    spans = [[(e.start_char, e.end_char, e.label_) for e in doc.ents] for doc in docs]
    assert spans == [[(11, 15, "company")], [(0, 8, "book"), (11, 15, "company")], []]
    nested = {(span.start_char, span.end_char, span.label_) for span in docs[1].spans["sc"]}
    assert nested == {(11, 15, "company"), (1, 4, "scene"), (0, 8, "book")}
    assert [list(doc.spans) for doc in docs] == [[], ["sc"], []] and docs[0].user_data["id"] == 5
    assert all(doc.has_annotation("ENT_IOB") for doc in docs)


def test_words_are_tokens_with_their_spaces(spacy: Any, tmp_path: Path) -> None:
    write_corpus([Sentence("in New York", (Entity(3, 11, "LOC"),))], tmp_path / "a.spacy", tokens="words")
    (doc,) = spacy.tokens.DocBin().from_disk(tmp_path / "a.spacy").get_docs(spacy.blank("en").vocab)
    assert [token.text_with_ws for token in doc] == ["in ", "New ", "York"] and doc.ents[0].text == "New York"


@pytest.mark.parametrize(
    "sentence, message",
    [
        (Sentence("a\ud800", ()), "the lone surrogate"),
        (Sentence("", None), "an empty text without gold"),
        (Sentence("a", (), 2**70), "exceeds 64 bits"),
    ],
)
def test_what_a_docbin_cannot_hold(spacy: Any, tmp_path: Path, sentence: Sentence, message: str) -> None:
    with pytest.raises(DataError, match=message):
        write_corpus([sentence], tmp_path / "a.spacy")


@pytest.mark.parametrize("data", [b"", b"abc", zlib.compress(b"abc"), zlib.compress(b"\x80"), zlib.compress(b"\xc1")])
def test_no_docbin(spacy: Any, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.spacy").write_bytes(data)
    with pytest.raises(DataError, match=r"a\.spacy: document 1 cannot be read"):
        read(tmp_path / "a.spacy")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_files_raise_data_errors_only(good_file: Path, data: Any) -> None:
    plain = zlib.decompress((good_file / "good.spacy").read_bytes())
    blob = bytearray(plain)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(blob) - 1))
        blob[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path = good_file / "bad.spacy"
    path.write_bytes(zlib.compress(bytes(blob)))
    try:
        read(path)
    except DataError as error:
        assert str(path) in str(error)


@pytest.fixture(scope="module")
def good_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("spacy.vocab")
    folder = tmp_path_factory.mktemp("docbin")
    nested = Sentence("ab c", (Entity(0, 2, "T"), Entity(0, 1, "U")), 4)
    write_corpus([nested, Sentence("d", ())], folder / "good.spacy")
    return folder
