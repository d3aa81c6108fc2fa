from pathlib import Path
from typing import Any

import pytest
import torch
from allennlp.common import Params
from allennlp.common.testing import ModelTestCase
from allennlp.data import Vocabulary
from allennlp.data.batch import Batch
from allennlp.models import Model

from ner_plugins.dataset_readers.cluener import CluenerReader
from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError, DataError
from ner_plugins.models.biaffine import BiaffineNer
from ner_plugins.models.ner_model import to_tokens

ROOT = Path(__file__).resolve().parents[2]
EXPERIMENT = ROOT / "fixtures/experiments/biaffine.json"


class TestBiaffineLikeEveryModel(ModelTestCase):
    def setup_method(self) -> None:
        super().setup_method()
        self.set_up_model(str(EXPERIMENT), str(ROOT / "fixtures/cluener/train.json"))

    def test_it_can_train_save_and_load(self) -> None:
        # The projections' biases in front of an unused class are the only ones a gradient may miss: none is.
        self.ensure_model_can_train_save_and_load(str(EXPERIMENT), cuda_device=-1)

    def test_padding_does_not_leak(self) -> None:
        self.ensure_batch_predictions_are_consistent()


def build(entities: list[list[Entity]], texts: list[str], **overrides: Any) -> tuple[BiaffineNer, dict]:
    """A model over the given gold, and the batch of its sentences."""
    reader = CluenerReader()
    pairs = zip(texts, entities, strict=True)
    instances = [reader.text_to_instance(text, gold, id=i) for i, (text, gold) in enumerate(pairs)]
    for instance in instances:
        reader.apply_token_indexers(instance)
    vocab = Vocabulary.from_instances(instances)
    params = Params.from_file(EXPERIMENT).pop("model")
    for key, value in overrides.items():
        params[key] = value
    torch.manual_seed(1)
    model = Model.from_params(params, vocab=vocab)
    batch = Batch(instances)
    batch.index_instances(vocab)
    return model, batch.as_tensor_dict()


TEXTS = ["张三在北京大学读书", "abc"]
GOLD = [[Entity(0, 2, "name"), Entity(3, 7, "organization"), Entity(3, 5, "address")], []]


def fit(model: BiaffineNer, batch: dict, steps: int = 150) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        model(**batch)["loss"].backward()
        optimizer.step()
    model.eval()


@pytest.mark.parametrize(
    "decoding, expected",
    [
        ("nested", [(0, 2, "name"), (3, 5, "address"), (3, 7, "organization")]),
        ("flat_greedy", 2),
        ("flat_optimal", 2),
    ],
)
def test_it_learns_nested_entities_and_decodes_as_asked(decoding: str, expected: Any) -> None:
    model, batch = build(GOLD, TEXTS, decoding=decoding)
    fit(model, batch)
    found = [(e.start, e.end, e.type) for e in model(**batch)["entities"][0]]
    assert found == expected if isinstance(expected, list) else len(found) == expected
    assert model(**batch)["entities"][1] == []
    for entity in model(**batch)["entities"][0]:
        assert 0.0 < entity.score <= 1.0


def test_an_entity_carries_its_softmax_probability() -> None:
    model, batch = build(GOLD, TEXTS, decoding="nested")
    fit(model, batch, steps=30)
    mask = torch.ones(2, 9, dtype=torch.bool)
    mask[1, 3:] = False
    with torch.no_grad():
        scores = model.score(model.encode(batch["tokens"], mask), mask)
        for sentence, entities in enumerate(model(**batch)["entities"]):
            for e in entities:
                p = scores[sentence, e.start, e.end - e.start - 1].softmax(-1)[1 + model.types.index(e.type)]
                assert abs(p.item() - e.score) < 1e-5


def test_metrics_divide_by_raw_gold_and_say_what_is_unreachable() -> None:
    wide = [[Entity(0, 9, "book"), Entity(0, 2, "name")], []]
    model, batch = build(wide, TEXTS, max_span_width=4)
    fit(model, batch)
    model.get_metrics(reset=True)
    model(**batch)
    metrics = model.get_metrics(reset=True)
    assert (metrics["gold"], metrics["unreachable_gold"]) == (2.0, 1.0)
    assert metrics["typed_span_f1/micro_recall"] == 0.5
    assert model.get_metrics(reset=True)["gold"] == 0.0


@pytest.mark.parametrize("decoding, unreachable", [("nested", 1), ("flat_greedy", 2), ("flat_optimal", 2)])
def test_nested_gold_is_unreachable_for_a_flat_decoder(decoding: str, unreachable: int) -> None:
    same_span = [*GOLD[0], Entity(3, 7, "company")]
    model, batch = build([same_span, []], TEXTS, decoding=decoding)
    model.eval()
    model(**batch)
    assert model.get_metrics(reset=True)["unreachable_gold"] == unreachable


def test_gold_cut_by_a_token_is_unreachable() -> None:
    offsets = [(0, 2), (2, 5)]
    assert to_tokens([Entity(0, 2, "a"), Entity(1, 5, "b"), Entity(0, 5, "c")], offsets) == [
        Entity(0, 1, "a"),
        Entity(0, 2, "c"),
    ]


def test_training_steps_neither_decode_nor_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = build(GOLD, TEXTS)
    monkeypatch.setattr(BiaffineNer, "decode", lambda *_: pytest.fail("decoded in a training step"))
    model.train()
    assert set(model(**batch)) == {"loss"}
    assert model.get_metrics() == {}


def test_training_metrics_on_request() -> None:
    model, batch = build(GOLD, TEXTS, training_metrics=True)
    model.train()
    model(**batch)
    assert "seqeval/micro_f1" in model.get_metrics()


def test_a_type_unseen_in_training_stays_in_the_gold() -> None:
    model, batch = build(GOLD, TEXTS)
    batch["metadata"][1]["entities"] = [{"start": 0, "end": 1, "type": "movie"}]
    model.eval()
    model(**batch)
    assert model.get_metrics(reset=True)["gold"] == 4.0


def test_unlabelled_data_are_not_evaluated() -> None:
    model, batch = build(GOLD, TEXTS)
    model.eval()
    del batch["entities"]
    model(**batch)
    with pytest.raises(DataError, match="labelled data"):
        model.get_metrics(reset=True)
    assert model.get_metrics(reset=True)["gold"] == 0.0


def test_thresholds() -> None:
    model, batch = build(GOLD, TEXTS, thresholds={"name": 1.1}, decoding="nested")
    fit(model, batch)
    assert {entity.type for entity in model(**batch)["entities"][0]} == {"address", "organization"}
    with pytest.raises(ConfigError, match=r"did you mean 'address'"):
        build(GOLD, TEXTS, thresholds={"adress": 0.5})


@pytest.mark.parametrize(
    "overrides, message",
    [
        ({"decoding": "viterbi"}, "model.decoding"),
        ({"metrics": [{"type": "categorical_accuracy"}]}, "seqeval, cluener or typed_span_f1"),
    ],
)
def test_settings_that_do_not_exist_are_named(overrides: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(GOLD, TEXTS, **overrides)


def test_training_data_without_entities_are_an_error() -> None:
    with pytest.raises(ConfigError, match="no entity"):
        build([[], []], TEXTS)


def test_scores_that_are_not_numbers_name_the_sentence() -> None:
    model, batch = build(GOLD, TEXTS)
    model.eval()
    with torch.no_grad():
        model.scorer.weight.fill_(float("nan"))
    with pytest.raises(Exception, match="sentence"):
        model(**batch)


@pytest.mark.parametrize("dtype", [torch.bfloat16])
def test_under_autocast_the_loss_is_float32(dtype: torch.dtype) -> None:
    model, batch = build(GOLD, TEXTS)
    with torch.autocast("cpu", dtype=dtype):
        loss = model(**batch)["loss"]
    assert loss.dtype == torch.float32 and torch.isfinite(loss)


def test_an_empty_text_has_no_entities() -> None:
    model, _ = build(GOLD, TEXTS)
    reader = CluenerReader()
    instances = [reader.text_to_instance(text) for text in ("", "张三")]
    for instance in instances:
        reader.apply_token_indexers(instance)
    outputs = model.eval().forward_on_instances(instances)
    assert outputs[0]["entities"] == [] and outputs[0]["text"] == ""
