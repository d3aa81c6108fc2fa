from pathlib import Path

import pytest
import torch
from toy_models import GOLD, TEXTS, build

from ner_plugins.errors import ConfigError

CONFIG = Path(__file__).resolve().parents[2] / "training_config/crf_tagger.jsonnet"


def test_the_loss_is_the_mean_over_dropout_masks_on_one_encoding() -> None:
    model, batch = build(CONFIG, GOLD, TEXTS, dropout=0.4, dropout_samples=3)
    model.train()
    mask = batch["tokens"]["tokens"]["tokens"] > 0
    torch.manual_seed(4)
    found = model(**batch)["loss"]
    torch.manual_seed(4)
    vectors = model.contextualise(batch["tokens"], mask)
    scores = [model.score(model.dropout(vectors), mask) for _ in range(3)]
    losses = [model.head.loss(one, batch["entities"], mask).item() for one in scores]
    assert len(set(losses)) == 3
    assert found.item() == pytest.approx(sum(losses) / 3, rel=1e-6)


def test_at_least_one_sample() -> None:
    with pytest.raises(ConfigError, match=r"model\.dropout_samples is 0"):
        build(CONFIG, GOLD, TEXTS, dropout_samples=0)
