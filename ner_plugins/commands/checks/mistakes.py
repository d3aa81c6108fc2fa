"""Mistakes in a config, collected and reported together."""

from collections.abc import Iterable
from dataclasses import dataclass

from ner_plugins.errors import ConfigError


@dataclass(frozen=True)
class Mistake:
    """
    One mistake.

    # Parameters

    key : `str`
        Its place in the config, `trainer.num_epochs`; empty if it has none there.
    message : `str`
        What is wrong, and what was expected. It may begin with the key.
    """

    key: str
    message: str

    @property
    def text(self) -> str:
        """The message, with the key in front unless it begins with that key."""
        return self.message if not self.key or self.message.startswith(self.key) else f"{self.key}: {self.message}"


def raise_if_any(mistakes: Iterable[Mistake]) -> None:
    """
    Report mistakes in one message, in their order.

    Several keys with the same message, such as two data paths in a folder that does not exist, are one mistake.

    # Raises

    `ConfigError` if there is a mistake.
    """
    keys: dict[str, list[str]] = {}
    for mistake in mistakes:
        if mistake.key not in keys.setdefault(mistake.message, []):
            keys[mistake.message].append(mistake.key)
    texts = [Mistake(_listed(found), message).text for message, found in keys.items()]
    if len(texts) == 1:
        raise ConfigError(texts[0])
    if texts:
        lines = "".join(f"\n  {number}. {text}" for number, text in enumerate(texts, 1))
        raise ConfigError(f"the config has {len(texts)} mistakes:{lines}")


def _listed(keys: list[str]) -> str:
    *others, last = keys
    return f"{', '.join(others)} and {last}" if others else last
