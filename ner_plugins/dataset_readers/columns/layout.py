"""The layout of a column file, detected from the file where the options leave it open."""

import itertools
import logging
import unicodedata
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Iterator, Optional, Sequence

from ner_plugins.dataset_readers.columns.notation import NOTATIONS, USUAL, TagNotation, detect_notation
from ner_plugins.dataset_readers.parsing import line_groups
from ner_plugins.errors import DataError, NerError, shown
from ner_plugins.tag_schemes import Detection, detect_scheme, first_misfit

logger = logging.getLogger(__name__)

DOCUMENT_START = "-DOCSTART-"
BARE_TAGS = frozenset("BIMELSU")
"""Tags without a type, as of a file with one type."""

_SHARE = 1 / 1.05  # of the cells of a tag column that have to be tags


@dataclass(frozen=True)
class ColumnLayout:
    """
    How to read the lines of a column file. `None` for what is not known yet.

    # Parameters

    columns : `Optional[int]`
        The number of columns in a line.
    token_column : `Optional[int]`
        Counted from 0; a negative number counts from the end.
    tag_columns : `Optional[tuple[int, ...]]`
        Each column is a layer of flat entities, and a sentence has the entities of all. `()`: the file is unlabelled.
    separator : `Optional[str]`
        `""` stands for any run of white space.
    scheme : `Optional[str]`
        The tag scheme.
    join : `Optional[str]`
        The text between two tokens.
    comment : `Optional[str]`
        A line before a sentence that begins with this, and has no tag in the tag column, is a comment. `""`: there are
        no comments.
    bare_type : `Optional[str]`
        The type of tags without one, such as `B` and `I`.
    notation : `TagNotation`
        How tags are written; always detected.
    detected : `tuple[str, ...]`
        The names of the other parameters that were detected from the file.
    """

    columns: Optional[int] = None
    token_column: Optional[int] = None
    tag_columns: Optional[tuple[int, ...]] = None
    separator: Optional[str] = None
    scheme: Optional[str] = None
    join: Optional[str] = None
    comment: Optional[str] = None
    bare_type: Optional[str] = None
    notation: TagNotation = USUAL
    detected: tuple[str, ...] = field(default=())

    def cells(self, line: str) -> list[str]:
        """
        The cells of a line, with types for bare tags. A token may be the separator itself, such as a space in a file
        separated by spaces. White space after a tag does not count.
        """
        cells = self._split(line)
        if self.bare_type is not None and len(cells) == self.columns:
            for column in (-1,) if self.tag_columns is None else self.tag_columns:
                if cells[column] in BARE_TAGS:
                    cells[column] = f"{cells[column]}-{self.bare_type}"
        return cells

    def _split(self, line: str) -> list[str]:
        assert self.separator is not None and self.columns is not None
        if not self.separator:
            return line.split()
        cells = line.split(self.separator)
        if line[-1:].isspace():
            without = line.rstrip().split(self.separator)
            if len(without) == self.columns and _may_be_tag(without[-1]):
                return without
        if len(cells) > self.columns and self.token_column == 0:
            apart = line.rsplit(self.separator, self.columns - 1)
            if not apart[0].strip(self.separator):
                return apart
        return cells


def complete_layout(layout: ColumnLayout, head: Sequence[str], path: str) -> ColumnLayout:
    """
    Detect what `layout` leaves open from the first lines of a file.

    # Parameters

    layout : `ColumnLayout`
    head : `Sequence[str]`
        Whole lines, without line ends.
    path : `str`
        For messages.

    # Returns

    `ColumnLayout`
        A layout without `None`.

    # Raises

    `DataError` if no column holds tags, or if their letters belong to no scheme.
    """
    sentences = [group for _, group in line_groups(enumerate(head)) if not group[0].startswith(DOCUMENT_START)]
    if not sentences:
        sentences = [["x O"]]  # an empty file: any layout does
    tokens = [rest for group in sentences if (rest := _without_comments(group, layout.comment))] or sentences
    found = _with_columns(layout, tokens)
    _check_columns(found, path)
    found = _with_tags(found, tokens, path)
    if found.comment is None:
        comments = any(group[0].startswith("#") and not has_tags(found, group[0]) for group in sentences)
        found = replace(found, comment="#" if comments else "")
    if found.token_column is None:
        found = replace(found, token_column=_token_column(found, tokens))
    rows = [list(_rows(found, group)) for group in tokens]
    if found.join is None:
        found = replace(found, join=_join([row[found.token_column or 0] for group in rows for row in group]))
    if found.scheme is None:
        detection = _scheme(found, rows, head, path)
        _log_scheme(detection, path)
        found = replace(found, scheme=detection.scheme)
    names = ("columns", "token_column", "tag_columns", "separator", "scheme", "join", "comment")
    detected = tuple(name for name in names if getattr(layout, name) is None)
    return replace(found, detected=detected)


def _rows(layout: ColumnLayout, group: Sequence[str]) -> Iterator[list[str]]:
    """The cells of those lines of a sentence that have the usual number of columns."""
    for line in group:
        cells = layout.cells(line)
        if len(cells) == layout.columns:
            yield cells


def _with_columns(layout: ColumnLayout, sentences: Sequence[Sequence[str]]) -> ColumnLayout:
    """Fill in the separator and the number of columns."""
    lines = [line for group in sentences for line in group]
    separator = layout.separator
    if separator is None:
        separator = _separator(lines)
    count = layout.columns
    if count is None:
        widths = Counter(_width(line, separator) for line in lines)
        count = max(widths, key=lambda width: (widths[width], width))
    return replace(layout, separator=separator, columns=count)


def _width(line: str, separator: str) -> int:
    """The number of columns of a line; white space after a tag is none."""
    if separator and line[-1:].isspace():
        without = line.rstrip().split(separator)
        if _may_be_tag(without[-1]):
            return len(without)
    return len(line.split(separator or None))


def _may_be_tag(cell: str) -> bool:
    """Whether a cell is a tag in some notation."""
    return cell in BARE_TAGS or any(notation.is_tag(cell) for notation in NOTATIONS)


def _without_comments(group: Sequence[str], comment: Optional[str]) -> list[str]:
    """The lines of a sentence without the leading ones that may be comments."""
    prefix = "#" if comment is None else comment
    return list(itertools.dropwhile(lambda line: bool(prefix) and line.startswith(prefix), group))


def _check_columns(layout: ColumnLayout, path: str) -> None:
    count = layout.columns or 0
    for option, numbers in {"token_column": (layout.token_column,), "tag_columns": layout.tag_columns or ()}.items():
        for number in numbers:
            if number is not None and not -count <= number < count:
                problem = f"no column {number}, which {option} names: most lines have {count}"
                raise DataError(problem, path=path, remedy=f"Set {option}, or separator")


def _separator(lines: Sequence[str]) -> str:
    tabs = [line for line in lines if "\t" in line]
    if 2 * len(tabs) >= len(lines):
        padded = sum(any(cell.strip() and cell != cell.strip() for cell in line.rstrip().split("\t")) for line in tabs)
        return "" if 2 * padded >= len(tabs) else "\t"
    # In columns aligned with several spaces, empty cells come after a filled one; if a token is itself a space, they
    # come first.
    aligned = sum(line[0] != " " and ("  " in line.rstrip(" ") or "\t" in line) for line in lines)
    return "" if 2 * aligned >= len(lines) else " "


def _with_tags(layout: ColumnLayout, sentences: Sequence[Sequence[str]], path: str) -> ColumnLayout:
    """Fill in the tag columns, by default the last one that holds tags, and how tags are written."""
    assert layout.columns is not None
    rows = [row for group in sentences for row in _rows(layout, group)]
    if layout.tag_columns is None:
        notations = {column: _notation(layout, column, rows) for column in range(layout.columns)}
        candidates = [column for column, notation in notations.items() if notation == USUAL]
        candidates = candidates or [column for column, notation in notations.items() if notation is not None]
        if not candidates and layout.columns > 1:
            shown = sentences[0][0][:60]
            remedy = "Set tag_columns, or check that it is a column file (set tag_columns to [] for an unlabelled one)"
            raise DataError(f"no column of tags such as O and B-PER in lines like {shown!r}", path=path, remedy=remedy)
        if len(candidates) > 1:
            listed = ", ".join(map(str, candidates[-20:]))
            message = "%s: columns %s all look like tags; the last is read (set tag_columns for others)"
            logger.warning(message, path, listed)
        layout = replace(layout, tag_columns=tuple(candidates[-1:]))
    cells = Counter(row[column] for row in rows for column in layout.tag_columns or ())
    notation = detect_notation(cells, _SHARE) or USUAL
    if notation != USUAL:
        logger.info("%s: tags are written as %s", path, notation)
    return replace(layout, notation=notation)


def has_tags(layout: ColumnLayout, line: str) -> bool:
    """Whether a line, which may be a comment, has tags in the tag columns."""
    cells = layout.cells(line)
    tags = layout.tag_columns or ()
    return len(cells) == layout.columns and all(layout.notation.is_tag(cells[column]) for column in tags)


def _notation(layout: ColumnLayout, column: int, rows: Sequence[Sequence[str]]) -> Optional[TagNotation]:
    """The notation of a column if (nearly) all of it is tags. A column of O alone counts only if it is the last one."""
    values = Counter(row[column] for row in rows)
    return detect_notation(values, _SHARE) if len(values) > 1 or column + 1 == layout.columns else None


def _token_column(layout: ColumnLayout, sentences: Sequence[Sequence[str]]) -> int:
    """The first column that is neither a running number nor holds tags."""
    assert layout.columns is not None
    tags = {column % layout.columns for column in layout.tag_columns or ()}
    groups = [list(_rows(layout, group)) for group in sentences]
    for column in range(layout.columns):
        if column not in tags and not all(
            [row[column] for row in rows] in ([str(i + first) for i in range(len(rows))] for first in (0, 1))
            for rows in groups
        ):
            return column
    return 0


def _join(tokens: Sequence[str]) -> str:
    """The text between tokens: empty for characters and for languages without spaces, otherwise a space."""
    if all(len(token) == 1 for token in tokens):
        return ""
    letters = Counter(_is_ideograph(character) for token in tokens for character in token if character.isalpha())
    return "" if letters[True] > letters[False] else " "


def _is_ideograph(character: str) -> bool:
    return unicodedata.name(character, "").startswith(("CJK ", "HIRAGANA", "KATAKANA"))


def _scheme(
    layout: ColumnLayout, rows: Sequence[Sequence[Sequence[str]]], head: Sequence[str], path: str
) -> Detection:
    layers = [[row[column] for row in group] for column in layout.tag_columns or () for group in rows]
    # Cells that are no tags are reported with their line when the file is read.
    notation = layout.notation
    readable = [list(map(notation.normal, tags)) for tags in layers if all(map(notation.is_tag, tags))]
    try:
        return detect_scheme(readable)
    except NerError as error:
        number, found = _misfit(layout, head)
        raise DataError(f"{found}: {error}", path=path, line=number, remedy="Correct the tags, or set scheme") from None


def _misfit(layout: ColumnLayout, head: Sequence[str]) -> tuple[int, str]:
    """The first line with a tag whose letter no scheme has together with the letters before it, and that tag."""
    tagged = [
        (number, cells[column])
        for number, line in enumerate(head, 1)
        if len(cells := layout.cells(line)) == layout.columns
        for column in layout.tag_columns or ()
        if layout.notation.is_tag(cells[column])
    ]
    at = first_misfit(layout.notation.normal(tag) for _, tag in tagged)
    assert at is not None  # since there is no scheme
    return tagged[at][0], shown(tagged[at][1])


def _log_scheme(detection: Detection, path: str) -> None:
    level = logging.WARNING if detection.illegal else logging.INFO
    logger.log(level, "%s: tag scheme %s (%s)", path, detection.scheme, detection.reason)
