from typing import Any

import pytest
import torch
from tiny_encoders import make_encoder
from transformers import BertConfig, DistilBertConfig, PretrainedConfig

from ner_plugins.errors import ConfigError
from ner_plugins.token_embedders import TransformerEmbedder
from ner_plugins.token_embedders.encoder_dropout import set_dropout


@pytest.mark.parametrize(
    "config, names",
    [
        (BertConfig(), ("attention_probs_dropout_prob", "hidden_dropout_prob")),
        (DistilBertConfig(), ("attention_dropout", "dropout")),
    ],
)
def test_each_family_has_its_names(config: Any, names: tuple[str, str]) -> None:
    before = [getattr(config, name) for name in names]
    set_dropout(config)
    assert [getattr(config, name) for name in names] == before
    set_dropout(config, attention=0.25)
    assert [getattr(config, name) for name in names] == [0.25, before[1]]
    set_dropout(config, hidden=0.5)
    assert [getattr(config, name) for name in names] == [0.25, 0.5]


@pytest.mark.parametrize("option", ["attention", "hidden"])
def test_a_wrong_one_is_refused(option: str) -> None:
    with pytest.raises(ConfigError, match=rf"ner_transformer.{option}_dropout must be in \[0, 1\), got 1.0"):
        set_dropout(BertConfig(), **{option: 1.0})
    with pytest.raises(ConfigError, match=f"{option}_dropout must be left out: an encoder of type '' has no dropout"):
        set_dropout(PretrainedConfig(), **{option: 0.1})


def test_it_reaches_the_encoder(tmp_path: Any) -> None:
    embedder = TransformerEmbedder(make_encoder(tmp_path / "encoder"), attention_dropout=0.25, hidden_dropout=0.5)
    found = {module.p for module in embedder.encoder.modules() if isinstance(module, torch.nn.Dropout)}
    assert 0.5 in found and found <= {0.25, 0.5}
