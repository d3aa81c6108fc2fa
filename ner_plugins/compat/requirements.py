"""What must be there before AllenNLP is imported, because it goes wrong silently without."""

import importlib.util

from ner_plugins.errors import ConfigError


def check_allennlp_requirements() -> None:
    """
    AllenNLP 2.10.1 reads configs as plain JSON where `_jsonnet` cannot be imported, and says so only in its log.

    # Raises

    `ConfigError` with the line to run, if it is missing.
    """
    if importlib.util.find_spec("_jsonnet") is None:
        raise ConfigError(
            "the Jsonnet library is missing, without which AllenNLP cannot read its configs: pip install jsonnet"
        )
