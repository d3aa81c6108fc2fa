"""The formats by name: how each is written, read, and recognised by its file names."""

import os
from dataclasses import dataclass
from typing import Any, Callable

from ner_plugins.data_tools.formats.base import SentenceFormat
from ner_plugins.data_tools.formats.brackets import BracketsFormat
from ner_plugins.data_tools.formats.cluener import CluenerFormat
from ner_plugins.data_tools.formats.columns import TOKENS, ColumnFormat
from ner_plugins.data_tools.formats.datasets_rows import DatasetsFormat
from ner_plugins.data_tools.formats.docbin import DocBinFormat
from ner_plugins.data_tools.formats.doccano import DoccanoFormat
from ner_plugins.data_tools.formats.label_studio import LabelStudioFormat
from ner_plugins.errors import ConfigError
from ner_plugins.files.output_files import STDOUT, without_compression
from ner_plugins.options import check_name

DEFAULT_FORMAT = "cluener"

_TEXT = ".txt"  # shared by several formats, so it does not identify one


@dataclass(frozen=True)
class CorpusFormat:
    """
    A format that can be written.

    # Parameters

    make : `Callable[[str, str], SentenceFormat]`
        Creates it, given the kind of tokens and the units of offsets.
    reader : `dict[str, Any]`
        The configuration of its reader.
    suffixes : `tuple[str, ...]`
        Suffixes of its file names; `split_file` uses the first.
    has_tokens, has_offsets : `bool`, optional (default=`False`)
        Whether the kind of tokens, or the units of offsets, can be chosen.
    is_implied : `bool`, optional (default=`True`)
        Whether the suffixes imply it.
    """

    make: Callable[[str, str], SentenceFormat]
    reader: dict[str, Any]
    suffixes: tuple[str, ...]
    has_tokens: bool = False
    has_offsets: bool = False
    is_implied: bool = True


def _columns(scheme: str, *suffixes: str) -> CorpusFormat:
    reader = {
        "type": "conll_ner", "columns": 2, "token_column": 0, "tag_columns": [1], "separator": "\t", "scheme": scheme,
        "join": "", "comment": "",
    }  # fmt: skip
    return CorpusFormat(lambda tokens, _: ColumnFormat(scheme, tokens), reader, (_TEXT, *suffixes), has_tokens=True)


_FORMATS: dict[str, CorpusFormat] = {
    "cluener": CorpusFormat(lambda *_: CluenerFormat(), {"type": "cluener"}, (".json",)),
    "bio": _columns("BIO", ".bio", ".iob2", ".conll", ".tsv"),
    "iob1": _columns("IOB1", ".iob1", ".iob"),
    "bioes": _columns("BIOES", ".bioes", ".iobes"),
    "bmes": _columns("BMES", ".bmes", ".bmeso"),
    "bmeo": _columns("BMEO", ".bmeo"),
    "bioul": _columns("BIOUL", ".bioul", ".bilou"),
    "brackets": CorpusFormat(lambda *_: BracketsFormat(), {"type": "brackets_ner"}, (_TEXT, ".brackets")),
    "datasets": CorpusFormat(lambda *_: DatasetsFormat(), {"type": "datasets_ner"}, (".jsonl",)),
    "docbin": CorpusFormat(lambda tokens, _: DocBinFormat(tokens), {"type": "spacy_ner"}, (".spacy",), has_tokens=True),
    "doccano": CorpusFormat(
        lambda _, offsets: DoccanoFormat(offsets), {"type": "doccano"}, (".jsonl",), has_offsets=True, is_implied=False
    ),
    "label_studio": CorpusFormat(
        lambda _, offsets: LabelStudioFormat(offsets),
        {"type": "label_studio", "use_predictions": True, "unannotated": "unlabelled"},
        (".json",),
        has_offsets=True,
        is_implied=False,
    ),
}
FORMATS = tuple(_FORMATS)


def format_of(path: str) -> str:
    """The format that a file's name implies (`cluener` for standard output); `ConfigError` if it implies none."""
    if path == STDOUT:
        return DEFAULT_FORMAT
    suffix = os.path.splitext(without_compression(path))[1].lower()
    implied = {name: format for name, format in _FORMATS.items() if format.is_implied}
    known = {s: name for name, format in implied.items() for s in format.suffixes if s != _TEXT}
    if suffix not in known:
        listed = ", ".join(f"{s} ({name})" for s, name in known.items())
        what = f"the name {os.path.basename(path)} does not imply a format"
        raise ConfigError(f"{what}: name it with --to {'|'.join(FORMATS)}, or let the name end in {listed}")
    return known[suffix]


def reader_for(format: str, tokens: str = "characters", offsets: str = "characters") -> dict[str, Any]:
    """
    The configuration of a reader that recovers exactly what was written.

    # Parameters

    format : `str`
        One of `FORMATS`.
    tokens : `str`, optional (default=`"characters"`)
        The kind of tokens that was written.
    offsets : `str`, optional (default=`"characters"`)
        The units of offsets that were written.

    # Raises

    `ConfigError` for an unknown format or kind of token.
    """
    reader = dict(corpus_format(format).reader)
    check_name("tokens", tokens, TOKENS)
    if "join" in reader and tokens == "words":
        reader["join"] = " "
    if corpus_format(format).has_offsets:
        reader["offsets"] = offsets
    return reader


def split_file(format: str, split: str) -> str:
    """The name under which the format's reader finds a split as `FOLDER#SPLIT`."""
    return split + corpus_format(format).suffixes[0]


def corpus_format(name: str) -> CorpusFormat:
    """The format of this name; `ConfigError` if there is none."""
    check_name("format", name, FORMATS)
    return _FORMATS[name]
