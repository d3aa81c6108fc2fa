"""Readers with a lexicon: their instances in any number of processes, and an archive that carries what they need."""

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from allennlp.commands.train import train_model
from allennlp.common import Params
from allennlp.data import Batch, Vocabulary
from allennlp.data.data_loaders import MultiProcessDataLoader
from allennlp.models.archival import archive_model, load_archive
from allennlp_command import run_command
from forked import context

from ner_plugins.dataset_readers import CluenerReader
from ner_plugins.errors import ArchiveError
from ner_plugins.lexicon import WordLexicon
from ner_plugins.tokenizers import NerWordTokenizer

ROOT = Path(__file__).resolve().parents[2]
LEXICON = ROOT / "fixtures" / "lexicon"
DEV = f"{ROOT}/fixtures/sample#dev"


def reader_of(**options):
    return CluenerReader(lexicon=WordLexicon(str(LEXICON / "words.txt")), **options)


def batch_of(reader, *texts):
    instances = [reader.text_to_instance(text) for text in texts]
    for instance in instances:
        reader.apply_token_indexers(instance)
    batch = Batch(instances)
    batch.index_instances(Vocabulary())
    return batch.as_tensor_dict()


def test_texts_without_labels():
    reader = reader_of()
    place = {word: 2 + id for id, word in enumerate(reader.lexicon.words)}
    lattice = batch_of(reader, "欧阳在湿地公园", "", "公", "甲乙")["lattice"]
    assert lattice["words"].tolist() == [[place["欧阳"], place["湿地公园"], place["公园"]], [0] * 3, [0] * 3, [0] * 3]
    assert lattice["heads"][0].tolist() == [0, 3, 5] and lattice["tails"][0].tolist() == [1, 6, 6]
    assert lattice["mask"].tolist() == [[True] * 3, [False] * 3, [False] * 3, [False] * 3]
    assert batch_of(reader, "", "公")["lattice"]["words"].shape == (2, 0)


def test_without_a_lexicon_there_is_no_lattice():
    assert "lattice" not in CluenerReader().text_to_instance("欧阳").fields


def test_words_of_other_tokenizers():
    reader = reader_of(tokenizer=NerWordTokenizer())
    instance = reader.text_to_instance("Novix 欧阳 XG 欧阳")
    reader.apply_token_indexers(instance)
    tokens = instance["tokens"].tokens
    for head, tail, word in instance["lattice"].human_readable_repr():
        assert instance["metadata"]["text"][tokens[head].idx : tokens[tail].idx_end] == word
    assert len(instance["lattice"].human_readable_repr()) == 4


def test_the_lexicon_does_not_travel():
    reader = reader_of()
    instance = next(iter(reader._read(DEV)))
    assert instance["lattice"].lexicon is None
    assert len(pickle.dumps(instance)) < 10_000


@pytest.fixture(scope="module")
def vocabulary():
    return Vocabulary.from_instances(reader_of().read(DEV))


def lattices(vocabulary, **options):
    """Each text's lattice, from batches of one, and what the vocabulary counts."""
    loader = MultiProcessDataLoader(reader_of(max_instances=60), DEV, batch_size=1, quiet=True, **options)
    counter = {name: {} for name in ("lattice_words",)}
    for instance in loader.iter_instances():
        for _, _, word in instance["lattice"].human_readable_repr():
            counter["lattice_words"][word] = counter["lattice_words"].get(word, 0) + 1
    loader.index_with(vocabulary)
    found = {}
    for batch in loader:
        lattice = {name: torch.as_tensor(part).tolist() for name, part in batch["lattice"].items()}
        found[batch["metadata"][0]["source"]] = lattice
    return found, counter


@pytest.fixture(scope="module")
def lattices_of_one_process(vocabulary):
    return lattices(vocabulary)


@pytest.mark.parametrize(
    "options",
    [
        {"start_method": "fork"},
        {"start_method": "fork", "max_instances_in_memory": 8},  # workers make batches
        {"start_method": "forkserver"},  # gets the reader pickled, as a spawned one does
        pytest.param({"start_method": "spawn"}, marks=pytest.mark.exhaustive),
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_workers_make_the_same_lattices(options, vocabulary, lattices_of_one_process):
    context()  # what a forkserver forks from
    expected = lattices_of_one_process
    assert len(expected[0]) == 60 and sum(len(lattice["words"][0]) for lattice in expected[0].values()) > 200
    assert lattices(vocabulary, num_workers=2, **options) == expected


def test_vocabulary(vocabulary):
    words = vocabulary.get_token_to_index_vocabulary("lattice_words")
    texts = [json.loads(line)["text"] for line in (ROOT / "fixtures/sample/dev.json").read_text().splitlines()]
    expected = {word for word in reader_of().lexicon.words if any(word in text for text in texts)}
    assert set(words) - {"@@PADDING@@", "@@UNKNOWN@@"} == expected


# An archive.


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run over copies of the lexicon and the vectors, which are gone now; and predictions of before."""
    folder = tmp_path_factory.mktemp("lattice")
    files = folder / "lexicon"
    shutil.copytree(LEXICON, files)
    characters = str(files / "characters.vec")
    params = {
        "dataset_reader": {
            "type": "cluener",
            "lexicon": {"path": str(files / "words.bin"), "max_length": 8},
            "token_indexers": {
                "characters": {"type": "single_id", "namespace": "characters"},
                "bigrams": {"type": "ner_bigrams"},
            },
            "max_instances": 100,
        },
        "train_data_path": f"{ROOT}/fixtures/sample#train",
        "vocabulary": {
            "pretrained_files": {"characters": characters},
            "min_pretrained_embeddings": {"characters": -1},
        },
        "model": {
            "type": "crf_tagger",
            "text_field_embedder": {
                "token_embedders": {
                    "characters": {
                        "type": "ner_embedding",
                        "vocab_namespace": "characters",
                        "pretrained_file": characters,
                    },
                    "bigrams": {"type": "ner_embedding", "vocab_namespace": "bigrams", "embedding_dim": 8},
                }
            },
            "lattice_encoder": {
                "type": "flat",
                "heads": 2,
                "head_dim": 8,
                "words": {"pretrained_file": str(files / "words.vec")},
            },
        },
        "data_loader": {"batch_size": 20},
        "trainer": {"num_epochs": 8, "optimizer": {"type": "adam", "lr": 0.02}, "cuda_device": -1},
    }
    train_model(Params(params), str(folder / "run"))
    shutil.move(folder / "run" / "model.tar.gz", folder / "model.tar.gz")
    archive = load_archive(folder / "model.tar.gz")
    texts = [json.loads(line)["text"] for line in (ROOT / "fixtures/sample/dev.json").read_text().splitlines()[:30]]
    instances = [archive.dataset_reader.text_to_instance(text) for text in texts]
    for instance in instances:
        archive.dataset_reader.apply_token_indexers(instance)
    expected = [output["entities"] for output in archive.model.eval().forward_on_instances(instances)]
    shutil.rmtree(files)
    return folder, texts, expected


def test_prediction_on_another_machine(trained, tmp_path):
    """In a process of its own and another folder, with the lexicon, the vectors and the run's directory gone."""
    folder, texts, expected = trained
    shutil.copy(folder / "model.tar.gz", tmp_path / "model.tar.gz")
    (tmp_path / "texts.txt").write_text("".join(f"{text}\n" for text in ["", "公", *texts]), encoding="utf-8")
    run = folder / "run"
    run.rename(folder / "hidden")
    try:
        done = run_command(
            "predict", tmp_path / "model.tar.gz", tmp_path / "texts.txt", "--silent", "--output-file",
            tmp_path / "out.jsonl", "--include-package", "ner_plugins", cwd=tmp_path,
        )  # fmt: skip
    finally:
        (folder / "hidden").rename(run)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line)["entities"] for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert found[0] == [] and len(found) == len(texts) + 2
    spans = [[(e["start"], e["end"], e["type"]) for e in entities] for entities in found[2:]]
    assert spans == [[(e["start"], e["end"], e["type"]) for e in entities] for entities in expected]
    assert sum(map(len, spans)) > 0


def test_words_and_characters_that_training_never_met_have_their_vectors(trained):
    folder, _, _ = trained
    archive = load_archive(folder / "model.tar.gz")
    model, reader = archive.model, archive.dataset_reader
    words = model.lattice_encoder.words
    known = model.vocab.get_token_to_index_vocabulary("lattice_words")
    place = next(place for place, word in enumerate(reader.lexicon.words) if word not in known)
    vectors = words.eval()(torch.tensor([[len(known) + place, 1]]))[0]
    assert not torch.equal(vectors[0], vectors[1])
    lines = dict(line.split(" ", 1) for line in (LEXICON / "words.vec").read_text("utf-8").splitlines())
    numbers = torch.tensor([float(number) for number in lines[reader.lexicon.words[place]].split()])
    torch.testing.assert_close(vectors[0], numbers / numbers.norm())
    assert len(model.vocab.get_token_to_index_vocabulary("characters")) > 1500
    assert max(map(len, reader.lexicon.words)) <= 8


def test_an_archive_without_its_lexicon(trained, tmp_path):
    folder, _, _ = trained
    shutil.copytree(folder / "run", tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "ner_assets" / "lexicon")
    broken = archive_model(str(tmp_path / "run"))
    with pytest.raises(ArchiveError, match=r"model\.tar\.gz/ner_assets: .*carry the lexicon.*words\.bin.*or retrain"):
        load_archive(broken)


def test_importing_any_module_first():
    """The lexicon is a part of readers, and reads files as they do: neither may depend on being imported second."""
    program = """
import importlib, os, sys
import ner_plugins, allennlp.data
modules = ["ner_plugins.lexicon", "ner_plugins.fields"]
assert not set(modules) & set(sys.modules)
child = os.fork()
importlib.import_module(modules[child == 0])
if child:
    sys.exit(os.waitpid(child, 0)[1])
"""
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
