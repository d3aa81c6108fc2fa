"""A value that has to be one of a few names."""

import difflib
from typing import Collection

from ner_plugins.errors import ConfigError


def check_choice(what: str, value: object, choices: Collection[str]) -> None:
    """
    Check a name against those there are.

    # Parameters

    what : `str`
        What is named, for the message: `format`.
    value : `object`
    choices : `Collection[str]`

    # Raises

    `ConfigError` if `value` is none of `choices`; it suggests the nearest one and lists all.
    """
    if isinstance(value, str) and value in choices:
        return
    close = difflib.get_close_matches(str(value).lower(), choices, n=1)
    hint = f"did you mean {close[0]!r}? It" if close else "it"
    raise ConfigError(f"unknown {what} {value!r}: {hint} must be one of {', '.join(choices)}")
