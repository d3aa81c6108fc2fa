"""What the parsers of files share: errors with file and line, groups of lines, and a pause of garbage collection."""

import gc
from contextlib import contextmanager
from typing import Callable, Iterable, Iterator, Optional, TypeVar

from ner_plugins.errors import DataError
from ner_plugins.files.text_lines import without_mark

T = TypeVar("T")
Lines = Iterator[tuple[int, str]]

# What `a, b = line.split()`, `cells[2]`, `value["text"]`, `int(cell)` and the like raise on a malformed line.
MALFORMED = (ValueError, LookupError, TypeError)


def guarded(parse: Callable[[Lines, str], Iterator[T]], lines: Lines, path: str) -> Iterator[T]:
    """
    The records that a parser yields for a file's lines.

    # Raises

    `DataError` at the line read last, if the parser raises a `ValueError`, `LookupError` or `TypeError`.
    """
    number: Optional[int] = None

    def followed() -> Lines:
        nonlocal number
        for pair in lines:
            number = pair[0]
            yield pair

    try:
        yield from parse(followed(), path)
    except MALFORMED as error:
        what = " ".join(str(error).split())[:200]
        name = getattr(parse, "__qualname__", "the parser")
        raise DataError(
            f"{name} cannot read it: {type(error).__name__}{what and ': '}{what}",
            path=path,
            line=number,
            remedy="Correct the line. The rest of the file is lost even with on_error skip; a parser that yields a "
            "DataError for a bad record, instead of raising, goes on after it",
        ) from error


def line_groups(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, list[str]]]:
    """The groups of lines between blank ones, each with the number of its first line."""
    first = 0
    group: list[str] = []
    for number, line in lines:
        if line[1:2] not in (" ", "\t"):  # before these, a mark is a token
            line = without_mark(line)  # where files were joined
        if line and not line.isspace():
            if not group:
                first = number
            group.append(line)
        elif group:
            yield first, group
            group = []
    if group:
        yield first, group


@contextmanager
def gc_paused() -> Iterator[None]:
    """
    Pause garbage collection while many objects are made that all stay in use.

    The collector would scan the tokens and entities of a corpus again and again, which takes longer than making them.
    (Reference counting goes on. Cycles that other threads make meanwhile are collected a little later.)
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
