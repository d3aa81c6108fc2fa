"""
The configuration of NEZHA encoders, which Transformers 5 dropped, in `AutoConfig`.

This module and `_nezha` import Transformers' BERT. They are private, so that `--include-package` leaves them out.
"""

from typing import Any

from transformers import CONFIG_MAPPING, AutoConfig
from transformers.models.bert.configuration_bert import BertConfig

MODEL_TYPE = "nezha"


class NezhaConfig(BertConfig):
    """
    That of BERT, and `max_relative_position`: the distance from which on all positions are equally far. The defaults
    are those of `sijunhe/nezha-cn-base`.
    """

    model_type = MODEL_TYPE
    vocab_size: int = 21128
    max_relative_position: int = 64


def register_nezha_config() -> None:
    """Let `AutoConfig` read the type "nezha", unless this Transformers has its own."""
    if MODEL_TYPE not in CONFIG_MAPPING:
        AutoConfig.register(MODEL_TYPE, NezhaConfig)


def register_nezha_model(config: Any) -> None:
    """Let `AutoModel` build the encoder of a configuration if that is a `NezhaConfig`."""
    if isinstance(config, NezhaConfig):
        from transformers import MODEL_MAPPING, AutoModel

        from ner_plugins.pretrained._nezha import NezhaModel

        if NezhaConfig not in MODEL_MAPPING:
            AutoModel.register(NezhaConfig, NezhaModel)


def published_names(config: Any) -> dict[str, dict[str, str]]:
    """The option of `from_pretrained` by which a NEZHA finds weights under the prefix `bert.` as well as `nezha.`."""
    return {"key_mapping": {r"^bert\.": "nezha."}} if isinstance(config, NezhaConfig) else {}
