"""The dropout probabilities in a pretrained encoder's configuration."""

from typing import Any, Optional, Sequence

from ner_plugins.errors import ConfigError

# Their names in configurations of Transformers' encoders.
ATTENTION_DROPOUTS = ("attention_probs_dropout_prob", "attention_dropout")
HIDDEN_DROPOUTS = ("hidden_dropout_prob", "hidden_dropout", "dropout")


def set_dropout(config: Any, attention: Optional[float] = None, hidden: Optional[float] = None) -> None:
    """
    Set the dropout probabilities in an encoder's configuration.

    # Parameters

    config : `transformers.PretrainedConfig`
    attention : `Optional[float]`, optional (default=`None`)
        That of attention weights; `None` to leave it.
    hidden : `Optional[float]`, optional (default=`None`)
        That of embeddings and of the outputs of attention and feed-forward layers; `None` to leave it.

    # Raises

    `ConfigError` if one is outside [0, 1), or the encoder has no such setting.
    """
    _set(config, ATTENTION_DROPOUTS, attention, "attention_dropout", "dropout of attention weights")
    _set(config, HIDDEN_DROPOUTS, hidden, "hidden_dropout", "dropout of hidden states")


def _set(config: Any, names: Sequence[str], probability: Optional[float], option: str, meaning: str) -> None:
    if probability is None:
        return
    if not 0.0 <= probability < 1.0:
        raise ConfigError(f"ner_transformer.{option} must be in [0, 1), got {probability}")
    found = [name for name in names if hasattr(config, name)]
    if not found:
        raise ConfigError(
            f"ner_transformer.{option} must be left out: an encoder of type {config.model_type!r} has no {meaning}"
        )
    setattr(config, found[0], probability)
