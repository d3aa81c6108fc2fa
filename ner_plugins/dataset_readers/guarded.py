"""Parsers of others, whose own exceptions become errors that name file and line."""

from typing import Callable, Iterator, Optional, Tuple, TypeVar

from ner_plugins.errors import DataError

T = TypeVar("T")
Lines = Iterator[Tuple[int, str]]

# What a malformed line makes of `a, b = line.split()`, `cells[2]`, `value["text"]`, `int(cell)` and their like.
_OF_MALFORMED_LINES = (ValueError, LookupError, TypeError)


def guarded(parse: Callable[[Lines, str], Iterator[T]], lines: Lines, path: str) -> Iterator[T]:
    """
    What a parser makes of a file's lines.

    # Raises

    `DataError`, from a `ValueError`, `LookupError` or `TypeError` of the parser, at the line that it took last.
    """
    number: Optional[int] = None

    def followed() -> Lines:
        nonlocal number
        for pair in lines:
            number = pair[0]
            yield pair

    try:
        yield from parse(followed(), path)
    except _OF_MALFORMED_LINES as error:
        what = " ".join(str(error).split())[:200]
        name = getattr(parse, "__qualname__", "the parser")
        raise DataError(
            f"{name} cannot read it: {type(error).__name__}{what and ': '}{what}",
            path=path,
            line=number,
            remedy="Correct the line. The rest of the file is lost, whatever on_error says; a parser that yields a "
            "DataError in the place of a bad record goes on after it",
        ) from error
