"""Neighbouring sentences of a document: which they are, and what is refused."""

import pickle
import re
from pathlib import Path
from typing import Any

import pytest
from allennlp.common import Params
from allennlp.data import DatasetReader
from tiny_encoders import make_encoder

from ner_plugins.dataset_readers import ConllReader
from ner_plugins.dataset_readers.json.cluener import CluenerReader
from ner_plugins.entities import Sentence
from ner_plugins.errors import ConfigError, DataError
from ner_plugins.token_indexers import TransformerIndexer

DOCUMENTS = [["ab c", "d", "e f", "g h a"], ["b"], ["c d", "e"]]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    lines = []
    for document in DOCUMENTS:
        lines += ["-DOCSTART- O", ""]
        for text in document:
            lines += [*(f"{word} {'B-PER' if word == 'd' else 'O'}" for word in text.split()), ""]
    path = tmp_path / "train.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def reader_of(encoder: str, kind: type[Any] = ConllReader, **options: Any) -> Any:
    return kind(token_indexers={"tokens": TransformerIndexer(encoder)}, **options)


@pytest.mark.parametrize("number", [1, 2, 9, "document"])
def test_neighbours_are_the_nearest_sentences_of_the_same_document(encoder: str, corpus: Path, number: Any) -> None:
    found = list(reader_of(encoder, context_sentences=number).sentences(str(corpus)))
    reach = 99 if number == "document" else number
    for document in DOCUMENTS:
        for place, text in enumerate(document):
            sentence = found.pop(0)
            assert sentence.text == text
            assert list(sentence.before) == document[:place][-reach:]
            assert list(sentence.after) == document[place + 1 :][:reach]
    assert not found


def test_a_file_may_be_a_document(encoder: str, tmp_path: Path) -> None:
    for name in ("a.train", "b.train"):
        (tmp_path / name).write_text(f"{name[0]} O\n\nd B-PER\n", encoding="utf-8")
    reader = reader_of(encoder, context_sentences=1, documents="file")
    found = [(one.text, list(one.before), list(one.after)) for one in reader.sentences(f"{tmp_path}#train")]
    assert found == [("a", [], ["d"]), ("d", ["a"], []), ("b", [], ["d"]), ("d", ["b"], [])]


def test_a_held_out_sentence_keeps_its_neighbours(encoder: str, corpus: Path) -> None:
    options: dict[str, Any] = {"context_sentences": 1, "dev_fraction": 0.5, "dev_seed": 3}
    whole = {one.text: one for one in reader_of(encoder, context_sentences=1).sentences(str(corpus))}
    reader = reader_of(encoder, **options)
    parts = [list(reader.sentences(f"{corpus}#{split}")) for split in ("train", "dev")]
    assert all(parts) and sum(map(len, parts)) == len(whole)
    for one in parts[0] + parts[1]:
        assert (one.before, one.after) == (whole[one.text].before, whole[one.text].after)


def test_unreadable_sentences_are_no_neighbours_and_tokens_are_counted_as_before(encoder: str, corpus: Path) -> None:
    corpus.write_text(corpus.read_text().replace("d B-PER", "d B-PER O O", 1))
    reader = reader_of(encoder, context_sentences=1, on_error="skip")
    counted = []
    for sentence in reader.sentences(str(corpus)):
        counted.append(reader.sentence_tokens)
        if sentence.text == "e f":
            assert sentence.before == ["ab c"]
    assert reader.counts["skipped"] == 1 and counted == [2, 2, 3, 1, 2, 1]
    with pytest.raises(DataError, match=r"4 columns"):
        list(reader_of(encoder, context_sentences=1).sentences(str(corpus)))


def test_instances_have_the_tokens_around_them_and_nothing_else_changes(encoder: str, corpus: Path) -> None:
    with_context = list(reader_of(encoder, context_sentences=1).read(str(corpus)))
    without = list(reader_of(encoder).read(str(corpus)))
    for one, other in zip(with_context, without, strict=True):
        assert one["tokens"].tokens == other["tokens"].tokens and one["entities"].entities == other["entities"].entities
        assert one["metadata"].metadata == other["metadata"].metadata
    context = pickle.loads(pickle.dumps(with_context[1]))["tokens"].context  # as a worker of a data loader sends it
    assert ["".join(token.text for token in side) for side in context] == ["ab c", "e f"]
    assert without[1]["tokens"].context is None


def test_no_more_tokens_than_the_encoder_reads(encoder: str) -> None:
    reader = reader_of(encoder, context_sentences="document", documents="file")
    before, after = ["abcdefghij" * 3, "xyz" * 7], ["0123" * 30]
    [instance] = reader.texts_to_instances([Sentence("中", before=before, after=after)], [""])
    limit = reader.token_indexers["tokens"].encoder_limit
    sides = ["".join(token.text for token in side) for side in instance["tokens"].context]
    assert limit == 40 and sides == ["".join(before)[-limit:], after[0][:limit]]


def test_texts_may_be_given_with_their_neighbours(encoder: str) -> None:
    reader = reader_of(encoder, CluenerReader, context_sentences=2, documents="file")
    given = Sentence("中国", before=["北", "京"], after=["海"])
    alone, around = reader.texts_to_instances(["中国", given], ["", ""])
    assert alone["tokens"].context == ([], [])
    assert [[token.text for token in side] for side in around["tokens"].context] == [["北", "京"], ["海"]]


def test_files_without_documents_are_refused(encoder: str, tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    path.write_text('{"text": "中国", "label": {}}\n', encoding="utf-8")
    reader = reader_of(encoder, CluenerReader, context_sentences=2)
    with pytest.raises(DataError, match=r'train\.json:1: .*does not mark.*set documents to "file"'):
        list(reader.sentences(str(path)))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"context_sentences": 0}, "context_sentences is 0, but must be a number from 1 on"),
        ({"context_sentences": 1, "document_level": True}, "has to be left out: with document_level"),
        ({"context_sentences": 1, "token_indexers": {"tokens": {"type": "single_id"}}}, "needs a pretrained encoder"),
        ({"context_sentences": "all"}, "context_sentences is 'all', but"),
        ({"context_sentences": 1, "documents": "none"}, "documents"),
    ],
)
def test_options_that_make_no_sense(encoder: str, options: dict[str, Any], problem: str) -> None:
    indexers = {"tokens": {"type": "ner_transformer", "model_name": encoder}}
    params = Params({"type": "conll_ner", "token_indexers": indexers, **options})
    with pytest.raises(ConfigError, match=re.escape(problem)):
        DatasetReader.from_params(params)


@pytest.mark.parametrize("value", [2, "document"])
def test_from_a_config(encoder: str, value: Any) -> None:
    indexers = {"tokens": {"type": "ner_transformer", "model_name": encoder}}
    params = {"type": "conll_ner", "token_indexers": indexers, "context_sentences": value, "documents": "file"}
    assert DatasetReader.from_params(Params(params)).neighbours is not None
