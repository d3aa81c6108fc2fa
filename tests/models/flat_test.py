from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from allennlp.commands.train import train_model
from allennlp.common import Params
from allennlp.common.testing import ModelTestCase
from allennlp.data import DatasetReader, Instance, Vocabulary
from allennlp.models import Model
from allennlp.models.archival import archive_model, load_archive
from toy_models import TEXTS, batch_of, found

from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError
from ner_plugins.heads.biaffine import BiaffineHead
from ner_plugins.heads.pointer import PointerHead
from ner_plugins.heads.tags import TagsHead
from ner_plugins.models.ner_model import NerModel
from ner_plugins.modules.lattice import FlatEncoder

ROOT = Path(__file__).resolve().parents[2]
EXPERIMENT = ROOT / "fixtures/experiments/flat.json"
GOLD = [[Entity(0, 2, "name"), Entity(3, 7, "organization"), Entity(8, 9, "book")], []]
CALM = {"embedding_dropout": 0.0, "feedforward_dropout": 0.0}


class TestFlatLikeEveryModel(ModelTestCase):
    def setup_method(self) -> None:
        super().setup_method()
        self.set_up_model(str(EXPERIMENT), str(ROOT / "fixtures/cluener/train.json"))

    def test_it_can_train_save_and_load(self) -> None:
        self.ensure_model_can_train_save_and_load(str(EXPERIMENT), cuda_device=-1)

    def test_padding_does_not_leak(self) -> None:
        self.ensure_batch_predictions_are_consistent()


def reader_with(words: Path | None) -> DatasetReader:
    settings = Params.from_file(EXPERIMENT).pop("dataset_reader").as_dict()
    settings.pop("lexicon")
    if words is not None:
        settings["lexicon"] = {"path": str(words)}
    return DatasetReader.from_params(Params(settings))


def instances_of(reader: DatasetReader, texts: list[str], gold: list[list[Entity]]) -> list[Instance]:
    pairs = zip(texts, gold, strict=True)
    instances = [reader.text_to_instance(text, of_text, id=i) for i, (text, of_text) in enumerate(pairs)]
    for instance in instances:
        reader.apply_token_indexers(instance)
    return instances


@pytest.fixture
def words(tmp_path: Path) -> Path:
    path = tmp_path / "words.txt"
    path.write_text("北京\n北京大学\n大学\n读书\n", encoding="utf-8")
    return path


def build(words: Path | None, **overrides: Any) -> tuple[NerModel, dict[str, Any]]:
    instances = instances_of(reader_with(words), TEXTS, GOLD)
    vocab = Vocabulary.from_instances(instances)
    params = {**Params.from_file(EXPERIMENT).pop("model").as_dict(), **deepcopy(overrides)}
    torch.manual_seed(1)
    return Model.from_params(Params(params), vocab=vocab), batch_of(instances, vocab)


def fit(model: NerModel, batch: dict[str, Any], steps: int = 80) -> None:
    """Train, and leave the model in evaluation."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    for _ in range(steps):
        optimizer.zero_grad()
        model(**batch)["loss"].backward()
        optimizer.step()
    model.eval()


CRF = {"type": "crf_tagger", "scheme": "BIOES"}
HEADS = [
    (None, TagsHead),
    (CRF, TagsHead),
    ({"scheme": "BIOES"}, TagsHead),
    ("pointer", PointerHead),
    ({"type": "span", "head": "pointer"}, PointerHead),
    ({"type": "biaffine", "projection": {"dim": 12}, "init": "xavier"}, BiaffineHead),
]


@pytest.mark.parametrize("head, kind", HEADS)
def test_any_head_learns_over_a_lattice(words: Path, head: dict | None, kind: type) -> None:
    settings = {"lattice_encoder": {"words": {"dim": 8}, **CALM}, "dropout": 0.0}
    model, batch = build(words, **settings, **({} if head is None else {"head": head}))
    assert type(model.head) is kind and isinstance(model.lattice_encoder, FlatEncoder)
    fit(model, batch)
    expected = [(entity.start, entity.end, entity.type) for entity in GOLD[0]]
    assert (found(model, batch), found(model, batch, 1)) == (expected, [])


def test_defaults() -> None:
    model, _ = build(ROOT / "fixtures/lexicon/words.txt", lattice_encoder={})
    assert model.head.tag_set.scheme == "BMES" and model.dropout.p == 0.3
    assert model.encoding_dim == 128
    assert model.lattice_encoder.token_projection.in_features == 16


OF_HEADS = [
    CRF,
    {"type": "crf_tagger", "scheme": "BIO", "tag_head": "factored"},
    {"type": "span", "head": "pointer"},
    {"type": "span", "head": "enumeration"},
    {"type": "biaffine"},
    {"type": "biaffine", "projection": {"dim": 12}},
]


@pytest.mark.parametrize("head", OF_HEADS, ids=str)
def test_it_is_the_head_with_a_lattice_encoder(words: Path, head: dict) -> None:
    short, _ = build(words, lattice_encoder={"type": "flat"}, head=head, dropout=0.3)
    embedder = Params.from_file(EXPERIMENT).pop("model").as_dict()["text_field_embedder"]
    options = {"text_field_embedder": embedder, "lattice_encoder": {"type": "flat"}, "dropout": 0.3}
    torch.manual_seed(1)
    long = Model.from_params(Params({**deepcopy(head), **options}), vocab=short.vocab)
    assert str(short.head) == str(long.head)
    for name, tensor in long.state_dict().items():
        assert torch.equal(tensor, short.state_dict()[name]), name


def test_what_the_model_says_reaches_the_head(words: Path) -> None:
    encoder = {"type": "lstm", "hidden_size": 5}
    model, batch = build(words, head=CRF, dropout=0.1, thresholds={"name": 0.9}, encoder=encoder, metrics=["cluener"])
    assert model.encoding_dim == 5 and model.dropout.p == 0.1
    assert sorted(model.thresholds.tolist()) == pytest.approx([0.0, 0.0, 0.9])
    assert model.encode_tokens(batch).vectors.shape == (2, 9, 5)
    model.eval()(**batch)
    assert {name.split("/")[0] for name in model.get_metrics()} == {"cluener"}


def test_words_matter(words: Path) -> None:
    model, batch = build(words)
    model.eval()
    lattice = batch["lattice"]
    assert lattice["mask"].sum() == 4
    other = {**batch, "lattice": {**lattice, "mask": torch.zeros_like(lattice["mask"])}}
    assert not torch.allclose(model(**batch)["loss"], model(**other)["loss"], atol=1e-5)


def test_the_published_dropout_is_where_it_was(words: Path) -> None:
    model, batch = build(words)
    seen = []
    model.dropout.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].shape))
    model.train()(**batch)
    # On the encoder's result alone: what goes into it has one of its own.
    assert seen == [(2, 9, 12)]


def test_a_reader_without_a_lexicon(words: Path) -> None:
    model, _ = build(words)
    batch = batch_of(instances_of(reader_with(None), TEXTS, GOLD), model.vocab)
    with pytest.raises(ConfigError, match=r"dataset_reader\.lexicon"):
        model(**batch)


def test_texts_without_words(words: Path) -> None:
    model, _ = build(words)
    batch = batch_of(instances_of(reader_with(words), ["张", ""], [[Entity(0, 1, "name")], []]), model.vocab)
    assert batch["lattice"]["words"].shape == (2, 0)
    loss = model.train()(**batch)["loss"]
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize(
    "head, message",
    [
        ({"type": "basic_classifier"}, "head.type: there is no 'basic_classifier'.*biaffine, .*tags"),
        ({"type": "flat"}, "head.type: there is no 'flat'"),
        ({**CRF, "dropout": 0.1}, r"head: tags has no option 'dropout'"),
        ({**CRF, "lattice_encoder": {}}, r"head: tags has no option 'lattice_encoder'"),
    ],
)
def test_bad_heads(words: Path, head: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(words, head=head)


def test_a_model_trained_further_with_another_lexicon_is_refused(tmp_path: Path) -> None:
    config = Params.from_file(EXPERIMENT).as_dict()
    vectors = (ROOT / "fixtures/lexicon/words.vec").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "words.vec").write_text("".join(vectors), encoding="utf-8")
    (tmp_path / "turned.vec").write_text("".join([vectors[0], *reversed(vectors[1:])]), encoding="utf-8")
    config["dataset_reader"]["lexicon"] = {"path": str(tmp_path / "words.vec")}
    config["model"]["lattice_encoder"]["words"] = {"pretrained_file": str(tmp_path / "words.vec")}
    train_model(Params(deepcopy(config)), str(tmp_path / "run"))
    config["model"] = {"type": "from_archive", "archive_file": str(tmp_path / "run/model.tar.gz")}
    train_model(Params(deepcopy(config)), str(tmp_path / "same"))
    config["dataset_reader"]["lexicon"]["path"] = str(tmp_path / "turned.vec")
    with pytest.raises(ConfigError, match=r"dataset_reader.lexicon is not the lexicon that the model was trained with"):
        train_model(Params(deepcopy(config)), str(tmp_path / "other"))


def test_the_name_of_a_head_is_enough(words: Path) -> None:
    model, _ = build(words, head="biaffine")
    assert isinstance(model.head, BiaffineHead)


def test_a_lexicon_without_a_lattice_encoder_is_told(words: Path, caplog: pytest.LogCaptureFixture) -> None:
    over_lattice, batch = build(words)
    embedder = Params.from_file(EXPERIMENT).pop("model").as_dict()["text_field_embedder"]
    model = Model.from_params(Params({**CRF, "text_field_embedder": embedder}), vocab=over_lattice.vocab)
    for _ in range(2):
        model(**batch)
    assert caplog.text.count("dataset_reader.lexicon has no effect on this model") == 1


def test_an_archive_needs_no_lexicon_file(words: Path, tmp_path: Path) -> None:
    config = Params.from_file(EXPERIMENT).as_dict()
    config["dataset_reader"]["lexicon"]["path"] = str(words)
    run = tmp_path / "run"
    run.mkdir()
    Params(deepcopy(config)).to_file(str(run / "config.json"))
    reader = DatasetReader.from_params(Params(deepcopy(config["dataset_reader"])), serialization_dir=str(run))
    vocab = Vocabulary.from_instances(instances_of(reader, TEXTS, GOLD))
    model = Model.from_params(Params(deepcopy(config["model"])), vocab=vocab, serialization_dir=str(run))
    fit(model, batch_of(instances_of(reader, TEXTS, GOLD), vocab), steps=10)
    expected = model(**batch_of(instances_of(reader, TEXTS, GOLD), vocab))["loss"]
    torch.save(model.state_dict(), run / "best.th")
    vocab.save_to_files(str(run / "vocabulary"))
    archive_model(run)
    words.unlink()
    (run / "model.tar.gz").rename(tmp_path / "model.tar.gz")
    archive = load_archive(tmp_path / "model.tar.gz")
    batch = batch_of(instances_of(archive.validation_dataset_reader, TEXTS, GOLD), vocab)
    assert batch["lattice"]["mask"].sum() == 4
    torch.testing.assert_close(archive.model.eval()(**batch)["loss"], expected)
