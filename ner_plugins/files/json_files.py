"""Reading files of one JSON object."""

import json
from pathlib import Path
from typing import Any

from ner_plugins.errors import ConfigError


def read_json_object(path: Path) -> dict[str, Any]:
    """
    The object in a file of JSON.

    # Raises

    `ConfigError` if it is not valid JSON, or not an object; `OSError` if the file cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path}: not valid JSON: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: not a JSON object")
    return content
