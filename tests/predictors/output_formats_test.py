"""The layouts of predictions."""

import io
import json
import logging
from collections.abc import Sequence
from typing import Any

import pytest
from generated_sentences import sentences
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.brackets import from_brackets
from ner_plugins.dataset_readers.columns.conll import ConllReader
from ner_plugins.entities import Entity, Sentence, resolve_overlaps
from ner_plugins.predictors import output_formats
from ner_plugins.predictors.output_formats import OUTPUT_FORMATS
from ner_plugins.tag_schemes import tags_to_spans


def characters(text: str) -> list[tuple[int, int]]:
    return [(place, place + 1) for place in range(len(text))]


def words(text: str) -> list[tuple[int, int]]:
    assert text == "Kim lives in Seoul ."
    return [(0, 3), (4, 9), (10, 12), (13, 18), (19, 20)]


def prediction(text: str, entities: Sequence[Entity]) -> dict[str, Any]:
    found = [{**entity.to_json(), "text": text[entity.start : entity.end], "score": 0.5} for entity in entities]
    return {"id": 7, "text": text, "entities": found}


SEOUL = prediction("Kim lives in Seoul .", [Entity(0, 3, "PER"), Entity(10, 18, "LOC")])


def test_a_sentence_in_each_format() -> None:
    lines = {name: make(words)(SEOUL) for name, make in OUTPUT_FORMATS.items()}
    assert json.loads(lines.pop("entities")) == SEOUL
    assert json.loads(lines.pop("cluener"))["label"] == {"PER": {"Kim": [[0, 2]]}, "LOC": {"in Seoul": [[10, 17]]}}
    assert lines == {
        "brackets": "<Kim:PER> lives <in Seoul:LOC> .",
        "bio": "B-PER O B-LOC I-LOC O",
        "bioes": "S-PER O B-LOC E-LOC O",
        "conll": "Kim\tB-PER\nlives\tO\nin\tB-LOC\nSeoul\tI-LOC\n.\tO\n",
    }


@given(sentences())
def test_brackets_are_read_back(sentence: Sentence) -> None:
    entities = sentence.entities or ()
    line = OUTPUT_FORMATS["brackets"](characters)(prediction(sentence.text, entities))
    crossing = any(one.crosses(other) for one in entities for other in entities)
    expected = resolve_overlaps(entities) if crossing else sorted(set(entities))
    text, found = from_brackets(line)
    assert (text, sorted(found)) == (sentence.text, expected)


@given(sentences(types=["PER", "ORG.NAM"]), st.sampled_from([("bio", "BIO"), ("bioes", "BIOES")]))
def test_tags_are_read_back(sentence: Sentence, form: tuple[str, str]) -> None:
    line = OUTPUT_FORMATS[form[0]](characters)(prediction(sentence.text, sentence.entities or ()))
    assert "\n" not in line
    tags = line.split()
    assert len(tags) == len(sentence.text)
    spans = [(e.start, e.end, e.type) for e in resolve_overlaps(sentence.entities or ())]
    assert tags_to_spans(tags, form[1], "strict") == spans


@given(st.lists(sentences(types=["PER", "ORG.NAM"], nested=False), min_size=1))
def test_columns_are_a_token_and_a_tag_on_each_line(those: list[Sentence]) -> None:
    form = OUTPUT_FORMATS["conll"](characters)
    written = "".join(form(prediction(one.text, one.entities or ())) + "\n" for one in those)
    stream = io.BytesIO(written.encode())  # no surrogate is left
    blocks = stream.getvalue().decode().split("\n\n")
    assert len(written.split("\n")) == sum(len(one.text) + 1 for one in those) + 1
    assert len(blocks) <= len(those) + 1
    for line in written.split("\n"):
        assert line == "" or (line.count("\t") == 1 and line[1] == "\t")


def test_the_columns_of_ordinary_text_are_read_by_the_reader(tmp_path) -> None:
    form = OUTPUT_FORMATS["conll"](characters)
    those = [Sentence("刘晓燕去了北京", [Entity(0, 3, "name"), Entity(5, 7, "address")]), Sentence("今天好", [])]
    lines = "".join(form(prediction(one.text, one.entities or ())) + "\n" for one in those)
    (tmp_path / "out.txt").write_text(lines, encoding="utf-8")
    found = list(ConllReader().sentences(str(tmp_path / "out.txt")))
    assert [(one.text, list(one.entities or ())) for one in found] == [(one.text, one.entities) for one in those]


def test_what_is_left_out_is_mentioned_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(output_formats, "_mentioned", set())
    nested = prediction("东京塔", [Entity(0, 3, "FAC"), Entity(0, 2, "LOC")])
    form = OUTPUT_FORMATS["bio"](characters)
    with caplog.at_level(logging.WARNING):
        assert [form(nested), form(nested)] == ["B-FAC I-FAC I-FAC"] * 2
        assert OUTPUT_FORMATS["brackets"](characters)(nested) == "<<东京:LOC>塔:FAC>"
    assert len([record for record in caplog.records if "overlap" in record.getMessage()]) == 1
