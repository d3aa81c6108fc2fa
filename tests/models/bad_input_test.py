"""What every head does with input that has nothing for it, or that no head can bear."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from allennlp.models import Model
from toy_models import GOLD, TEXTS, batch_of, build, fit, found, instances_of

from ner_plugins.entities import Entity
from ner_plugins.errors import DataError, NerError

EXPERIMENTS = Path(__file__).resolve().parents[2] / "fixtures/experiments"
HEADS = {
    "biaffine": ("biaffine.json", {}),
    "pair_ffn": ("biaffine.json", {"scorer": {"type": "pair_ffn", "width_features": "bucketed"}}),
    "pointer": ("span.json", {"head": "pointer"}),
    "pointer-hard": ("span.json", {"head": {"type": "pointer", "conditioning": "hard"}}),
    "pointer-published": ("span.json", {"head": "pointer", "decoding": "published"}),
    "efficient_global_pointer": ("span.json", {"head": "efficient_global_pointer"}),
    "enumeration": ("span.json", {"head": "enumeration"}),
    "dense": ("span.json", {"head": "dense"}),
    "crf": ("crf_tagger.json", {"decoder": "crf"}),
    "softmax": ("crf_tagger.json", {"decoder": "softmax"}),
}


@pytest.fixture(params=HEADS)
def make(request: pytest.FixtureRequest) -> Any:
    """`toy_models.build` for a head."""
    experiment, overrides = HEADS[request.param]
    return partial(build, EXPERIMENTS / experiment, **overrides)


def step(model: Model, batch: dict[str, Any]) -> torch.Tensor:
    """The loss of a training step, whose gradients are numbers."""
    model.train()
    model.zero_grad()
    loss = model(**batch)["loss"]
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    return loss


def test_a_type_unseen_in_training_is_gold_that_is_missed(make: Any) -> None:
    model, batch = make([[Entity(0, 2, "name")], []], TEXTS)
    fit(model, batch)
    unseen = batch_of(instances_of(TEXTS, [[Entity(0, 2, "name"), Entity(3, 7, "movie")], []]), model.vocab)
    model.get_metrics(reset=True)
    assert found(model, unseen) == [(0, 2, "name")]
    torch.testing.assert_close(model(**unseen)["loss"], model(**batch)["loss"])
    model.get_metrics(reset=True)
    model(**unseen)
    metrics = model.get_metrics(reset=True)
    assert (metrics["gold"], metrics["unreachable_gold"]) == (2.0, 1.0)
    assert metrics["typed_span_f1/micro_recall"] == 0.5


def test_a_batch_without_entities(make: Any) -> None:
    model, _ = make(GOLD, TEXTS)
    batch = batch_of(instances_of(TEXTS, [[], []]), model.vocab)
    assert batch["entities"].shape == (2, 0, 3)
    assert step(model, batch) > 0
    fit(model, batch, steps=60)
    assert found(model, batch) == found(model, batch, 1) == []


def test_texts_of_one_token_and_of_none(make: Any) -> None:
    gold = [[Entity(0, 1, "name")], []]
    model, batch = make(gold, ["张", "三"])
    fit(model, batch)
    assert (found(model, batch), found(model, batch, 1)) == ([(0, 1, "name")], [])
    longer = instances_of(["", "张", TEXTS[0]])
    assert [output["entities"] for output in model.forward_on_instances(longer)][:2] == [
        [], model.forward_on_instances(longer[1:2])[0]["entities"]
    ]
    nothing = batch_of(instances_of(["", ""], [[], []]), model.vocab)
    step(model, nothing)


def test_rows_that_are_masked_altogether(make: Any) -> None:
    model, batch = make(GOLD, TEXTS)
    fit(model, batch, steps=30)
    mask = torch.arange(9) < torch.tensor([[9], [0]])
    encoded = model.encode(batch["tokens"], mask).detach()
    alone = model.head.decode(model.score(encoded[:1], mask[:1]), mask[:1]).to_entities(1)
    loss_alone = model.head.loss(model.score(encoded[:1], mask[:1]), batch["entities"][:1], mask[:1])
    # What attention gives where there is nothing to attend to.
    encoded[1] = float("nan")
    encoded.requires_grad_()
    scores = model.score(encoded, mask)
    assert model.head.decode(scores, mask).to_entities(2) == [*alone, []]
    loss = model.head.loss(scores, batch["entities"], mask)
    loss.backward()
    assert min(abs(loss - loss_alone), abs(2 * loss - loss_alone)) < 1e-5 * loss_alone  # as it is reduced
    assert encoded.grad[0].abs().sum() > 0 and (encoded.grad[1] == 0).all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("number", ["nan", "inf"])
def test_vectors_that_are_not_numbers_name_the_sentence(
    make: Any, number: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, batch = make(GOLD, TEXTS)
    contextualise = model.contextualise

    def contextualise_badly(*args: Any) -> torch.Tensor:
        vectors: torch.Tensor = contextualise(*args).clone()
        vectors[1, 1, 0] = float(number)
        return vectors

    monkeypatch.setattr(model, "contextualise", contextualise_badly)
    if number == "nan":  # of an infinity the loss may be infinite, which mixed precision copes with
        with pytest.raises(NerError, match=r"not numbers in sentence\(s\) 1 \(expected"):
            model.train()(**batch)
    with pytest.raises(NerError, match=r"not numbers in sentence\(s\) 1 \(expected"):
        model.eval()(**batch)


def test_an_overflow_of_half_precision_names_the_sentence(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = make(GOLD, TEXTS)
    contextualise = model.contextualise
    much = torch.tensor([1.0, 1e6]).view(2, 1, 1)
    monkeypatch.setattr(model, "contextualise", lambda *args: contextualise(*args).float() * much)
    model.eval()
    assert model(**batch)["loss"].isfinite()  # float32 holds these scores
    with torch.autocast("cpu", torch.float16), pytest.raises(NerError, match=r"sentence\(s\) 1 \(expected"):
        model(**batch)


def test_unlabelled_data_are_not_evaluated(make: Any) -> None:
    model, batch = make(GOLD, TEXTS)
    model.eval()
    del batch["entities"]
    model(**batch)
    with pytest.raises(DataError, match="labelled data"):
        model.get_metrics(reset=True)


@pytest.mark.parametrize("name", [name for name in HEADS if HEADS[name][0] != "crf_tagger.json"])
def test_a_width_larger_than_every_text(name: str) -> None:
    experiment, overrides = HEADS[name]
    flat = [[Entity(0, 9, "book")], [Entity(1, 3, "name")]]
    model, batch = build(EXPERIMENTS / experiment, flat, TEXTS, **overrides, max_span_width=500)
    fit(model, batch, steps=200)
    assert (found(model, batch), found(model, batch, 1)) == ([(0, 9, "book")], [(1, 3, "name")])
    assert model.get_metrics(reset=True)["unreachable_gold"] == 0.0
