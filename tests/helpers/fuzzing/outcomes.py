"""What may come of an input: a result, or one of the package's own errors, soon and without much memory."""

import contextlib
import re
import resource
import signal
import time
from collections.abc import Iterator
from typing import Any

from ner_plugins.commands.command_line import describe
from ner_plugins.entities import Sentence
from ner_plugins.errors import NerError

LONGEST_MESSAGE = 3000
HARD_LIMIT = 20.0  # seconds by the clock; what takes longer is stopped
CPU_LIMIT = 1.0  # seconds of processor time for each megabyte, the last one counted in full


_ITEM = re.compile(r" +[0-9]+\. ")  # of the list of a config's mistakes


class WrongOutcome(AssertionError):
    """An input that led to something else."""


class NotDone(WrongOutcome):
    """An input that took too long by the clock."""


def check_message(error: BaseException) -> None:
    """Check an error of the package: one line, not too long, and not about a bug of a parser."""
    if not isinstance(error, NerError):
        raise WrongOutcome(f"{type(error).__name__} instead of one of the package's errors") from error
    message = str(error)
    if "\n" in message:
        raise WrongOutcome(f"a message of several lines: {message!r}") from error
    if len(message) > LONGEST_MESSAGE:
        raise WrongOutcome(f"a message of {len(message)} characters: {message[:200]!r}") from error
    if " cannot read it: " in message:  # what `guarded` makes of the bugs of parsers
        raise WrongOutcome(message) from error


def check_described(error: BaseException) -> None:
    """Check an error that a command turns into its message for the user."""
    message = describe(error)
    if message is None:
        raise WrongOutcome(f"{type(error).__name__} would be shown as a traceback: {error}") from error
    is_list = message.startswith("the config has ") and all(map(_ITEM.match, message.split("\n")[1:]))
    if ("\n" in message and not is_list) or len(message) > LONGEST_MESSAGE * (1 + is_list * message.count("\n")):
        raise WrongOutcome(f"a message of several lines, or too long: {message[:500]!r}") from error


def check_sentence(sentence: Any) -> None:
    """Check that a sentence is what the readers promise."""
    assert isinstance(sentence, Sentence) and isinstance(sentence.text, str)
    assert sentence.id is None or isinstance(sentence.id, (int, str))
    for entity in sentence.entities or ():
        assert 0 <= entity.start < entity.end <= len(sentence.text)
        assert isinstance(entity.type, str) and entity.type


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Stops the block after this time by the clock."""

    def too_long(*_: Any) -> None:
        raise NotDone(f"not done after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)  # again, where Python ignores the exception: in a finalizer
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Stopwatch:
    """Processor time of an input, held against its size."""

    def __init__(self) -> None:
        self._began = time.process_time()

    def seconds(self) -> float:
        return time.process_time() - self._began

    def is_too_slow(self, size: int) -> bool:
        return self.seconds() > CPU_LIMIT * max(1.0, size / 1e6)


@contextlib.contextmanager
def limited_memory(more: int) -> Iterator[None]:
    """Lets the process have at most this many bytes more; what wants more gets a `MemoryError`."""
    with open("/proc/self/statm", encoding="ascii") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
