"""What an archive has to consist of before anything is built of it."""

import json
from pathlib import Path
from typing import Any

from ner_plugins.errors import ArchiveError
from ner_plugins.options import written

CONFIG, META = "config.json", "meta.json"
_REMEDY = "It should be the model.tar.gz that `allennlp train` wrote: copy it again, or retrain"


def check_parts(config: Any, folder: str) -> None:
    """
    Refuse an archive whose parts are not those of a model.

    # Parameters

    config : `Any`
        The content of its `config.json`, with overrides.
    folder : `str`
        Where it was extracted to.

    # Raises

    `ArchiveError` if the configuration has no model or reader, if `meta.json` is damaged, or without a vocabulary.
    """
    place = Path(folder)
    if not isinstance(config, dict):
        raise ArchiveError(f"{place / CONFIG}: is {written(config)}, but has to be an object. {_REMEDY}")
    for key in ("dataset_reader", "model"):
        if not isinstance(config.get(key), (dict, str)):
            found = written(config[key]) if key in config else "missing"
            raise ArchiveError(f"{place / CONFIG}: {key} is {found}, but has to be an object. {_REMEDY}")
    if not (place / "vocabulary").is_dir():
        raise ArchiveError(f"{place}/vocabulary: not found. {_REMEDY}")
    if (place / META).exists():
        _check_meta(place / META)


def _check_meta(path: Path) -> None:
    try:
        version = json.loads(path.read_text(encoding="utf-8"))["version"]
        if len(version.split(".")) >= 3:
            return
    except (AttributeError, KeyError, OSError, TypeError, ValueError):
        pass
    raise ArchiveError(f"{path}: does not hold the version of AllenNLP. {_REMEDY}")
