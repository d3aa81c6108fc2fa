"""Reading files of one JSON object."""

import json
from pathlib import Path
from typing import Any, Union

from ner_plugins.errors import ConfigError


def parsed_json(text: Union[str, bytes]) -> Any:
    """
    The value of a JSON text.

    # Raises

    `json.JSONDecodeError`, also for brackets within brackets by the thousand and numbers of thousands of digits, which
    Python cannot read; `UnicodeDecodeError` for bytes that are not UTF-8.
    """
    try:
        return json.loads(text if isinstance(text, str) else text.decode("utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except RecursionError:
        raise json.JSONDecodeError("nested too deeply", "", 0) from None
    except ValueError as error:
        raise json.JSONDecodeError(str(error).partition(";")[0], "", 0) from None


def read_json_object(path: Path) -> dict[str, Any]:
    """
    The object in a file of JSON.

    # Raises

    `ConfigError` if it is not valid JSON, or not an object; `OSError` if the file cannot be read.
    """
    try:
        content = parsed_json(path.read_bytes())
    except ValueError as error:
        raise ConfigError(f"{path}: not valid JSON: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: not a JSON object")
    return content
