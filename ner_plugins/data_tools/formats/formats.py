"""The formats that corpora are written in: their names, their files, their readers."""

import difflib
import os
from dataclasses import dataclass
from typing import Any, Callable, Dict, Tuple

from ner_plugins.data_tools.formats.column_format import ColumnFormat, check_tokens
from ner_plugins.data_tools.formats.docbin_format import DocBinFormat
from ner_plugins.data_tools.formats.sentence_formats import (
    BracketsFormat,
    CluenerFormat,
    DatasetsFormat,
    SentenceFormat,
)
from ner_plugins.errors import ConfigError
from ner_plugins.files.output_files import STDOUT, without_compression

DEFAULT_FORMAT = "cluener"

_TEXT = ".txt"  # of several formats, so that it says none


@dataclass(frozen=True)
class CorpusFormat:
    """
    A format that can be written.

    # Parameters

    make : `Callable[[str], SentenceFormat]`
        Of the kind of tokens.
    reader : `Dict[str, Any]`
        The configuration that reads it.
    suffixes : `Tuple[str, ...]`
        Of file names; the first is that of `split_file`.
    has_tokens : `bool`
        Whether there is a choice of tokens.
    """

    make: Callable[[str], SentenceFormat]
    reader: Dict[str, Any]
    suffixes: Tuple[str, ...]
    has_tokens: bool = False


def _columns(scheme: str, *suffixes: str) -> CorpusFormat:
    reader = {
        "type": "conll_ner", "columns": 2, "token_column": 0, "tag_columns": [1], "separator": "\t", "scheme": scheme,
        "join": "", "comment": "",
    }  # fmt: skip
    return CorpusFormat(lambda tokens: ColumnFormat(scheme, tokens), reader, (_TEXT, *suffixes), has_tokens=True)


_FORMATS: Dict[str, CorpusFormat] = {
    "cluener": CorpusFormat(lambda _: CluenerFormat(), {"type": "cluener"}, (".json",)),
    "bio": _columns("BIO", ".bio", ".iob2", ".conll", ".tsv"),
    "iob1": _columns("IOB1", ".iob1", ".iob"),
    "bioes": _columns("BIOES", ".bioes", ".iobes"),
    "bmes": _columns("BMES", ".bmes", ".bmeso"),
    "bmeo": _columns("BMEO", ".bmeo"),
    "bioul": _columns("BIOUL", ".bioul", ".bilou"),
    "brackets": CorpusFormat(lambda _: BracketsFormat(), {"type": "brackets_ner"}, (_TEXT, ".brackets")),
    "datasets": CorpusFormat(lambda _: DatasetsFormat(), {"type": "datasets_ner"}, (".jsonl",)),
    "docbin": CorpusFormat(DocBinFormat, {"type": "spacy_ner"}, (".spacy",), has_tokens=True),
}
FORMATS = tuple(_FORMATS)


def format_of(path: str) -> str:
    """The format that a file name says, `cluener` for standard output; `ConfigError` where it says none."""
    if path == STDOUT:
        return DEFAULT_FORMAT
    suffix = os.path.splitext(without_compression(path))[1].lower()
    known = {s: name for name, format in _FORMATS.items() for s in format.suffixes if s != _TEXT}
    if suffix not in known:
        listed = ", ".join(f"{s} ({name})" for s, name in known.items())
        what = f"the name {os.path.basename(path)} does not say the format"
        raise ConfigError(f"{what}: name it with --to {'|'.join(FORMATS)}, or let the name end in {listed}")
    return known[suffix]


def reader_for(format: str, tokens: str = "characters") -> Dict[str, Any]:
    """
    The configuration of the reader that reads a format exactly as it was written.

    # Parameters

    format : `str`
        One of `FORMATS`.
    tokens : `str`, optional (default=`"characters"`)
        As it was written with.
    """
    reader = dict(corpus_format(format).reader)
    if "join" in reader and check_tokens(tokens) == "words":
        reader["join"] = " "
    return reader


def split_file(format: str, split: str) -> str:
    """The name of a split's file by which the format's reader finds it as `FOLDER#SPLIT`."""
    return split + corpus_format(format).suffixes[0]


def corpus_format(name: str) -> CorpusFormat:
    """The format of a name; `ConfigError` where there is none."""
    if name not in _FORMATS:
        close = difflib.get_close_matches(str(name).lower(), FORMATS, n=1)
        hint = f"did you mean {close[0]!r}? It" if close else "it"
        raise ConfigError(f"unknown format {name!r}: {hint} must be one of {', '.join(FORMATS)}")
    return _FORMATS[name]
