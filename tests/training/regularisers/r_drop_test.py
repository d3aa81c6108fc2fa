"""`r_drop` against two forward passes by hand, and in runs."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from recorded_runs import assert_close, recorded, repeated
from staged_runs import experiment, train
from torch.distributions import Bernoulli, Categorical, kl_divergence
from toy_models import GOLD, TEXTS, build

from ner_plugins.errors import ConfigError
from ner_plugins.heads.band import span_mask
from ner_plugins.heads.head import Head
from ner_plugins.heads.pointer import pointer_tags, pointer_targets
from ner_plugins.heads.tags import TagsHead
from ner_plugins.modules.crf.crf import ConditionalRandomField
from ner_plugins.training.regularisers.r_drop import RDropCallback

CONFIGS = Path(__file__).resolve().parents[3] / "training_config"


def both_ways(first: torch.Tensor, second: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    one, two = Categorical(logits=first[mask]), Categorical(logits=second[mask])
    return (kl_divergence(one, two).sum() + kl_divergence(two, one).sum()) / 2


def of_spans(head: Any, first: Any, second: Any, entities: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return both_ways(first, second, span_mask(mask, first.size(2)))


def of_types(head: Any, first: Any, second: Any, entities: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    cells = span_mask(mask, first.size(2))
    one, two = (Bernoulli(logits=scores[cells][:, 1:]) for scores in (first, second))
    return (kl_divergence(one, two).sum() + kl_divergence(two, one).sum()) / 2


def of_tokens(head: Any, first: Any, second: Any, entities: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return both_ways(first, second, mask)


def of_pointers(head: Any, first: Any, second: Any, entities: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    starts, _ = pointer_targets(entities, mask, pointer_tags(len(head.types)), head.max_span_width)
    ends = [head.end_logits(scores, starts) for scores in (first, second)]
    return (both_ways(first.start, second.start, mask) + both_ways(*ends, mask)) / 2


HEADS: dict[str, Callable[..., torch.Tensor]] = {
    "crf_tagger_softmax": of_tokens,
    "biaffine": of_spans,
    "span": of_spans,
    "span_pointer": of_pointers,
    "efficient_global_pointer": of_types,
}


@pytest.mark.parametrize("name", HEADS)
def test_the_loss_is_that_of_the_formula(name) -> None:
    model, batch = build(CONFIGS / f"{name}.jsonnet", GOLD, TEXTS)
    model.train()
    with torch.no_grad():
        for parameter in model.head.parameters():  # some start at 0
            parameter.normal_(std=0.3)
    torch.manual_seed(3)
    found = RDropCallback("", alpha=0.7).outputs(SimpleNamespace(model=model), batch, lambda: model(**batch))
    torch.manual_seed(3)
    mask = batch["tokens"]["tokens"]["tokens"] > 0
    scores = [model.score(model.encode(batch["tokens"], mask), mask) for _ in range(2)]
    losses = [model.head.loss(one, batch["entities"], mask) for one in scores]
    weight = found.get("loss_weight", len(mask))
    expected = sum(losses) / 2 + 0.7 * HEADS[name](model.head, *scores, batch["entities"], mask) / weight
    assert losses[0] != losses[1]
    assert found["loss"].item() == pytest.approx(expected.item(), rel=1e-5)
    learning = [one for one in model.head.parameters() if one.requires_grad]
    gradients = [torch.autograd.grad(one, learning) for one in (found["loss"], expected)]
    for one, other in zip(*gradients, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_divergence_of_a_crf_is_that_of_its_taggings() -> None:
    """By looking at every tagging, and differentiated."""
    torch.manual_seed(2)
    crf = ConditionalRandomField(3)
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    scores = [torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True) for _ in range(2)]

    def logits(emissions: torch.Tensor, sentence: int) -> torch.Tensor:
        length = int(mask[sentence].sum())
        taggings = torch.tensor(list(itertools.product(range(3), repeat=length)))
        rows = mask[sentence : sentence + 1, :length].expand(len(taggings), -1)
        return crf.log_likelihood(emissions[sentence, :length].expand(len(taggings), -1, -1), taggings, rows)

    expected = sum(
        both_ways(logits(scores[0], one)[None], logits(scores[1], one)[None], torch.tensor([True])) for one in (0, 1)
    )
    found = crf.divergence(scores[0], scores[1], mask)
    assert found.item() == pytest.approx(expected.item(), rel=1e-9)
    wanted = [*scores, crf.transitions]
    for one, other in zip(torch.autograd.grad(found, wanted), torch.autograd.grad(expected, wanted), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_without_dropout_it_changes_nothing(tmp_path) -> None:
    run = recorded(tmp_path / "run", {"type": "r_drop"})
    assert_close(run.states, repeated(run, lambda model, batch: model(**batch)["loss"].backward()))


def test_with_dropout_the_weights_differ(tmp_path) -> None:
    one = recorded(tmp_path / "one", {"type": "r_drop", "alpha": 0.1}, dropout=0.5)
    two = recorded(tmp_path / "two", {"type": "r_drop", "alpha": 5.0}, dropout=0.5)
    assert not torch.equal(one.states[-1]["head.tag_projection.weight"], two.states[-1]["head.tag_projection.weight"])


def test_a_head_without_divergence_is_named_before_training(tmp_path) -> None:
    @Head.register("own_for_test", exist_ok=True)
    class OwnHead(TagsHead):
        divergence = Head.divergence

    settings = experiment({"type": "r_drop"}, type="ner")
    settings["model"] |= {"type": "ner", "head": {"type": "own_for_test"}}
    with pytest.raises(ConfigError, match="r_drop needs the method `divergence`, which the head OwnHead lacks"):
        train(settings, tmp_path / "run")


def test_passes_of_callbacks_do_not_count_in_training_metrics(tmp_path) -> None:
    settings = experiment({"type": "r_drop"}, {"type": "fgm"}, type="ner", num_epochs=1)
    settings["model"]["training_metrics"] = True
    train(settings, tmp_path / "run")
    plain = experiment(type="ner", num_epochs=1)
    plain["model"]["training_metrics"] = True
    train(plain, tmp_path / "plain")
    gold = [json.loads((tmp_path / one / "metrics.json").read_text())["training_gold"] for one in ("run", "plain")]
    assert gold[0] == gold[1] > 0
