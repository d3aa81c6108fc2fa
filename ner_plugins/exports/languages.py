"""The language of a model, as far as its archive says."""

from typing import Any, Mapping, Optional

LANGUAGES = {
    "ccks_address": "zh", "cluener": "zh", "msra": "zh", "ontonotes4": "zh", "peoples_daily": "zh", "resume": "zh",
    "weibo": "zh", "klp": "ko", "kmou": "ko", "conll2003_ner": "en", "germeval": "de",
}  # fmt: skip
"""The ISO 639-1 code of the corpora that have a reader of their own."""


def reader_name(config: Mapping[str, Any]) -> str:
    """The registered name of the reader in an archive's configuration; of an ensemble, that of the first member's."""
    reader = config.get("dataset_reader")
    while isinstance(reader, Mapping) and isinstance(reader.get("members"), Mapping) and reader["members"]:
        reader = next(iter(reader["members"].values()))
    return str(reader.get("type", "unknown") if isinstance(reader, Mapping) else reader)


def language_of(config: Mapping[str, Any]) -> Optional[str]:
    """The code of the language of an archive's data, by the reader of its configuration; `None` if that reads any."""
    return LANGUAGES.get(reader_name(config))
