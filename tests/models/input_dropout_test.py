"""`token_dropout` and `dimension_dropout` of every model, against their formulas."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from killed_runs import assert_same, events, run, settings
from staged_runs import experiment, experiment_over_flat, train
from tiny_encoders import make_encoder
from toy_models import GOLD, TEXTS, build

from ner_plugins.errors import ConfigError
from ner_plugins.training.regularisers.r_drop import RDropCallback

CONFIGS = Path(__file__).resolve().parents[2] / "training_config"
HEADS = ["crf_tagger", "crf_tagger_softmax", "biaffine", "span", "span_pointer", "efficient_global_pointer"]
BOTH = {"token_dropout": 0.4, "dimension_dropout": 0.3, "dropout": 0.0}


def drawn(mask: torch.Tensor, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Which tokens are dropped, (batch, tokens), and the factor of each dimension, (batch, 1, dim)."""
    tokens = (torch.rand(mask.shape) < 0.4) & mask
    factors = torch.nn.functional.dropout(torch.ones(len(mask), dim), 0.3)
    assert set(factors.flatten().tolist()) == {0.0, torch.tensor(1 / 0.7).item()}
    return tokens, factors.unsqueeze(1)


@pytest.mark.parametrize("name", HEADS)
def test_the_loss_is_that_of_the_formula(name) -> None:
    model, batch = build(CONFIGS / f"{name}.jsonnet", GOLD, TEXTS, **BOTH)
    model.train()
    for module in model.modules():  # also that of a head
        if type(module) is not torch.nn.Module and getattr(module, "dropout", None) == 0.1:
            module.dropout = 0.0
    ids = batch["tokens"]["tokens"]["tokens"]
    mask = ids > 0
    torch.manual_seed(4)
    found = model(**batch)["loss"]
    torch.manual_seed(4)
    dropped, factors = drawn(mask, 128)
    assert dropped.any() and not dropped[~mask].any() and dropped[mask].sum() < mask.sum()
    embedder = model.text_field_embedder.token_embedder_tokens
    unknown = model.vocab.get_token_index("@@UNKNOWN@@", "tokens")
    vectors = embedder(torch.where(dropped, torch.full_like(ids, unknown), ids)) * factors
    expected = model.head.loss(model.score(model.encoder(vectors, mask), mask), batch["entities"], mask)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("name", HEADS)
def test_nothing_is_dropped_in_evaluation(name) -> None:
    model, batch = build(CONFIGS / f"{name}.jsonnet", GOLD, TEXTS, **BOTH)
    plain, _ = build(CONFIGS / f"{name}.jsonnet", GOLD, TEXTS, dropout=0.0)
    assert model.state_dict().keys() == plain.state_dict().keys()
    results = [one.eval()(**batch) for one in (model, plain)]
    assert torch.equal(results[0]["loss"], results[1]["loss"])
    assert results[0]["entities"] == results[1]["entities"]
    assert not torch.equal(model.train()(**batch)["loss"], plain.train()(**batch)["loss"])


def test_a_share_of_the_tokens_is_dropped_each_by_itself() -> None:
    model, batch = build(CONFIGS / "crf_tagger.jsonnet", GOLD * 300, TEXTS * 300, token_dropout=0.3)
    model.train()
    ids = batch["tokens"]["tokens"]["tokens"]
    torch.manual_seed(1)
    changed = model.token_dropout(batch["tokens"], ids > 0)["tokens"]["tokens"] != ids
    known = ids > 1
    assert changed[known].float().mean().item() == pytest.approx(0.3, abs=0.03)
    assert changed[::2, :9].float().mean(1).std() > 0.1  # not by sentences


def test_dropout_samples_share_one_encoding() -> None:
    model, batch = build(CONFIGS / "crf_tagger.jsonnet", GOLD, TEXTS, **{**BOTH, "dropout": 0.4}, dropout_samples=3)
    model.train()
    mask = batch["tokens"]["tokens"]["tokens"] > 0
    torch.manual_seed(4)
    found = model(**batch)["loss"]
    torch.manual_seed(4)
    vectors = model.contextualise(batch["tokens"], mask)
    scores = [model.score(model.dropout(vectors), mask) for _ in range(3)]
    losses = [model.head.loss(one, batch["entities"], mask) for one in scores]
    assert found.item() == pytest.approx(torch.stack(losses).mean().item(), rel=1e-6)


def test_each_pass_of_r_drop_draws_its_own() -> None:
    model, batch = build(CONFIGS / "crf_tagger.jsonnet", GOLD, TEXTS, **BOTH)
    model.train()
    mask = batch["tokens"]["tokens"]["tokens"] > 0
    torch.manual_seed(3)
    found = RDropCallback("", alpha=0.7).outputs(SimpleNamespace(model=model), batch, lambda: model(**batch))
    torch.manual_seed(3)
    scores = [model.score(model.encode(batch["tokens"], mask), mask) for _ in range(2)]
    losses = [model.head.loss(one, batch["entities"], mask) for one in scores]
    weight = found.get("loss_weight", len(mask))
    divergence = model.head.divergence(*scores, batch["entities"], mask) / weight
    assert losses[0] != losses[1] and divergence > 0
    assert found["loss"].item() == pytest.approx((sum(losses) / 2 + 0.7 * divergence).item(), rel=1e-5)


def test_over_flat_all_embedders_lose_the_same_tokens(tmp_path, monkeypatch) -> None:
    """Characters, bigrams, and the pieces of a transformer."""
    given = experiment_over_flat(make_encoder(tmp_path / "encoder"))
    given["model"] |= {"token_dropout": 0.4, "dimension_dropout": 0.3}
    given["trainer"] |= {"type": "ner", "num_epochs": 1, "callbacks": [{"type": "r_drop"}]}
    model = train(given, tmp_path / "run")
    seen: dict[str, Any] = {}
    model.train()
    for name in ("characters", "bigrams", "bert"):
        embedder = getattr(model.text_field_embedder, f"token_embedder_{name}")
        embedder.register_forward_pre_hook(
            lambda _, args, kwargs, name=name: seen.update({name: (args, kwargs)}), with_kwargs=True
        )
    width = 7
    ids = torch.arange(4, 4 + width).unsqueeze(0)
    counts = torch.tensor([[1, 2, 1, 3, 1, 1, 0]])
    pieces = torch.full((1, 9), 20)
    bert = {"piece_ids": pieces, "piece_counts": counts, "mask": torch.ones(1, width, dtype=torch.bool)}
    tokens = {"characters": {"tokens": ids}, "bigrams": {"tokens": ids}, "bert": bert}
    torch.manual_seed(5)
    model.text_field_embedder(model.token_dropout(tokens, bert["mask"]))
    torch.manual_seed(5)
    dropped = (torch.rand(1, width) < 0.4)[0].tolist()
    assert True in dropped and False in dropped
    assert (seen["characters"][0][0] == 1)[0].tolist() == dropped
    pairs = [one or other for one, other in zip(dropped, [*dropped[1:], False], strict=True)]
    assert (seen["bigrams"][0][0] == 1)[0].tolist() == pairs
    by_piece = [one for one, count in zip(dropped, counts[0].tolist(), strict=True) for _ in range(count)]
    mask_piece = 4  # of the small encoder's vocabulary
    assert (seen["bert"][1]["piece_ids"] == mask_piece)[0].tolist() == by_piece


def test_a_killed_run_ends_as_an_unbroken_one(tmp_path) -> None:
    given = settings(callbacks=[{"type": "r_drop"}, {"type": "fgm"}])
    given["model"] |= {"token_dropout": 0.2, "dimension_dropout": 0.2, "dropout_samples": 2}
    assert run(given, tmp_path / "whole")
    assert not run(given, tmp_path / "killed", kill=events(tmp_path / "whole") * 2 // 3)
    assert run(given, tmp_path / "killed", recover=True)
    assert_same(tmp_path / "killed", tmp_path / "whole")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"token_dropout": 1.0}, r"model\.token_dropout is 1\.0"),
        ({"dimension_dropout": -0.1}, r"model\.dimension_dropout is -0\.1"),
    ],
)
def test_probabilities_are_checked(options, message) -> None:
    with pytest.raises(ConfigError, match=message):
        build(CONFIGS / "crf_tagger.jsonnet", GOLD, TEXTS, **options)


def test_what_cannot_be_replaced_is_told(tmp_path) -> None:
    given = experiment(type="ner")
    given["model"]["token_dropout"] = 0.1
    given["dataset_reader"]["token_indexers"] = {"tokens": {"type": "characters", "min_padding_length": 1}}
    given["model"]["text_field_embedder"]["token_embedders"]["tokens"] = {
        "type": "character_encoding",
        "embedding": {"embedding_dim": 4, "vocab_namespace": "token_characters"},
        "encoder": {"type": "boe", "embedding_dim": 4},
    }
    with pytest.raises(ConfigError, match=r"token_embedders\.tokens, a TokenCharactersEncoder: use ner_transformer"):
        train(given, tmp_path / "run")


def test_a_vocabulary_without_the_unknown_token(tmp_path) -> None:
    given = experiment(type="ner")
    given["model"]["token_dropout"] = 0.1
    given["vocabulary"] = {"non_padded_namespaces": ["tokens", "*labels"]}
    with pytest.raises(ConfigError, match="the unknown token, which the namespace 'tokens'"):
        train(given, tmp_path / "run")
