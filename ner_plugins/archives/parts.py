"""What an archive has to consist of before anything is built of it."""

import json
from pathlib import Path
from typing import Any

from ner_plugins.errors import ArchiveError
from ner_plugins.options import written

CONFIG, META = "config.json", "meta.json"
PADDING = "non_padded_namespaces.txt"
REMEDY = "It should be the model.tar.gz that `allennlp train` wrote: copy it again, or retrain"


def check_parts(config: Any, folder: str) -> None:
    """
    Refuse an archive whose parts are not those of a model.

    # Parameters

    config : `Any`
        The content of its `config.json`, with overrides.
    folder : `str`
        Where it was extracted to.

    # Raises

    `ArchiveError` if the configuration has no model or reader, if `meta.json` is damaged, or without a whole
    vocabulary.
    """
    place = Path(folder)
    if not isinstance(config, dict):
        raise ArchiveError(f"{place / CONFIG}: is {written(config)}, but has to be an object. {REMEDY}")
    for key in ("dataset_reader", "model"):
        if not isinstance(config.get(key), (dict, str)):
            found = written(config[key]) if key in config else "missing"
            raise ArchiveError(f"{place / CONFIG}: {key} is {found}, but has to be an object. {REMEDY}")
    if isinstance(config["model"], dict) and not isinstance(config["model"].get("type"), str):
        found = written(config["model"]["type"]) if "type" in config["model"] else "missing"
        raise ArchiveError(f"{place / CONFIG}: model.type is {found}, but has to be a name. {REMEDY}")
    _check_vocabulary(config.get("vocabulary", {}), place)
    if (place / META).exists():
        _check_meta(place / META)


def _check_vocabulary(settings: Any, place: Path) -> None:
    if not isinstance(settings, dict):
        raise ArchiveError(f"{place / CONFIG}: vocabulary is {written(settings)}, but has to be an object. {REMEDY}")
    for key in ("padding_token", "oov_token"):
        if not isinstance(settings.get(key), (str, type(None))):
            raise ArchiveError(
                f"{place / CONFIG}: vocabulary.{key} is {written(settings[key])}, but has to be a string. {REMEDY}"
            )
    if not (place / "vocabulary").is_dir():
        raise ArchiveError(f"{place}/vocabulary: not found. {REMEDY}")
    if not (place / "vocabulary" / PADDING).is_file():
        raise ArchiveError(f"{place}/vocabulary/{PADDING}: not found. {REMEDY}")


def _check_meta(path: Path) -> None:
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
        if set(meta) == {"version"} and len(meta["version"].split(".")) >= 3:
            return
    except (AttributeError, KeyError, OSError, TypeError, ValueError, RecursionError):
        pass
    raise ArchiveError(f"{path}: does not hold the version of AllenNLP alone. {REMEDY}")
