import gzip
import json
import logging
import pickle
import random
import re
from collections import Counter
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from allennlp.common import Params
from allennlp.data import Batch, DatasetReader, Vocabulary
from allennlp.data.data_loaders import MultiProcessDataLoader
from allennlp.data.dataset_readers import WorkerInfo
from allennlp.data.dataset_readers.dataset_reader import DistributedInfo
from allennlp.data.token_indexers import SingleIdTokenIndexer
from allennlp.data.tokenizers import LettersDigitsTokenizer, Token, WhitespaceTokenizer
from allennlp.nn.util import get_text_field_mask

from ner_plugins.dataset_readers import CluenerReader, ConllReader, NerDatasetReader
from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import ConfigError, DataError
from ner_plugins.tokenizers import NerCharacterTokenizer, NerTokenizer

FIXTURES = Path(__file__).parents[2] / "fixtures" / "cluener"


class Words(NerTokenizer):
    """Words of letters; everything else is in no token."""

    def tokenize(self, text):
        tokens, start = [], None
        for i, character in enumerate(text + " "):
            if character.isalnum() and start is None:
                start = i
            elif not character.isalnum() and start is not None:
                tokens.append(Token(text[start:i], start, i))
                start = None
        return tokens


class Blocks(NerDatasetReader):
    """Sentences of several lines, as the column formats have them; a line `!` makes a bad one."""

    split_files: ClassVar = {"train": ("*.train",)}

    def _parse(self, lines, path):
        block = []
        for number, line in lines:
            if line:
                block.append((number, line))
            elif block:
                yield self._sentence(block, path)
                block = []
        if block:
            yield self._sentence(block, path)

    def _sentence(self, block, path):
        for number, line in block:
            if line == "!":
                return DataError("bad", path=path, line=number)
        return Sentence("".join(line for _, line in block), source=f"{path}:{block[0][0]}")


def write(path, count, label=True):
    with path.open("w", encoding="utf-8") as file:
        for i in range(count):
            text = f"第{i}句"
            record = {"text": text, "label": {"number": {str(i): [[1, len(str(i))]]}}} if label else {"text": text}
            file.write(json.dumps(record) + "\n")
    return str(path)


def test_instance():
    entities = [Entity(0, 2, "LOC"), Entity(1, 2, "X")]
    instance = CluenerReader().text_to_instance("北京a", entities, id=7, source="f:1")
    assert [str(token) for token in instance["tokens"]] == ["北", "京", "a"]
    assert instance["entities"].entities == [(0, 2, "LOC"), (1, 2, "X")]
    assert instance["metadata"].metadata == {
        "text": "北京a",
        "entities": [{"start": 0, "end": 2, "type": "LOC"}, {"start": 1, "end": 2, "type": "X"}],
        "id": 7,
        "offsets": [(0, 1), (1, 2), (2, 3)],
        "source": "f:1",
    }
    assert instance["tokens"]._token_indexers is None


def test_unlabelled_and_without_entities():
    unlabelled, empty = CluenerReader().text_to_instance("a"), CluenerReader().text_to_instance("a", [])
    assert "entities" not in unlabelled.fields and unlabelled["metadata"]["entities"] is None
    assert empty["entities"].entities == [] and empty["metadata"]["entities"] == []


@pytest.mark.parametrize("texts", [[""], ["", "北京"], ["  ", "?!"]])
@pytest.mark.parametrize("tokenizer", [NerCharacterTokenizer(), Words()])
def test_texts_without_tokens_survive_batching(texts, tokenizer, tmp_path):
    reader = CluenerReader(tokenizer=tokenizer)
    instances = [reader.text_to_instance(text, []) for text in texts]
    for instance in instances:
        reader.apply_token_indexers(instance)
    batch = Batch(instances)
    vocab = Vocabulary.from_instances(instances)
    vocab.save_to_files(str(tmp_path / "vocabulary"))
    batch.index_instances(Vocabulary.from_files(str(tmp_path / "vocabulary")))
    tensors = batch.as_tensor_dict()
    mask = get_text_field_mask(tensors["tokens"])
    assert mask.any(dim=1).all()  # a place for each text
    for text, instance, row in zip(texts, instances, mask, strict=True):
        assert row.sum() == len(instance["metadata"]["offsets"])
        if not tokenizer.tokenize(text):
            assert instance["metadata"]["offsets"] == [(0, 0)]


def test_lone_surrogates_reach_the_vocabulary_files(tmp_path):
    reader = CluenerReader()
    instance = reader.text_to_instance("a\ud800b", [Entity(1, 2, "X")])
    reader.apply_token_indexers(instance)
    Vocabulary.from_instances([instance]).save_to_files(str(tmp_path / "vocabulary"))
    assert "\ufffd" in (tmp_path / "vocabulary" / "tokens.txt").read_text(encoding="utf-8")
    assert instance["metadata"]["text"] == "a\ud800b"


@pytest.mark.parametrize(
    "boundary, spans, counts",
    [
        ("expand", [(0, 1, "A"), (0, 2, "B"), (2, 3, "D")], {"moved": 2, "without_tokens": 1}),
        ("shrink", [(0, 1, "A"), (2, 3, "D")], {"moved": 0, "without_tokens": 2}),
        ("drop", [(0, 1, "A"), (2, 3, "D")], {"moved": 0, "without_tokens": 2}),
    ],
)
def test_boundaries_inside_tokens(boundary, spans, counts):
    reader = CluenerReader(tokenizer=Words(), boundary=boundary)
    gold = [Entity(0, 3, "A"), Entity(1, 6, "B"), Entity(3, 4, "C"), Entity(9, 10, "D")]
    if boundary == "expand":
        gold[3] = Entity(8, 10, "D")  # reaches into a space
    instance = reader.text_to_instance("abc def  g", gold)
    assert instance["entities"].entities == spans
    assert {key: reader.counts[key] for key in counts} == counts
    assert instance["metadata"]["entities"] == [entity.to_json() for entity in gold]


def test_unreachable_gold_is_reported(tmp_path, caplog):
    path = tmp_path / "f.json"
    path.write_text('{"text": "abc", "label": {"A": {"b": [[1, 1]]}}}')
    with caplog.at_level(logging.WARNING):
        list(CluenerReader(tokenizer=Words()).read(str(path)))
    assert any("1 entities do not begin and end at token boundaries" in r.getMessage() for r in caplog.records)


@pytest.mark.parametrize("entity", [Entity(-1, 1, "X"), Entity(1, 1, "X"), Entity(2, 4, "X")])
def test_gold_outside_the_text(entity):
    with pytest.raises(DataError, match=r"f:1: X \(.*is empty, or outside the text's 3 characters"):
        CluenerReader().text_to_instance("abc", [entity], source="f:1")


def test_stock_tokenizers():
    instance = CluenerReader(tokenizer=LettersDigitsTokenizer()).text_to_instance("ab 12!", [Entity(3, 5, "X")])
    assert instance["metadata"]["offsets"] == [(0, 2), (3, 5), (5, 6)]
    assert instance["entities"].entities == [(1, 2, "X")]
    with pytest.raises(ConfigError, match="WhitespaceTokenizer gives no character offsets"):
        CluenerReader(tokenizer=WhitespaceTokenizer()).text_to_instance("a b")


def test_read_gives_indexed_tensors():
    instances = list(CluenerReader().read(f"{FIXTURES}#train"))
    batch = Batch(instances)
    vocab = Vocabulary.from_instances(instances)
    batch.index_instances(vocab)
    tensors = batch.as_tensor_dict()
    assert tensors["entities"].shape == (8, 4, 3)
    for instance, rows in zip(instances, tensors["entities"], strict=True):
        metadata = instance["metadata"].metadata
        found = [
            {"start": metadata["offsets"][s][0], "end": metadata["offsets"][e - 1][1],
             "type": vocab.get_token_from_index(t, "entity_labels")}
            for s, e, t in rows.tolist() if s >= 0
        ]  # fmt: skip
        assert found == metadata["entities"]


# Bad records


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff", "\r\n"])
def test_empty_file(tmp_path, content):
    (tmp_path / "f.json").write_text(content, encoding="utf-8", newline="")
    with pytest.raises(DataError, match=r"f\.json: no sentence"):
        list(CluenerReader().read(str(tmp_path / "f.json")))


def test_skip_lists_twenty_and_counts_all(tmp_path, caplog):
    path = tmp_path / "f.json"
    path.write_text('{"text": "a"}\n' + "bad\n" * 30 + '{"text": "b"}\n')
    reader = CluenerReader(on_error="skip")
    with caplog.at_level(logging.INFO):
        assert [s.text for s in reader.sentences(str(path))] == ["a", "b"]
    messages = [(r.levelno, r.getMessage()) for r in caplog.records]
    skipped = [level for level, message in messages if message.startswith("skipped: ")]
    assert skipped == [logging.WARNING] * 20 + [logging.INFO] * 10
    assert (logging.WARNING, f"{path}: 30 of 32 records skipped") in messages
    assert reader.counts["skipped"] == 30


def test_all_records_skipped(tmp_path):
    (tmp_path / "f.json").write_text("bad\nbad\n")
    with pytest.raises(DataError, match=r"no sentence in it \(all of its 2 records were skipped\)"):
        list(CluenerReader(on_error="skip").sentences(str(tmp_path / "f.json")))


BLOCKS = b"a\nb\n\nc\n\xff\xfe\n\xff\n\n!\n\xff\n\nd\n\n\n!\n\ne\n\xff"


def test_undecodable_lines_cost_their_own_record(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(BLOCKS)
    with pytest.raises(DataError, match="f:5: 0xff is not UTF-8"):
        list(Blocks().sentences(str(path)))
    reader = Blocks(on_error="skip")
    assert [s.text for s in reader.sentences(str(path))] == ["ab", "d"]
    assert reader.counts["skipped"] == 4
    reader = Blocks(on_error="skip", encoding_errors="replace")
    assert [s.text for s in reader.sentences(str(path))] == ["ab", "c\ufffd\ufffd\ufffd", "d", "e\ufffd"]
    reader = Blocks(on_error="skip", encoding_errors="surrogateescape")
    assert [s.text for s in reader.sentences(str(path))][-1] == "e\udcff"


def test_several_files_of_a_split(tmp_path):
    for name in "ba":
        (tmp_path / f"{name}.train").write_text(f"{name}1\n\n{name}2")
    sentences = list(Blocks().sentences(f"{tmp_path}#train"))
    assert [s.text for s in sentences] == ["a1", "a2", "b1", "b2"]
    assert [s.source.rpartition("/")[2] for s in sentences] == ["a.train:1", "a.train:3", "b.train:1", "b.train:3"]


# Entity types


def test_entity_types_keep_only_those():
    reader = CluenerReader(entity_types=["name", "book"])
    found = Counter(e.type for s in reader.sentences(f"{FIXTURES}#train") for e in s.entities)
    assert found == {"name": 3, "book": 1}
    assert {e["type"] for i in reader.read(f"{FIXTURES}#train") for e in i["metadata"]["entities"]} == {"name", "book"}
    assert all(s.entities is None for s in reader.sentences(f"{FIXTURES}#test"))


@pytest.mark.parametrize("types", [["nmae"], ["name", "Book_"], ["COMPANY"], ["PER", "LOC"]])
def test_misspelt_entity_types(types):
    with pytest.raises(ConfigError, match=r"entity_types names '\w+', but .*#train has only address, book"):
        list(CluenerReader(entity_types=types).sentences(f"{FIXTURES}#train"))


def test_messages_about_types_are_short(tmp_path):
    tags = "".join(f"我 B-{'长' * 200}{number}\n" for number in range(500))
    (tmp_path / "data.txt").write_text(tags, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"names 'z+\.\.\., but .* has only 长{60}\.\.\., .* and 470 more$") as raised:
        list(ConllReader(entity_types=["z" * 5000]).sentences(str(tmp_path / "data.txt")))
    assert len(str(raised.value)) < 2500


@pytest.mark.parametrize("number", [0, -1])
def test_max_instances_out_of_range_is_told_with_its_key(number):
    with pytest.raises(ConfigError, match=f"dataset_reader.max_instances is {number}, but must be 1 or more"):
        CluenerReader(max_instances=number)


def test_entity_type_that_a_file_happens_to_lack(caplog):
    with caplog.at_level(logging.WARNING):
        list(CluenerReader(entity_types=["name", "scene"]).sentences(f"{FIXTURES}#dev"))
    assert any("no entity of the types scene" in record.getMessage() for record in caplog.records)


# Held-out records


@pytest.mark.parametrize("wrapped", ["f.json", "folder"])
def test_dev_fraction_splits_without_overlap(tmp_path, wrapped):
    if wrapped == "folder":
        (tmp_path / "folder").mkdir()
        write(tmp_path / "folder" / "train.json", 500)
        write(tmp_path / "folder" / "test.json", 3)
    else:
        write(tmp_path / wrapped, 500)
    reader = CluenerReader(dev_fraction=0.2, dev_seed=3)
    path = tmp_path / wrapped
    train, dev = ([s.text for s in reader.sentences(f"{path}#{split}")] for split in ("train", "dev"))
    assert sorted(train + dev) == sorted(f"第{i}句" for i in range(500))
    assert 70 < len(dev) < 130
    assert [s.text for s in reader.sentences(f"{path}#dev")] == dev
    other = CluenerReader(dev_fraction=0.2, dev_seed=4)
    assert [s.text for s in other.sentences(f"{path}#dev")] != dev
    if wrapped == "folder":
        assert len(list(reader.sentences(f"{path}#test"))) == 3
    else:
        assert len(list(reader.sentences(str(path)))) == 500


def test_dev_fraction_is_the_same_everywhere(tmp_path):
    path = write(tmp_path / "f.json", 40)
    held_out = [int(s.text[1:-1]) for s in CluenerReader(dev_fraction=0.2).sentences(f"{path}#dev")]
    assert held_out == [5, 7, 12, 15, 19, 24, 26, 32, 33]


def test_dev_fraction_does_not_depend_on_what_can_be_read(tmp_path):
    path = tmp_path / "f.json"
    write(path, 40)
    reader = CluenerReader(dev_fraction=0.2, on_error="skip")
    expected = [s.text for s in reader.sentences(f"{path}#dev")]
    path.write_text(path.read_text().replace(json.dumps({"text": "第1句"})[:-1], "?", 1))
    assert [s.text for s in reader.sentences(f"{path}#dev")] == [text for text in expected if text != "第1句"]


def test_dev_fraction_too_small(tmp_path):
    path = write(tmp_path / "f.json", 3)
    with pytest.raises(DataError, match=r"no sentence with dev_fraction 0\.001"):
        list(CluenerReader(dev_fraction=0.001).sentences(f"{path}#dev"))


@pytest.mark.parametrize(
    "options, key",
    [
        ({"dev_fraction": 1.0}, "dev_fraction"),
        ({"dev_fraction": 20}, "dev_fraction"),
        ({"entity_types": []}, "entity_types"),
        ({"entity_types": "name"}, "entity_types"),
    ],
)
def test_wrong_settings(options, key):
    with pytest.raises(ConfigError, match=f"dataset_reader.{key}"):
        CluenerReader(**options)


@pytest.mark.parametrize("name", ["cluener", "weibo", "kmou", "spacy_ner", "ccks_address"])
def test_choices_are_checked_in_readers_that_pass_them_on_too(name):
    for key, value in (("on_error", "skipp"), ("encoding_errors", "ignore"), ("boundary", "cut")):
        params = Params({"type": name, key: value}, "dataset_reader.")
        with pytest.raises(ConfigError, match=rf'dataset_reader\.{key} is "{value}"; it can be '):
            DatasetReader.from_params(params)


# AllenNLP


def test_from_params(tmp_path):
    params = {
        "type": "cluener",
        "tokenizer": {"type": "ner_characters"},
        "token_indexers": {"chars": {"type": "single_id"}},
        "entity_types": ["name"],
        "max_instances": 2,
    }
    reader = DatasetReader.from_params(Params(params), serialization_dir=str(tmp_path))
    assert isinstance(reader, CluenerReader) and isinstance(reader.tokenizer, NerCharacterTokenizer)
    assert reader.serialization_dir == str(tmp_path)
    assert len(list(reader.read(f"{FIXTURES}#train"))) == 2


class Remembers(NerCharacterTokenizer):
    def __init__(self, serialization_dir=None):
        self.serialization_dir = serialization_dir


def test_serialization_dir_reaches_the_tokenizer(tmp_path):
    name = f"{Remembers.__module__}.{Remembers.__qualname__}"
    params = Params({"type": "cluener", "tokenizer": {"type": name}})
    reader = DatasetReader.from_params(params, serialization_dir=str(tmp_path))
    assert reader.tokenizer.serialization_dir == str(tmp_path)


def facts(instances):
    return sorted(
        (i["metadata"]["source"], str(i["tokens"].tokens), str(i["entities"].entities), str(i["metadata"].metadata))
        for i in instances
    )


# `workers_test` has spawned workers with and without max_instances.
@pytest.mark.parametrize(
    "start_method, max_instances",
    [("fork", None), ("fork", 7), pytest.param("spawn", 7, marks=pytest.mark.exhaustive)],
)
def test_workers_yield_the_same_instances(tmp_path, start_method, max_instances):
    path = write(tmp_path / "f.json", 21)
    reader = CluenerReader(max_instances=max_instances)
    alone = MultiProcessDataLoader(reader, path, batch_size=4, quiet=True)
    loader = MultiProcessDataLoader(reader, path, batch_size=4, num_workers=2, start_method=start_method, quiet=True)
    assert facts(loader.iter_instances()) == facts(alone.iter_instances())
    assert len(list(alone.iter_instances())) == (max_instances or 21)


def test_ranks_and_workers_share_the_sentences(tmp_path):
    path = write(tmp_path / "f.json", 23)
    found = []
    for rank in range(2):
        for worker in range(3):
            reader = CluenerReader()
            reader._set_distributed_info(DistributedInfo(2, rank))
            reader._set_worker_info(WorkerInfo(3, worker))
            found += [instance["metadata"]["text"] for instance in reader.read(path)]
    assert sorted(found) == sorted(f"第{i}句" for i in range(23))


def test_only_one_worker_reports(tmp_path, caplog):
    path = tmp_path / "f.json"
    path.write_text('{"text": "a"}\nbad\n{"text": "b"}\n')
    with caplog.at_level(logging.WARNING):
        for worker in range(2):
            reader = CluenerReader(on_error="skip")
            reader._set_worker_info(WorkerInfo(2, worker))
            list(reader.read(str(path)))
    assert sum("skipped: " in record.getMessage() for record in caplog.records) == 1


def test_pickle():
    reader = pickle.loads(pickle.dumps(CluenerReader(entity_types=["name"], dev_fraction=0.3)))
    assert facts(reader.read(f"{FIXTURES}#train")) == facts(
        CluenerReader(entity_types=["name"], dev_fraction=0.3).read(f"{FIXTURES}#train")
    )


def test_one_megabyte_on_one_line(tmp_path):
    text = "中文" * 175_000
    (tmp_path / "f.json").write_text(json.dumps({"text": text, "label": {"X": {"文": [[349_999, 349_999]]}}}))
    (instance,) = CluenerReader().read(str(tmp_path / "f.json"))
    assert len(instance["tokens"]) == 350_000 and instance["entities"].entities == [(349_999, 350_000, "X")]


def test_indexers_are_shared_not_copied():
    indexers = {"tokens": SingleIdTokenIndexer()}
    instances = list(CluenerReader(token_indexers=indexers).read(f"{FIXTURES}#dev"))
    assert all(instance["tokens"].token_indexers is indexers for instance in instances)
    assert torch.is_tensor(CluenerReader().text_to_instance("a", [])["entities"].as_tensor({"num_entities": 0}))


def test_what_follows_the_instances_that_were_asked_for_is_not_read(tmp_path):
    path = Path(write(tmp_path / "f.json", 10))
    path.write_text(path.read_text() + "no JSON\n")
    assert len(list(CluenerReader(max_instances=10).read(str(path)))) == 10
    with pytest.raises(DataError, match=":11:"):
        list(CluenerReader(max_instances=11).read(str(path)))


def test_a_file_of_which_hardly_a_record_can_be_read_is_given_up(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("ner_plugins.dataset_readers.sentence_reader._HOPELESS", 200)
    path = tmp_path / "data.json"
    good = '{"text": "雾港", "label": {}}\n'
    path.write_text(good + "{}\n" * 1000, encoding="utf-8")
    reader = CluenerReader(on_error="skip")
    with pytest.raises(DataError, match=r"data\.json:201: 200 of the first 201 records cannot be read.*Name another"):
        list(reader.sentences(str(path)))
    path.write_text(good * 3 + "{}\n" * 250, encoding="utf-8")
    assert len(list(CluenerReader(on_error="skip").sentences(str(path)))) == 3


@pytest.mark.parametrize("reader", ["cluener", "conll_ner"])
def test_a_file_that_is_broken_in_the_middle(reader: str, tmp_path, monkeypatch, caplog) -> None:
    """What is readable behind the damage is read, however much is not, and the counts are said."""
    monkeypatch.setattr("ner_plugins.dataset_readers.sentence_reader._HOPELESS", 200)
    good, bad = ('{"text": "雾港", "label": {}}\n', '{"text": "雾\n') if reader == "cluener" else ("雾 O\n\n", "雾\n\n")
    path = tmp_path / "data.txt"
    path.write_bytes((good * 300 + bad * 500).encode() + b"\xff\xfe\n\n" * 10 + (good * 300).encode())
    skipping = DatasetReader.by_name(reader)(on_error="skip")
    with caplog.at_level(logging.WARNING):
        assert len(list(skipping.sentences(str(path)))) == 600
    assert skipping.counts["skipped"] == 510
    assert "510 of 1110 records skipped" in caplog.text and "further skipped records" in caplog.text


def test_a_record_whose_lines_cannot_be_decoded_is_given_up(tmp_path, monkeypatch) -> None:
    """A column file without blank lines is one record, and an error for each of its lines would take long."""
    monkeypatch.setattr("ner_plugins.dataset_readers.sentence_reader._HOPELESS", 200)
    path = tmp_path / "data.txt"
    path.write_bytes("\n好 O\n".encode() + b"\xe5 O\n" * 300)
    with pytest.raises(DataError, match=r"data\.txt:3: 200 lines of one record cannot be decoded: 0xe5 is not UTF-8"):
        list(ConllReader(on_error="skip").sentences(str(path)))
    path.write_bytes("好 O\n\n".encode() + b"\xe5 O\n" * 150)
    assert len(list(ConllReader(on_error="skip").sentences(str(path)))) == 1


def test_a_truncated_file_ends_the_reading_after_its_counts(tmp_path, caplog) -> None:
    """What is behind the cut is lost, which no rule about records may hide."""
    chance = random.Random(1)
    text = "".join(f'{{"text": "{chance.randbytes(600).hex()}", "label": {{}}}}\n{{}}\n' for _ in range(4000))
    path = tmp_path / "data.json.gz"
    path.write_bytes(gzip.compress(text.encode())[:-200])
    with caplog.at_level(logging.WARNING), pytest.raises(DataError, match=r"cannot be read: .*complete"):
        list(CluenerReader(on_error="skip").sentences(str(path)))
    assert re.search(r"[1-9]\d* of \d+ records skipped", caplog.text)
