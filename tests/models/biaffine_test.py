from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import toy_models
from allennlp.common.testing import ModelTestCase
from toy_models import GOLD, TEXTS, fit

from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError
from ner_plugins.heads.biaffine import BiaffineHead
from ner_plugins.models.offsets import in_tokens

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


build = partial(toy_models.build, EXPERIMENT)


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


def test_much_unreachable_gold_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    model, batch = build(GOLD, TEXTS, max_span_width=1)
    model.eval()
    for _ in range(2):
        model(**batch)
        model.get_metrics(reset=True)
    [message] = [record.getMessage() for record in caplog.records if "out of this model's reach" in record.message]
    assert "max_span_width" in message


def test_gold_cut_by_a_token_is_unreachable() -> None:
    offsets = [(0, 2), (2, 5)]
    found = in_tokens([Entity(0, 2, "a"), Entity(1, 5, "b"), Entity(0, 5, "c")], offsets, "张三在北京")
    assert list(found.values()) == [
        Entity(0, 1, "a"),
        Entity(0, 2, "c"),
    ]


def test_training_steps_neither_decode_nor_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = build(GOLD, TEXTS)
    monkeypatch.setattr(BiaffineHead, "decode", lambda *_: pytest.fail("decoded in a training step"))
    model.train()
    assert set(model(**batch)) == {"loss", "loss_weight"}
    assert model.get_metrics() == {}


def test_training_metrics_on_request() -> None:
    model, batch = build(GOLD, TEXTS, training_metrics=True)
    model.train()
    model(**batch)
    assert "seqeval/micro_f1" in model.get_metrics()


def test_thresholds() -> None:
    model, batch = build(GOLD, TEXTS, decoding="nested")
    model.thresholds[model.types.index("name")] = 1.1  # more than any probability
    fit(model, batch)
    assert {entity.type for entity in model(**batch)["entities"][0]} == {"address", "organization"}
    with pytest.raises(ConfigError, match=r"did you mean 'address'"):
        build(GOLD, TEXTS, thresholds={"adress": 0.5})


@pytest.mark.parametrize(
    "overrides, message",
    [
        ({"decoding": "viterbi"}, 'model.decoding is "viterbi"'),
        ({"decoding_score": "best"}, 'model.decoding_score is "best".*margin, logit or probability'),
        ({"metrics": [{"type": "categorical_accuracy"}]}, "seqeval, cluener or typed_span_f1"),
    ],
)
def test_settings_that_do_not_exist_are_named(overrides: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(GOLD, TEXTS, **overrides)


def test_training_data_without_entities_are_an_error() -> None:
    with pytest.raises(ConfigError, match="no entity"):
        build([[], []], TEXTS)


BOUNDARY = {"type": "boundary_smoothing", "epsilon": 0.1, "loss": {"type": "focal", "gamma": 1.0}}


PAIR = {"type": "pair_ffn", "width_features": "bucketed"}
FEW = {"type": "per_positive", "negatives": 5}


@pytest.mark.parametrize(
    "scorer, loss, sampling",
    [
        ("biaffine", "focal", None),
        ("biaffine", "dice", None),
        ({"width_features": "exact"}, "dice", {"type": "ratio", "probability": 0.5}),
        ("biaffine", BOUNDARY, FEW),
        (PAIR, "cross_entropy", FEW),
        (PAIR, "dice", None),
    ],
)
def test_it_learns_with_each_scorer_loss_and_sampling(scorer: Any, loss: Any, sampling: Any) -> None:
    sampled = {} if sampling is None else {"negative_sampling": sampling}
    model, batch = build(GOLD, TEXTS, decoding="nested", scorer=scorer, loss=loss, **sampled)
    fit(model, batch, steps=120)
    found = [[(e.start, e.end, e.type) for e in sentence] for sentence in model(**batch)["entities"]]
    assert found == [[(0, 2, "name"), (3, 5, "address"), (3, 7, "organization")], []]


def test_the_head_of_bert4ner_has_no_projections() -> None:
    model, _ = build(GOLD, TEXTS, scorer="pair_ffn", projection={"depth": 0})
    names = {name for name, _ in model.named_parameters() if not name.startswith(("text_field", "encoder"))}
    assert names == {f"head.scorer.{layer}.{kind}" for layer in ("hidden", "output") for kind in ("weight", "bias")}
    assert model.head.scorer.hidden.weight.shape == (12, 24)


def test_the_parameters_of_the_head_are_under_its_name() -> None:
    model, _ = build(GOLD, TEXTS)
    assert {name.partition(".")[0] for name in model.state_dict()} == {"text_field_embedder", "encoder", "head"}
    assert [name for name in model.state_dict() if "scorer" in name] == ["head.scorer.weight"]


def test_negatives_are_sampled_in_training_alone() -> None:
    model, batch = build(GOLD, TEXTS, negative_sampling={"type": "ratio", "probability": 0.2})
    complete, _ = build(GOLD, TEXTS)
    model.train(), complete.train()
    losses = {round(model(**batch)["loss"].item(), 4) for _ in range(5)}
    assert len(losses) > 1 and max(losses) < complete(**batch)["loss"].item()
    model.eval(), complete.eval()
    torch.testing.assert_close(model(**batch)["loss"], complete(**batch)["loss"])


def test_under_autocast_the_loss_is_float32() -> None:
    model, batch = build(GOLD, TEXTS)
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(**batch)["loss"]
    assert loss.dtype == torch.float32 and torch.isfinite(loss)
