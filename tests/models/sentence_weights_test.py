"""Weights of sentences: from a file to the loss of every head, against batches in which a sentence stands twice."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from allennlp.common import Params
from toy_models import GOLD, TEXTS, batch_of, build, instances_of

from ner_plugins.dataset_readers import CluenerReader
from ner_plugins.errors import ConfigError
from ner_plugins.heads.head import Head
from ner_plugins.heads.tags import TagsHead
from ner_plugins.models.sentence_weights import SentenceWeights
from ner_plugins.modules.losses.weighted_loss import WeightedLoss
from ner_plugins.training.regularisers.r_drop import RDropCallback

CONFIGS = Path(__file__).resolve().parents[2] / "training_config"
REDUCTIONS = ("batch", "cells", "positives")
LOSSES = ("cross_entropy", "focal", "dice", "multi_label", "boundary_smoothing")
SPANS: dict[str, dict[str, Any]] = {
    "biaffine": {"type": "biaffine", "projection": {"dim": 4}},
    "pairs": {"type": "pairs", "width_dim": 2},
    "pointer": {"type": "pointer"},
}
HEADS: dict[str, dict[str, Any]] = {
    **{f"crf-{one}": {"type": "tags", "reduction": one} for one in ("mean", "token_mean", "sum")},
    **{
        f"{name}-{loss}-{reduction}": {**options, "loss": {"type": loss, "reduction": reduction}}
        for (name, options), loss, reduction in itertools.product(SPANS.items(), LOSSES, REDUCTIONS)
        if name != "pointer" or loss not in ("multi_label", "boundary_smoothing")
    },
    "softmax-dice": {"type": "tags", "decoder": "softmax", "loss": {"type": "dice"}},
    "softmax": {"type": "tags", "decoder": "softmax"},
}
MASK = torch.arange(5) < torch.tensor([[5], [3], [4]])
ENTITIES = torch.tensor([[[0, 2, 1], [3, 4, 0]], [[1, 2, 0], [-1, -1, -1]], [[-1, -1, -1]] * 2])


def made(name: str) -> tuple[Head, Any]:
    torch.manual_seed(3)
    head = Head.from_params(Params({**HEADS[name]}), encoding_dim=6, types=["address", "name"]).double().train()
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return head, torch.randn(3, 5, 6, dtype=torch.float64).masked_fill(~MASK.unsqueeze(-1), 0.0)


def rows_of(*places: int) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda tensor: tensor[torch.tensor(places)]


@pytest.mark.parametrize("name", HEADS)
def test_a_weight_of_two_is_a_sentence_that_stands_twice(name) -> None:
    head, encoded = made(name)
    twice = rows_of(0, 1, 1, 2, 2, 2)
    expected = head.weighted_loss(head(twice(encoded), twice(MASK)), twice(ENTITIES), twice(MASK))
    found = head.weighted_loss(head(encoded, MASK), ENTITIES, MASK, torch.tensor([1.0, 2.0, 3.0]))
    assert found.loss.item() == pytest.approx(expected.loss.item(), rel=1e-12)
    assert found.number.item() == expected.number.item()
    learning = [one for one in head.parameters() if one.requires_grad]
    gradients = [torch.autograd.grad(one.loss, learning, allow_unused=True) for one in (found, expected)]
    for one, other in zip(*gradients, strict=True):
        assert (one is None and other is None) or torch.allclose(one, other, atol=1e-12)


@pytest.mark.parametrize("name", HEADS)
def test_weights_below_one_are_a_mean_too(name) -> None:
    """All of one size change nothing but a sum; a sentence with the weight 0 is not there."""
    head, encoded = made(name)
    scores = head(encoded, MASK)
    plain = head.weighted_loss(scores, ENTITIES, MASK).loss.item()
    fourth = head.weighted_loss(scores, ENTITIES, MASK, torch.full((3,), 0.25)).loss.item()
    if "dice" in name:
        assert fourth < plain or fourth > 0  # its smoothing term has no weight
    else:
        assert fourth == pytest.approx(plain * (0.25 if name == "crf-sum" else 1.0), rel=1e-9)
    some = rows_of(0, 2)
    without = head.weighted_loss(head(some(encoded), some(MASK)), some(ENTITIES), some(MASK)).loss.item()
    zero = head.weighted_loss(scores, ENTITIES, MASK, torch.tensor([1.0, 0.0, 1.0])).loss.item()
    assert zero == pytest.approx(without, rel=1e-9)
    nothing = head.weighted_loss(scores, ENTITIES, MASK, torch.zeros(3))
    assert nothing.loss.item() == 0.0 and nothing.number.item() == 0.0


@pytest.mark.parametrize("name", HEADS)
def test_divergences_are_weighted_alike(name) -> None:
    head, encoded = made(name)
    other = encoded + 0.3 * torch.randn_like(encoded).masked_fill(~MASK.unsqueeze(-1), 0.0)
    scores, others = head(encoded, MASK), head(other, MASK)
    parts = [
        head.divergence(head(encoded[row], MASK[row]), head(other[row], MASK[row]), ENTITIES[row], MASK[row]).item()
        for row in (slice(0, 1), slice(1, 2), slice(2, 3))
    ]
    found = head.divergence(scores, others, ENTITIES, MASK, torch.tensor([0.5, 3.0, 1.0])).item()
    assert found == pytest.approx(0.5 * parts[0] + 3 * parts[1] + parts[2], rel=1e-9)


class LossAlone(TagsHead):
    """A head of a user, which has no `weighted_loss`."""

    weighted_loss = Head.weighted_loss

    def loss(self, scores: torch.Tensor, entities: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.crf(scores, self.tag_set.targets(entities, mask), mask)


class OfBefore(TagsHead):
    """A head of a user, whose `weighted_loss` has no weights."""

    def weighted_loss(  # type: ignore[override]
        self, scores: Any, entities: torch.Tensor, mask: torch.Tensor
    ) -> WeightedLoss:
        return super().weighted_loss(scores, entities, mask)


def test_a_head_with_nothing_but_a_loss_has_weights() -> None:
    torch.manual_seed(2)
    own = LossAlone(6, ["address", "name"]).double()
    encoded, weights = torch.randn(3, 5, 6, dtype=torch.float64), torch.tensor([0.5, 2.0, 1.0])
    scores = own(encoded, MASK)
    found = own.weighted_loss(scores, ENTITIES, MASK, weights)
    expected = TagsHead.weighted_loss(own, scores, ENTITIES, MASK, weights)
    assert found.loss.item() == pytest.approx(expected.loss.item(), rel=1e-12) and found.number == expected.number


def test_a_head_without_weights_is_named() -> None:
    model, batch = build(CONFIGS / "crf_tagger.jsonnet", GOLD, TEXTS)
    model.head = OfBefore(model.encoding_dim, model.types)
    assert model(**batch)["loss"].isfinite()
    batch["metadata"][0]["weight"] = 2.0
    with pytest.raises(ConfigError, match="head OfBefore has no parameter `weights`"):
        model(**batch)


def weighted(texts: list[str], weights: list[float], model: Any) -> dict[str, Any]:
    gold = [GOLD[TEXTS.index(text)] for text in texts]
    batch = batch_of(instances_of(texts, gold), model.vocab)
    for metadata, weight in zip(batch["metadata"], weights, strict=True):
        metadata["weight"] = weight
    return batch


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("name", ["crf_tagger", "crf_tagger_softmax", "biaffine", "span_pointer"])
def test_the_model_weighs_its_sentences(name, samples) -> None:
    model, _ = build(CONFIGS / f"{name}.jsonnet", GOLD, TEXTS, dropout_samples=samples)
    model.train()
    for part in model.children():  # without dropout
        part.eval()
    found = model(**weighted(TEXTS, [1.0, 2.0], model))
    expected = model(**weighted([TEXTS[0], TEXTS[1], TEXTS[1]], [1.0] * 3, model))
    assert found["loss"].item() == pytest.approx(expected["loss"].item(), rel=1e-5)
    assert found["loss_weight"].item() == expected["loss_weight"].item()


def test_weights_of_one_are_no_weights() -> None:
    """So that the loss is the same to the last bit."""
    metadata: list[dict[str, Any]] = [{}, {"weight": 1.0}]
    assert SentenceWeights()(metadata, torch.device("cpu"), training=True) is None


def test_r_drop_weighs_its_divergence() -> None:
    model, _ = build(CONFIGS / "crf_tagger.jsonnet", GOLD, TEXTS)
    model.train()

    def loss(texts: list[str], weights: list[float], alpha: float) -> float:
        batch = weighted(texts, weights, model)
        passes = iter([1, 2])

        def forward() -> dict[str, Any]:
            shift = 0.1 * next(passes)  # in place of dropout, which would differ between the batches
            handle = model.dropout.register_forward_hook(lambda module, inputs, output: inputs[0] + shift)
            outputs: dict[str, Any] = model(**batch)
            handle.remove()
            return outputs

        found = RDropCallback("", alpha=alpha).outputs(SimpleNamespace(model=model), batch, forward)
        return float(found["loss"].item())

    for alpha in (1e-9, 50.0):
        twice = loss([TEXTS[0], TEXTS[1], TEXTS[1]], [1.0] * 3, alpha)
        assert loss(TEXTS, [1.0, 2.0], alpha) == pytest.approx(twice, rel=1e-5)
    assert loss(TEXTS, [1.0, 2.0], 50.0) != pytest.approx(loss(TEXTS, [1.0, 2.0], 1e-9), rel=1e-5)


def test_weights_come_from_the_file(tmp_path) -> None:
    lines = [{"text": "林晓彤来了", "label": {}, "weight": 0.25}, {"text": "下雨了", "label": {}}]
    file = tmp_path / "train.json"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    metadata = [instance["metadata"].metadata for instance in CluenerReader().read(str(file))]
    assert metadata[0]["weight"] == 0.25 and "weight" not in metadata[1]
    found = SentenceWeights()(metadata, torch.device("cpu"))
    assert found is not None and found.tolist() == [0.25, 1.0]
