"""Requirements checked before AllenNLP is imported, because it fails silently without them."""

import importlib.util

from ner_plugins.errors import ConfigError


def check_allennlp_requirements() -> None:
    """
    AllenNLP 2.10.1 reads configs as plain JSON where `_jsonnet` cannot be imported, and reports that only in its log.

    # Raises

    `ConfigError` with the command to run, if it is missing.
    """
    if importlib.util.find_spec("_jsonnet") is None:
        raise ConfigError(
            "AllenNLP cannot read its configs without the Jsonnet library, which is missing: pip install jsonnet"
        )
