import itertools
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import torch
import toy_models
from allennlp.common.testing import ModelTestCase
from toy_models import TEXTS

from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError, NerError
from ner_plugins.models.named import CrfTagger
from ner_plugins.tag_schemes import SCHEMES, tags_to_spans

ROOT = Path(__file__).resolve().parents[2]
EXPERIMENT = ROOT / "fixtures/experiments/crf_tagger.json"


class TestCrfTaggerLikeEveryModel(ModelTestCase):
    def setup_method(self) -> None:
        super().setup_method()
        self.set_up_model(str(EXPERIMENT), str(ROOT / "fixtures/cluener/train.json"))

    def test_it_can_train_save_and_load(self) -> None:
        self.ensure_model_can_train_save_and_load(str(EXPERIMENT), cuda_device=-1)

    def test_padding_does_not_leak(self) -> None:
        self.ensure_batch_predictions_are_consistent()


def build(entities: list[list[Entity]], texts: list[str], **overrides: Any) -> tuple[CrfTagger, dict]:
    """A model over the given gold, and the batch of its sentences."""
    return toy_models.build(EXPERIMENT, entities, texts, **overrides)


GOLD = [[Entity(0, 2, "name"), Entity(3, 7, "organization"), Entity(8, 9, "book")], []]


def fit(model: CrfTagger, batch: dict, steps: int = 100) -> None:
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.03)
    for _ in range(steps):
        optimizer.zero_grad()
        model(**batch)["loss"].backward()
        optimizer.step()
    model.eval()


def found(model: CrfTagger, batch: dict) -> list[list[Entity]]:
    return [list(sentence) for sentence in model(**batch)["entities"]]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("decoder", ["crf", "softmax"])
@pytest.mark.parametrize("tag_head", ["joint", "factored"])
def test_it_learns_with_every_scheme(scheme: str, decoder: str, tag_head: str) -> None:
    model, batch = build(GOLD, TEXTS, scheme=scheme, decoder=decoder, tag_head=tag_head)
    fit(model, batch)
    assert found(model, batch) == GOLD
    assert all(0.5 < entity.score <= 1.0 for entity in model(**batch)["entities"][0])


SOFTMAX = {"decoder": "softmax", "scheme": "BIO"}


@pytest.mark.parametrize(
    "options",
    [
        {"constrain": False},
        {"constrain_training": True},
        {"use_start_end": False, "reduction": "token_mean"},
        {"reduction": "sum", "encoder": None},
        {"encoder": {"type": "gru", "hidden_size": 6, "bidirectional": True}},
        {**SOFTMAX, "loss": "focal"},
        {**SOFTMAX, "loss": {"type": "dice", "reduction": "cells"}},
        {**SOFTMAX, "loss": {"type": "cross_entropy", "reduction": "positives", "label_smoothing": 0.05}},
        {**SOFTMAX, "negative_sampling": {"type": "ratio", "probability": 0.7}},
    ],
)
def test_it_learns_with_each_option(options: dict) -> None:
    model, batch = build(GOLD, TEXTS, **options)
    fit(model, batch, steps=150)
    assert found(model, batch) == GOLD


def taggings(model: CrfTagger, emissions: torch.Tensor) -> dict[tuple[str, ...], float]:
    """The probability of each tagging that the scheme allows, by enumeration."""
    allowed = model.head.tag_set.constraints()
    scores = {}
    for path in itertools.product(range(len(model.head.tag_set)), repeat=len(emissions)):
        steps = itertools.pairwise(path)
        if not (allowed.start[path[0]] and allowed.end[path[-1]] and all(allowed.transitions[a, b] for a, b in steps)):
            continue
        score = sum(emissions[i, tag] for i, tag in enumerate(path))
        score += sum(model.head.crf.transitions[a, b] for a, b in itertools.pairwise(path))
        if model.head.crf.start_scores is not None:
            score += model.head.crf.start_scores[path[0]] + model.head.crf.end_scores[path[-1]]
        scores[tuple(model.head.tag_set.tags[tag] for tag in path)] = float(score)
    weights = torch.tensor(list(scores.values()), dtype=torch.float64).softmax(0)
    return dict(zip(scores, weights.tolist(), strict=True))


@pytest.mark.parametrize("scheme", ["BIO", "BIOES"])
@pytest.mark.parametrize("decoder", ["crf", "softmax"])
def test_it_predicts_the_best_tagging_and_scores_are_probabilities(scheme: str, decoder: str) -> None:
    gold = [[Entity(0, 2, "name")], [Entity(1, 2, "book")]]
    model, batch = build(gold, ["张三在", "在北京大"], scheme=scheme, decoder=decoder)
    fit(model, batch, steps=4)
    mask = torch.tensor([[True] * 3 + [False], [True] * 4])
    with torch.no_grad():
        torch.nn.init.normal_(model.head.tag_projection.bias)
        model.head.tag_projection.bias[0] = -4.0  # so that there is something to find
        if decoder == "crf":
            torch.nn.init.normal_(model.head.crf.transitions)
        emissions = model.score(model.encode(batch["tokens"], mask), mask)
        predicted = model(**batch)["entities"]
        for row, entities in enumerate(predicted):
            shares = taggings(model, emissions[row, mask[row]])
            best = max(shares, key=lambda tags: shares[tags])
            assert [(e.start, e.end, e.type) for e in entities] == tags_to_spans(best, scheme)
            mass: dict[tuple[int, int, str], float] = defaultdict(float)
            for tags, share in shares.items():
                for span in tags_to_spans(tags, scheme):
                    mass[span] += share
            for e in entities:
                assert abs(mass[e.start, e.end, e.type] - e.score) < 1e-4
    assert any(predicted)


@pytest.mark.parametrize("reduction, of_sentence", [("mean", 0.5), ("sum", 1.0), ("token_mean", 1 / 12)])
def test_the_loss_is_the_likelihood_of_the_gold_tags(reduction: str, of_sentence: float) -> None:
    model, batch = build(GOLD, TEXTS, reduction=reduction)
    mask = torch.zeros(2, 9, dtype=torch.bool)
    mask[0], mask[1, :3] = True, True
    tags = model.head.tag_set.targets(batch["entities"], mask)
    emissions = model.score(model.encode(batch["tokens"], mask), mask)
    expected = -model.head.crf.log_likelihood(emissions, tags, mask).sum() * of_sentence
    torch.testing.assert_close(model(**batch)["loss"], expected)


def test_softmax_learns_each_token_by_itself() -> None:
    model, batch = build(GOLD, TEXTS, decoder="softmax", scheme="BIO")
    mask = torch.zeros(2, 9, dtype=torch.bool)
    mask[0], mask[1, :3] = True, True
    tags = model.head.tag_set.targets(batch["entities"], mask)
    logits = model.score(model.encode(batch["tokens"], mask), mask)
    expected = torch.nn.functional.cross_entropy(logits[mask], tags[mask])
    torch.testing.assert_close(model(**batch)["loss"], expected)
    model(**batch)["loss"].backward()
    assert all(parameter.grad is None for parameter in model.head.crf.parameters())


def test_overlapping_gold_is_unreachable_but_for_the_longest() -> None:
    nested = [[Entity(3, 7, "organization"), Entity(3, 5, "address"), Entity(0, 2, "name")], []]
    model, batch = build(nested, TEXTS)
    fit(model, batch)
    model.get_metrics(reset=True)
    assert found(model, batch)[0] == [Entity(0, 2, "name"), Entity(3, 7, "organization")]
    metrics = model.get_metrics(reset=True)
    assert (metrics["gold"], metrics["unreachable_gold"]) == (3.0, 1.0)
    assert metrics["typed_span_f1/micro_recall"] == pytest.approx(2 / 3)


def test_thresholds() -> None:
    model, batch = build(GOLD, TEXTS)
    model.thresholds[model.types.index("name")] = 1.1  # more than any probability
    fit(model, batch)
    assert found(model, batch) == [GOLD[0][1:], []]


def test_illegal_taggings_are_read_where_they_are_not_forbidden() -> None:
    """Without constraints I- after O begins an entity, as conlleval has it; with them it cannot be."""
    gold = [[Entity(0, 2, "name")]]
    for constrain, expected in ((False, [Entity(0, 3, "name")]), (True, [])):
        model, batch = build(gold, ["张三在"], scheme="BIO", constrain=constrain)
        model.eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.zero_()
            model.head.tag_projection.bias.copy_(torch.tensor([0.0, -9.0, 1.0]))  # of O, B, I
        assert found(model, batch) == [expected]


@pytest.mark.parametrize(
    "overrides, message",
    [
        ({"decoder": "viterbi"}, 'model.decoder is "viterbi".*crf or softmax'),
        ({"scheme": "BILOU2"}, "BILOU2"),
        ({"tag_head": "chunk"}, 'model.tag_head is "chunk".*joint or factored'),
        ({"reduction": "median"}, "median"),
        ({"decoder": "softmax", "reduction": "mean"}, "reduction has no effect with"),
        ({"decoder": "softmax", "constrain_training": True}, "constrain_training has no effect with"),
        ({"loss": "focal"}, "loss has no effect with"),
        ({"negative_sampling": {"type": "ratio", "probability": 0.5}}, "negative_sampling has no effect with"),
        ({"constrain": False, "constrain_training": True}, "needs constrain"),
        ({"decoder": "softmax", "loss": "boundary_smoothing"}, "scores tokens, not spans"),
        ({"encoder": {"type": "lstm", "input_size": 7, "hidden_size": 6}}, r"has input size 7, .* size 12"),
    ],
)
def test_settings_that_do_not_exist_are_named(overrides: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(GOLD, TEXTS, **overrides)


def test_an_encoder_with_its_size_said_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("WARNING", "allennlp.common.from_params"):
        build(GOLD, TEXTS, encoder={"type": "lstm", "input_size": 12, "hidden_size": 6})
        build(GOLD, TEXTS, encoder={"type": "gru", "hidden_size": 6})
    assert not caplog.records


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
def test_scores_that_are_not_numbers_name_the_sentence(decoder: str) -> None:
    model, batch = build(GOLD, TEXTS, decoder=decoder)
    model.eval()
    with torch.no_grad():
        model.head.tag_projection.weight[0, 0] = float("nan")
    with pytest.raises(NerError, match=r"sentence\(s\) 0, 1"):
        model(**batch)
    batch["metadata"][0]["source"] = "own.json:3"
    with pytest.raises(NerError, match=r"not numbers in sentence\(s\) own.json:3, 1 \(expected"):
        model.train()(**batch)  # where it would be the loss that is NaN


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
def test_an_overflow_of_half_precision_names_the_sentences(decoder: str) -> None:
    model, batch = build(GOLD, TEXTS, decoder=decoder)
    model.eval()
    with torch.no_grad():
        model.head.tag_projection.bias.fill_(1e5)
    model(**batch)  # float32 holds these scores
    with torch.autocast("cpu", torch.float16), pytest.raises(NerError, match=r"sentence\(s\) 0, 1"):
        model(**batch)


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
def test_under_autocast_the_loss_is_float32(decoder: str) -> None:
    model, batch = build(GOLD, TEXTS, decoder=decoder)
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(**batch)["loss"]
    assert loss.dtype == torch.float32 and torch.isfinite(loss)


def test_a_type_unseen_in_training_stays_in_the_gold() -> None:
    model, batch = build(GOLD, TEXTS)
    batch["metadata"][1]["entities"] = [{"start": 0, "end": 1, "type": "movie"}]
    model.eval()
    model(**batch)
    assert model.get_metrics(reset=True)["gold"] == 4.0


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
def test_an_empty_text_has_no_entities(decoder: str) -> None:
    model, _ = build(GOLD, TEXTS, decoder=decoder)
    outputs = model.eval().forward_on_instances(toy_models.instances_of(["", "张三"]))
    assert outputs[0]["entities"] == [] and outputs[0]["text"] == ""


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
def test_a_batch_of_masked_rows_has_a_loss_without_effect(decoder: str) -> None:
    model, _ = build(GOLD, TEXTS, decoder=decoder)
    encoded = torch.full((2, 4, 12), float("nan"), requires_grad=True)
    model.contextualise = lambda *_: encoded
    padding = {"tokens": {"tokens": torch.zeros(2, 4, dtype=torch.int64)}}
    metadata = [{"text": "", "id": row, "entities": [], "offsets": []} for row in range(2)]
    loss = model.train()(padding, metadata, torch.full((2, 1, 3), -1))["loss"]
    loss.backward()
    assert loss.item() == 0.0 and encoded.grad is not None and not encoded.grad.any()
    assert model.eval()(padding, metadata)["entities"] == [[], []]
