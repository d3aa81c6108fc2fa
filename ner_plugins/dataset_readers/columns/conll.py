"""Column files: a token on each line with its tag, and a blank line after each sentence."""

import itertools
import logging
import re
from collections import Counter
from dataclasses import replace
from functools import lru_cache
from typing import Any, BinaryIO, Callable, ClassVar, Iterable, Iterator, Optional, Union

from allennlp.data import DatasetReader

from ner_plugins.dataset_readers.columns.character_parser import CharacterParser
from ner_plugins.dataset_readers.columns.layout import DOCUMENT_START, ColumnLayout, complete_layout
from ner_plugins.dataset_readers.columns.notation import detect_notation
from ner_plugins.dataset_readers.columns.parser import ColumnParser, merge_documents, with_documents
from ner_plugins.dataset_readers.ner_reader import NerDatasetReader
from ner_plugins.dataset_readers.recognition import FileStart, Recognition
from ner_plugins.entities import Sentence
from ner_plugins.errors import ConfigError, DataError
from ner_plugins.files.data_paths import SplitFiles
from ner_plugins.files.opening import Rewound, readable
from ner_plugins.files.text_lines import read_blocks
from ner_plugins.tag_schemes import IllegalRule, is_tag, tag_scheme

logger = logging.getLogger(__name__)

_HEAD, _HEAD_LINES = 1 << 17, 20_000  # bytes, and lines of them, from which the layout is detected
_NAMES = {"train": ("train",), "dev": ("dev", "valid"), "test": ("test",)}
_SUFFIXES = ("txt", "conll", "tsv", "bio", "iob1", "iob2", "bioes", "bmes", "bmeo", "bioul")


@DatasetReader.register("conll_ner")
class ConllReader(NerDatasetReader):
    """
    Reads column files such as

        海 B-LOC
        钓 O

    with any number of columns. Options that are not set are detected from the first 128 KiB of each file, and logged.
    Only a blank line ends a sentence. A line that begins with `-DOCSTART-` is no token. Tags may have the letter
    behind, `PER_B`, and `-` may stand for `O`, as in the Korean corpus of Naver and Changwon University; this is always
    detected.

    # Parameters

    columns : `Optional[int]`
        The number of columns.
    token_column : `Optional[int]`
        Counted from 0; a negative number counts from the end. By default the first that is not a running number.
    tag_columns : `Optional[list[int]]`
        By default the last one that holds tags. With several, a sentence has the entities of all of them, and they may
        be nested. `[]`: the file is unlabelled.
    separator : `Optional[str]`
        `"\\t"`, `" "`, any other text, or `""` for any run of white space.
    scheme : `Optional[str]`
        `BIO`, `IOB1`, `BIOES`, `BMES`, `BMEO`, `BIOUL`: see `tag_schemes`.
    illegal_tags : `str`, optional (default=`"repair"`)
        What to do with tag sequences that the scheme does not allow: `repair`, `drop` (both are counted) or `strict`
        (an error). See `tags_to_spans`.
    join : `Optional[str]`
        The text between two tokens. By default nothing if the tokens are single characters or words of Chinese or
        Japanese, otherwise a space.
    comment : `Optional[str]`
        Lines before a sentence that begin with this are skipped, unless they have a tag in the tag column. `""`: there
        are none. By default `#` if the beginning of the file has such lines.
    bare_type : `Optional[str]`, optional (default=`None`)
        The entity type of tags that name none (`B`, `I`), as in files of one type.
    document_level : `bool`, optional (default=`False`)
        Whether a text is a whole document, with a line feed between sentences. `-DOCSTART-` lines separate documents.
    kwargs : `Any`
        See `NerDatasetReader`.
    """

    split_files: ClassVar[SplitFiles] = {
        split: [f"{name}.{suffix}" for suffix in _SUFFIXES for name in names] + [f"*.{name}" for name in names]
        for split, names in _NAMES.items()
    }

    # The part of the layout that a preset fixes.
    preset: ClassVar[ColumnLayout] = ColumnLayout()

    def __init__(
        self,
        columns: Optional[int] = None,
        token_column: Optional[int] = None,
        tag_columns: Optional[list[int]] = None,
        separator: Optional[str] = None,
        scheme: Optional[str] = None,
        illegal_tags: IllegalRule = "repair",
        join: Optional[str] = None,
        comment: Optional[str] = None,
        bare_type: Optional[str] = None,
        document_level: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if document_level and self.neighbours is not None:
            raise ConfigError(
                "dataset_reader.context_sentences has to be left out: with document_level a text is a document"
            )
        self.illegal_tags = illegal_tags
        self.document_level = document_level
        given: dict[str, Any] = {
            "columns": columns,
            "token_column": token_column,
            "tag_columns": None if tag_columns is None else tuple(tag_columns),
            "separator": separator,
            "scheme": None if scheme is None else tag_scheme(scheme).name,
            "join": join,
            "comment": comment,
            "bare_type": bare_type,
        }
        self.layout = replace(self.preset, **{name: value for name, value in given.items() if value is not None})
        _check_layout(self.layout)

    @classmethod
    def sniff(cls, file_start: FileStart) -> Optional[Recognition]:
        """Recognises lines of several columns of which the last one is a tag."""
        return Recognition("columns that end in a tag", 0.5) if tagged_rows(file_start) else None

    def _token(self, cell: str) -> str:
        """Convert a cell to a token; presets override it. Raises `ValueError` with the problem if it holds none."""
        return cell

    def _parse_file(
        self, stream: BinaryIO, path: str, on_bad: Optional[Callable[[DataError], None]]
    ) -> Iterator[Union[Sentence, DataError]]:
        with readable(path):
            head = stream.read(_HEAD)
        blocks = read_blocks(Rewound(head, stream), path, self.encoding_errors, on_bad)
        first = list(itertools.islice(blocks, 1))  # another encoding is reported before anything is detected
        layout = complete_layout(self.layout, _whole_sentences(head), path)
        detected = [name for name in layout.detected if name != "scheme"]  # the scheme was logged with its reason
        if detected and self._reports():
            logger.info("%s: %s", path, ", ".join(f"{name} {getattr(layout, name)!r}" for name in detected))
        return self._parse_columns(_unmarked(itertools.chain(first, blocks), layout.separator or ""), path, layout)

    def _parse_columns(
        self, blocks: Iterable[tuple[int, str]], path: str, layout: ColumnLayout
    ) -> Iterator[Union[Sentence, DataError]]:
        plain_tokens = type(self)._token is ConllReader._token
        kind = CharacterParser if plain_tokens and CharacterParser.fits(layout) else ColumnParser
        parser = kind(layout, path, self._token, self.illegal_tags, self._count_problem, self.counts)
        records = parser.records_of_blocks(blocks)
        if self.document_level:
            yield from merge_documents(records)
        else:
            yield from with_documents(records, path)
        for remark in parser.remarks():
            self._remark(remark)


@lru_cache(maxsize=1)  # every preset asks
def tagged_rows(file_start: FileStart) -> list[list[str]]:
    """
    The rows that have a token and, in the last column, a tag. Empty if the file does not look like a column file: if
    fewer than four fifths of its lines end in a tag, or fewer than half have a token before it.
    """
    if file_start.json_keys is not None:
        return []
    rows = [line.split() for line in file_start.lines if not line.startswith(("#", DOCUMENT_START))]
    notation = detect_notation(Counter(row[-1] for row in rows), 0.8)
    if notation is None:
        return []
    # A token of white space leaves the tag alone.
    full = [row for row in rows if len(row) > 1 and notation.is_tag(row[-1])]
    return full if 2 * len(full) >= len(rows) else []


def _unmarked(blocks: Iterable[tuple[int, str]], separator: str) -> Iterator[tuple[int, str]]:
    """The blocks without the byte order marks of files that were joined; a mark that is itself a token stays."""
    after = re.escape(separator) if separator else r"[^\S\n]"
    mark = re.compile(f"^\ufeff(?!{after})", re.MULTILINE)
    for number, block in blocks:
        yield number, mark.sub("", block) if "\ufeff" in block else block


def _whole_sentences(head: bytes) -> list[str]:
    """The first lines of a file, from its first bytes, without the last sentence, which may be incomplete."""
    lines = head.decode("utf-8-sig", "replace").split("\n", _HEAD_LINES)
    if len(head) == _HEAD or len(lines) > _HEAD_LINES:
        blank = next((i for i in range(len(lines) - 2, 0, -1) if not lines[i].strip()), len(lines) - 1)
        del lines[max(blank, 1) :]
    return [line.removesuffix("\r") for line in lines]


def _check_layout(layout: ColumnLayout) -> None:
    """Raise `ConfigError` if options contradict each other."""
    if layout.bare_type is not None and not is_tag(f"B-{layout.bare_type}"):
        raise ConfigError(f"dataset_reader.bare_type is {layout.bare_type!r}, but must be the name of a type")
    columns, named = layout.columns, {"token_column": (layout.token_column,), "tag_columns": layout.tag_columns or ()}
    if columns is not None and columns < 1:
        raise ConfigError(f"dataset_reader.columns is {columns}, but must be at least 1")
    for option, numbers in named.items():
        for number in numbers:
            if number is not None and columns is not None and not -columns <= number < columns:
                raise ConfigError(f"dataset_reader.{option} names {number}, but there are {columns} columns (from 0)")
