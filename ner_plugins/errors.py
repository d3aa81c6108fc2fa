"""The exceptions of this package. Their messages name the place and the remedy."""

from typing import Optional

from ner_plugins.visible import in_one_line, shortened


def shown(value: object, limit: int = 80) -> str:
    """`value` for a message: printable, and at most `limit` characters long."""
    written = repr(value)
    return written if len(written) <= limit else written[: limit - 3] + "..."


class NerError(Exception):
    """
    Base of every error that `ner_plugins` raises on purpose; the command line prints it without a traceback.

    The lines of a message that would fill the screen, whatever it names, lose their middle: see `shortened`.
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*[shortened(part) if isinstance(part, str) else part for part in args])


class ConfigError(NerError):
    """A setting is missing, unknown or contradicts another; the message names the config key."""


class ArchiveError(NerError):
    """A model archive is damaged, hostile, incomplete or of another format version."""


class DataError(NerError):
    """
    A data file, or one place in it, is not in the expected format.

    # Parameters

    problem : `str`
        What was found.
    path : `Optional[str]`
        The file.
    line : `Optional[int]`
        The 1-based line in it.
    expected : `Optional[str]`
        What the place should hold.
    remedy : `Optional[str]`
        What the user can do.
    """

    def __init__(
        self,
        problem: str,
        *,
        path: Optional[str] = None,
        line: Optional[int] = None,
        expected: Optional[str] = None,
        remedy: Optional[str] = None,
    ) -> None:
        self.problem, self.path, self.line = problem, path, line
        self.expected, self.remedy = expected, remedy
        place = "" if path is None else f"{path}: " if line is None else f"{path}:{line}: "
        message = place + problem
        if expected:
            message += f" (expected {expected})"
        if remedy:
            message += f". {remedy}"
        super().__init__(in_one_line(message))

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        # Data loader workers pickle exceptions, and pickle calls the class with `args` alone.
        return _restore_data_error, (self.problem, self.path, self.line, self.expected, self.remedy)


class Remark(DataError):
    """Something suspicious about a file that does not stop the reading; it is logged, and given to listeners."""


class LeftOut(Remark):
    """Parts of a file that were not read, by a rule of its format."""


def _restore_data_error(
    problem: str, path: Optional[str], line: Optional[int], expected: Optional[str], remedy: Optional[str]
) -> DataError:
    return DataError(problem, path=path, line=line, expected=expected, remedy=remedy)
