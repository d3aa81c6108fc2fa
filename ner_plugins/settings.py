"""Settings that a user gives as environment variables, with the defaults that Jsonnet's `std.extVar` cannot have."""

import json
import os
from typing import Any, Optional

from ner_plugins.compat.replace import replace
from ner_plugins.errors import ConfigError

SETTINGS: dict[str, str] = {
    "NER_ENCODER": "",  # hub name or folder of a pretrained encoder; empty: a small encoder trained from scratch
    "NER_DATA": "fixtures/sample",  # folder or archive with the corpus's own file names
    "NER_READER": "cluener",  # a reader's name, or a JSON object with its type and options
    "NER_TRAIN": "",  # a training file, instead of NER_DATA's
    "NER_DEV": "",
    "NER_TEST": "",
    "NER_LEXICON": "",  # words, or vectors of words, for models with a lattice; empty: the sample's
    "NER_WORD_VECTORS": "",  # vectors of the lexicon's words; empty: learned with the model
    "NER_CHARACTER_VECTORS": "",
    "NER_SEED": "13370",
    "NER_EPOCHS": "",  # empty: the config's number
}


def supply_external_variables() -> None:
    """
    AllenNLP 2.10.1 hands the environment to Jsonnet, where `std.extVar` of an unset variable is an error.

    Supplies the defaults of `SETTINGS` wherever a config is read, so that configs need no variable to be set.
    """
    from allennlp.common import params

    replace(params, "_environment_variables", _with_settings)


def _with_settings(original: Any) -> Any:
    def environment_variables(*args: Any, **kwargs: Any) -> dict[str, str]:
        given: dict[str, str] = original(*args, **kwargs)
        settings = {name: given.get(name) or default for name, default in SETTINGS.items()}
        _check_object("NER_READER", settings["NER_READER"])
        _check_number("NER_SEED", settings["NER_SEED"], least=0)
        if settings["NER_EPOCHS"]:
            _check_number("NER_EPOCHS", settings["NER_EPOCHS"], least=1)
        return {**given, **settings}

    return environment_variables


def setting_of(path: str) -> Optional[str]:
    """The setting that a data path seems to come from, with its value, as in "NER_DATA is corpus"; else `None`."""
    for name in ("NER_TRAIN", "NER_DEV", "NER_TEST", "NER_DATA"):
        given = os.environ.get(name)
        value = (given or SETTINGS[name]).partition("#")[0].rstrip("/")
        if value and (path == value or path.startswith(value + "/")):
            return f"{name} is {value}" if given else f"{name} is not set, and {value} is its default"
    return None


def _check_number(name: str, value: str, least: int) -> None:
    # numpy takes seeds of 32 bits; Jsonnet's numbers are decimal digits alone.
    if not (value.isascii() and value.isdigit() and least <= int(value) < 2**32):
        raise ConfigError(f"the environment variable {name} is {value!r}; it has to be a whole number >= {least}")


def _check_object(name: str, value: str) -> None:
    if not value.lstrip().startswith("{"):
        return
    try:
        has_type = "type" in json.loads(value)
    except json.JSONDecodeError as error:
        raise ConfigError(f"the environment variable {name} is not valid JSON: {error}") from None
    if not has_type:
        raise ConfigError(f'the environment variable {name} is {value}; it has to name a "type", such as "msra"')
