import itertools
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import toy_models
from allennlp.common import Params
from allennlp.common.testing import ModelTestCase
from allennlp.models import Model
from torch import Tensor
from toy_models import GOLD, TEXTS, fit, found

from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError
from ner_plugins.heads.decoding import MODES
from ner_plugins.heads.head import Head
from ner_plugins.heads.span_head import SpanHead

ROOT = Path(__file__).resolve().parents[2]
EXPERIMENT = ROOT / "fixtures/experiments/span.json"
POINTER, ENUMERATION, DENSE = {"type": "pointer"}, {"type": "enumeration"}, {"type": "dense"}
HEADS = [POINTER, {"type": "pointer", "conditioning": "hard"}, ENUMERATION, DENSE]

every_head = pytest.mark.parametrize("head", HEADS, ids=lambda head: "-".join(head.values()))


class TestSpanLikeEveryModel(ModelTestCase):
    def setup_method(self) -> None:
        super().setup_method()
        self.set_up_model(str(EXPERIMENT), str(ROOT / "fixtures/cluener/train.json"))

    @pytest.mark.parametrize("head", ["pointer", "enumeration", "dense"])
    def test_it_can_train_save_and_load(self, head: str) -> None:
        overrides = json.dumps({"model.head.type": head})
        self.ensure_model_can_train_save_and_load(str(EXPERIMENT), cuda_device=-1, overrides=overrides)

    @pytest.mark.parametrize("head", ["pointer", "enumeration", "dense"])
    def test_padding_does_not_leak(self, head: str) -> None:
        params = Params.from_file(EXPERIMENT, json.dumps({"model.head.type": head})).pop("model")
        self.model = Model.from_params(params, vocab=self.vocab)
        self.ensure_batch_predictions_are_consistent()


build = partial(toy_models.build, EXPERIMENT, max_span_width=None)
FLAT = [(0, 2, "name"), (3, 7, "organization")]


@every_head
def test_it_learns_flat_entities(head: dict) -> None:
    flat = [[entity for entity in GOLD[0] if entity.type != "address"], []]
    model, batch = build(flat, TEXTS, head=head)
    fit(model, batch)
    for decoding in model.head.decodings:
        model.head.decoding = decoding
        assert found(model, batch) == FLAT
        assert found(model, batch, 1) == []
        assert all(0.5 < entity.score <= 1.0 for entity in model(**batch)["entities"][0])
    # And of these what is likely enough.
    model.thresholds[model.types.index("name")] = 1.1
    for decoding in model.head.decodings:
        model.head.decoding = decoding
        assert found(model, batch) == [FLAT[1]]


@pytest.mark.parametrize("head", [ENUMERATION, DENSE], ids=lambda head: head["type"])
def test_it_learns_nested_entities(head: dict) -> None:
    model, batch = build(GOLD, TEXTS, head=head, decoding="nested")
    fit(model, batch)
    assert found(model, batch) == [(0, 2, "name"), (3, 5, "address"), (3, 7, "organization")]


def test_the_pointer_learns_the_longest_of_nested_entities() -> None:
    model, batch = build(GOLD, TEXTS, head=POINTER)
    fit(model, batch)
    assert found(model, batch) == FLAT
    model.get_metrics(reset=True)
    model(**batch)
    metrics = model.get_metrics(reset=True)
    assert (metrics["gold"], metrics["unreachable_gold"]) == (3.0, 1.0)
    assert metrics["typed_span_f1/micro_recall"] == pytest.approx(2 / 3)


def test_an_entity_of_the_pointer_carries_the_product_of_its_ends() -> None:
    model, batch = build(GOLD, TEXTS, head=POINTER)
    fit(model, batch, steps=30)
    mask = torch.arange(9) < torch.tensor([[9], [3]])
    with torch.no_grad():
        scores = model.score(model.encode(batch["tokens"], mask), mask)
        starts, ends = scores.start.softmax(-1), model.head.end_logits(scores).softmax(-1)
        entities = model(**batch)["entities"][0]
    assert entities
    for e in entities:
        label = 1 + model.types.index(e.type)
        assert abs(float(starts[0, e.start, label] * ends[0, e.end - 1, label]) - e.score) < 1e-5


@every_head
def test_wider_gold_is_missed_and_counted(head: dict) -> None:
    wide = [[Entity(2, 9, "book"), Entity(0, 2, "name")], []]
    model, batch = build(wide, TEXTS, head=head, max_span_width=4)
    fit(model, batch)
    assert found(model, batch) == [(0, 2, "name")]
    model.get_metrics(reset=True)
    model(**batch)
    metrics = model.get_metrics(reset=True)
    assert (metrics["gold"], metrics["unreachable_gold"]) == (2.0, 1.0)
    assert metrics["typed_span_f1/micro_recall"] == 0.5


def test_without_a_width_the_pointer_has_no_limit_and_the_others_the_published_one() -> None:
    text, gold = "一二三四五六七八九十百千", [[Entity(0, 12, "book"), Entity(0, 10, "book")]]
    # The published ReLU layer is as large as the token vectors: here 12 units, of which too many die.
    for head, reached in ((POINTER, (0, 12)), ({**ENUMERATION, "hidden_dim": 48}, (0, 10))):
        loss = {"type": "cross_entropy", "reduction": "positives"}
        model, batch = build(gold, [text], head=head, max_span_width=None, loss=loss)
        assert [(e.start, e.end) for e in model.head.reachable(gold[0])] == [reached]
        fit(model, batch)
        assert found(model, batch) == [(*reached, "book")]


@every_head
def test_each_loss_setting_reaches_the_head(head: dict) -> None:
    values = {}
    for reduction in ("cells", "batch"):
        loss = {"type": "cross_entropy", "reduction": reduction}
        model, batch = build(GOLD, TEXTS, head=head, loss=loss)
        values[reduction] = model(**batch)["loss"].item()
    # 9 and 3 tokens, or their spans: all are narrower than 10.
    cells = 12 if head["type"] == "pointer" else 45 + 6
    assert values["batch"] == pytest.approx(values["cells"] * cells / 2, rel=1e-4)
    model, batch = build(GOLD, TEXTS, head=head)
    assert model(**batch)["loss"].item() == pytest.approx(values["cells"])


@pytest.mark.parametrize(
    "head, loss",
    [
        *itertools.product([POINTER, ENUMERATION, DENSE], ["focal", "dice"]),
        *itertools.product([ENUMERATION, DENSE], ["boundary_smoothing"]),
    ],
)
def test_every_loss_trains_every_head_it_is_for(head: dict, loss: str) -> None:
    sampling = {"type": "per_positive", "negatives": 3}
    model, batch = build(GOLD, TEXTS, head=head, loss={"type": loss}, negative_sampling=sampling)
    model(**batch)["loss"].backward()
    assert all(p.grad.isfinite().all() and p.grad.any() for p in model.head.parameters())


@every_head
def test_negative_sampling_leaves_cells_out_in_training_only(head: dict) -> None:
    sums = []
    for sampling in (None, {"type": "per_positive", "negatives": 1, "at_least": 0}):
        loss = {"type": "cross_entropy", "reduction": "batch"}
        model, batch = build(GOLD, TEXTS, head=head, loss=loss, negative_sampling=sampling)
        sums.append([model.train(mode)(**batch)["loss"].item() for mode in (True, False)])
    assert sums[1][0] < 0.7 * sums[0][0]
    assert sums[1][1] == pytest.approx(sums[0][1])


@pytest.mark.parametrize(
    "overrides, message",
    [
        ({"head": POINTER, "decoding": "nested"}, r'decoding is "nested"; .*flat_optimal or published'),
        ({"head": ENUMERATION, "decoding": "published"}, r'decoding is "published"; .*nested'),
        ({"head": DENSE, "decoding_score": "best"}, r'model.decoding_score is "best".*margin, logit or probability'),
        ({"head": DENSE, "max_span_width": 0}, "max_span_width must be >= 1"),
        ({"head": POINTER, "loss": {"type": "boundary_smoothing"}}, "this head scores tokens"),
    ],
)
def test_settings_that_do_not_exist_are_named(overrides: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(GOLD, TEXTS, **overrides)


def test_a_head_of_the_users_own_has_to_score_a_band_and_no_more() -> None:
    @Head.register("first_and_last", exist_ok=True)
    class FirstAndLast(SpanHead):
        def __init__(self, encoding_dim: int, types: list[str], scale: float, **kwargs: Any) -> None:
            super().__init__(encoding_dim, types, **kwargs)
            self.first, self.last = (torch.nn.Linear(encoding_dim, self.num_classes) for _ in range(2))
            self.scale = scale

        def score(self, encoded: Tensor, mask: Tensor) -> Tensor:
            width = self.band_width(encoded.size(1))
            last = torch.nn.functional.pad(self.last(encoded), (0, 0, 0, width - 1)).unfold(1, width, 1)
            return self.scale * (self.first(encoded).unsqueeze(2) + last.transpose(2, 3))

    flat = [[GOLD[0][0]], []]
    model, batch = build(flat, TEXTS, head={"type": "first_and_last", "scale": 2.0})
    fit(model, batch)
    for decoding in MODES:
        model.head.decoding = decoding
        assert found(model, batch) == [(0, 2, "name")]
