"""Copies of instances, and runs: what is augmented, and what never is."""

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
from allennlp.common import Params
from allennlp.data import DatasetReader, Instance, Vocabulary
from allennlp.training.callbacks import TrainerCallback
from killed_runs import assert_same, events, run
from staged_runs import experiment, train
from tiny_encoders import make_encoder

from ner_plugins.dataset_readers.augmentation import Augmenter
from ner_plugins.errors import ConfigError
from ner_plugins.tagger import Tagger

ROOT = Path(__file__).resolve().parents[3]
ALL = [
    {"type": "replace_entities", "probability": 0.7},
    {"type": "concatenate", "probability": 0.5},
    {"type": "hide_tokens", "probability": 0.3, "where": "everywhere"},
]
CORPORA = {
    "cluener": ({"type": "cluener"}, "fixtures/cluener#train"),
    "kmou": ({"type": "kmou", "annotation": "brackets"}, "fixtures/kmou#train"),
    "columns": ({"type": "conll_ner"}, "fixtures/conll_ner#train"),
    "resume": ({"type": "resume"}, "fixtures/resume#train"),
    "nested": ({"type": "cmeee"}, "fixtures/cmeee#train"),
}


def made(name: str, augmentation: list[dict[str, Any]] = ALL, **reader: Any) -> tuple[list[Instance], Augmenter]:
    options, path = CORPORA[name]
    params = Params({**options, **reader, "augmentation": [{**one} for one in augmentation]})
    of_corpus: Any = DatasetReader.from_params(params)
    instances = list(of_corpus.read(str(ROOT / path)))
    vocab = Vocabulary.from_instances(instances)
    for instance in instances:
        instance.index_fields(vocab)
    return instances, Augmenter(of_corpus, instances, vocab, seed=3)


def content(instance: Instance) -> tuple[Any, ...]:
    metadata = instance["metadata"].metadata
    return metadata["text"], metadata["entities"], instance["entities"].entities, [t.text for t in instance["tokens"]]


@pytest.mark.parametrize("name", CORPORA)
def test_copies_have_right_labels(name: str) -> None:
    instances, augmenter = made(name)
    surfaces = {
        (one["type"], instance["metadata"]["text"][one["start"] : one["end"]])
        for instance in instances
        for one in instance["metadata"]["entities"]
    }
    changed = 0
    for epoch in range(4):
        for instance in instances:
            before = content(instance)
            copy = augmenter(instance, epoch)
            assert content(instance) == before and content(copy) == content(augmenter(instance, epoch))
            changed += copy is not instance
            text, entities, spans, tokens = content(copy)
            offsets = copy["metadata"]["offsets"]
            assert len(offsets) == len(tokens) and len(entities) >= len(spans)
            for entity in entities:
                assert (entity["type"], text[entity["start"] : entity["end"]]) in surfaces
            if len(spans) == len(entities):
                for (start, end, type_), entity in zip(sorted(spans), sorted_by_place(entities), strict=True):
                    place = (offsets[start][0], offsets[end - 1][1])
                    assert place == (entity["start"], entity["end"]) and type_ == entity["type"]
            copy.as_tensor_dict(copy.get_padding_lengths())
    assert changed > len(instances)


def sorted_by_place(entities: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(entities, key=lambda one: (one["start"], one["end"], one["type"]))


def test_a_copy_depends_on_seed_epoch_and_sentence_alone() -> None:
    instances, augmenter = made("cluener")
    forwards = [content(augmenter(one, 2)) for one in instances]
    assert [content(augmenter(one, 2)) for one in reversed(instances)] == forwards[::-1]
    assert [content(augmenter(one, 3)) for one in instances] != forwards


def test_an_encoder_reads_its_mask(tmp_path: Path) -> None:
    encoder = make_encoder(tmp_path / "encoder")
    for tokenizer in ("ner_characters", {"type": "ner_subwords", "model_name": encoder}):
        options = {"token_indexers": {"tokens": {"type": "ner_transformer", "model_name": encoder}}}
        hidden = [{"type": "hide_tokens", "probability": 1.0, "where": "inside"}]
        instances, augmenter = made("cluener", hidden, tokenizer=tokenizer, **options)
        copy = augmenter(instances[0], 0)
        indexer: Any = copy["tokens"].token_indexers["tokens"]
        tensors = copy.as_tensor_dict(copy.get_padding_lengths())["tokens"]["tokens"]
        start, end, _ = copy["entities"].entities[0]
        assert set(tensors["piece_ids"][start:end].tolist()) == {indexer.tokenizer.mask_token_id}
        assert copy["metadata"]["text"] == instances[0]["metadata"]["text"]


def test_nothing_is_augmented_by_reading() -> None:
    plain, _ = made("cluener", [])
    found, augmenter = made("cluener")
    assert [content(one) for one in found] == [content(one) for one in plain]
    reader = augmenter._reader
    assert content(reader.text_to_instance("下雨了", [])) == ("下雨了", [], [], ["下", "雨", "了"])


def test_a_context_is_refused() -> None:
    encoder = {"type": "ner_transformer", "model_name": str(ROOT / "fixtures/stock/bert")}
    options = {"context_sentences": 1, "documents": "file", "token_indexers": {"tokens": encoder}}
    with pytest.raises(ConfigError, match="leave out context_sentences or augmentation"):
        made("cluener", **options)


@TrainerCallback.register("texts_for_test")
class Texts(TrainerCallback):
    """The texts of each batch of training and of validation."""

    seen: ClassVar[dict[tuple[int, bool], set[str]]]

    def on_start(self, trainer: Any, is_primary: bool = True, **kwargs: Any) -> None:
        super().on_start(trainer, is_primary=is_primary, **kwargs)
        Texts.seen = {}

    def on_batch(
        self,
        trainer: Any,
        inputs: Any,
        outputs: Any,
        metrics: Any,
        epoch: int,
        number: int,
        is_training: bool,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        texts = Texts.seen.setdefault((epoch, is_training), set())
        texts |= {one["text"] for batch in inputs for one in batch["metadata"]}


def settings(*callbacks: dict[str, Any], **trainer: Any) -> dict[str, Any]:
    config = experiment(*callbacks, type="ner", **trainer)
    config["dataset_reader"]["augmentation"] = ALL[:2]
    return config


def texts_of(path: str) -> set[str]:
    lines = Path(path.partition("#")[0], f"{path.partition('#')[2]}.json").read_text(encoding="utf-8").splitlines()
    return {json.loads(line)["text"] for line in lines[:14]}


def test_training_sentences_alone_are_augmented(tmp_path: Path) -> None:
    config = settings({"type": "texts_for_test"})
    train(config, tmp_path / "run")
    original, held_out = texts_of(config["train_data_path"]), texts_of(config["validation_data_path"])
    first, second = (Texts.seen[epoch, True] for epoch in (0, 1))
    assert first != second and first - original and second - original
    assert all(seen <= held_out for (_, is_training), seen in Texts.seen.items() if not is_training)
    plain = experiment({"type": "texts_for_test"}, type="ner")
    train(plain, tmp_path / "plain")
    assert Texts.seen[0, True] == original
    same = (tmp_path / "run/vocabulary/tokens.txt").read_text(encoding="utf-8")
    assert same == (tmp_path / "plain/vocabulary/tokens.txt").read_text(encoding="utf-8")


def test_an_archive_does_not_augment(tmp_path: Path) -> None:
    file = tmp_path / "surfaces.tsv"
    file.write_text("name\t阿宝\n", encoding="utf-8")
    config = settings(num_epochs=1)
    config["dataset_reader"]["augmentation"] = [{"type": "replace_entities", "surfaces": str(file)}]
    train(config, tmp_path / "run")
    file.unlink()
    tagger = Tagger.from_path(tmp_path / "run")
    assert list(tagger.tag(["阿宝来了"]))  # the reader loads without the file


def test_a_killed_run_ends_as_an_unbroken_one(tmp_path: Path) -> None:
    config = settings(num_epochs=2, checkpointer={"save_every_num_batches": 1})
    assert run(config, tmp_path / "whole")
    assert not run(config, tmp_path / "killed", kill=events(tmp_path / "whole") * 3 // 4)
    assert run(config, tmp_path / "killed", recover=True)
    assert_same(tmp_path / "killed", tmp_path / "whole")


def test_data_that_are_read_again_in_each_epoch_are_refused(tmp_path: Path) -> None:
    config = settings()
    config["data_loader"] = {"batch_size": 4, "max_instances_in_memory": 8}
    with pytest.raises(ConfigError, match="augmentation needs all training sentences in memory"):
        train(config, tmp_path / "run")
