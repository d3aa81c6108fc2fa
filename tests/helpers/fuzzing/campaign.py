"""The kinds of inputs with their shares, and one input of a kind by its number."""

import logging
import random
import traceback
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from fuzzing.fold_inputs import attack_folds
from fuzzing.line_inputs import attack_lines, compile_kernels
from fuzzing.notation_inputs import attack_brackets, attack_tags
from fuzzing.object_inputs import attack_archive, attack_options
from fuzzing.outcomes import HARD_LIMIT, NotDone, Stopwatch, WrongOutcome, within
from fuzzing.path_inputs import attack_path
from fuzzing.reader_inputs import attack_conversion, attack_reader, attack_with_much
from fuzzing.record_inputs import attack_record, attack_setting, attack_words
from fuzzing.rule_inputs import attack_rules

Attack = Callable[[random.Random, Path], int]


@dataclass(frozen=True)
class Kind:
    """
    A kind of input.

    # Parameters

    attack : `Callable[[random.Random, Path], int]`
        Makes and tries an input in a folder; returns its size in bytes, or raises if something else than a result or an
        error of the package comes of it.
    share : `int`
        Of 1,000 inputs.
    """

    attack: Attack
    share: int


KINDS = {
    "readers": Kind(attack_reader, 338),
    "much": Kind(attack_with_much, 2),
    "conversions": Kind(attack_conversion, 100),
    "paths": Kind(attack_path, 120),
    "lines": Kind(attack_lines, 120),
    "brackets": Kind(attack_brackets, 60),
    "tags": Kind(attack_tags, 60),
    "records": Kind(attack_record, 35),
    "settings": Kind(attack_setting, 35),
    "folds": Kind(attack_folds, 20),
    "words": Kind(attack_words, 20),
    "rules": Kind(attack_rules, 30),
    "options": Kind(attack_options, 50),
    "archives": Kind(attack_archive, 10),
}


@dataclass(frozen=True)
class Failure:
    """An input that led to something else than a result or an error of the package."""

    kind: str
    seed: int
    number: int
    problem: str
    place: str  # of the code that raised it
    traceback: str


def try_input(kind: str, seed: int, number: int, folder: Path) -> tuple[float, Optional[Failure]]:
    """The processor time of one input, and what was wrong with its outcome."""
    seconds, size, problem = _tried(kind, seed, number, folder)
    if isinstance(problem, NotDone) and seconds < HARD_LIMIT / 4:  # the machine was busy with something else
        seconds, size, problem = _tried(kind, seed, number, folder, 10 * HARD_LIMIT)
    if problem is None and size < 0:
        # The first of its kind imports modules, and the machine may have been busy: count the second time.
        seconds, size, problem = _tried(kind, seed, number, folder)
        if problem is None and size < 0:
            problem = WrongOutcome(f"{seconds:.2f} s of processor time for {-size} bytes")
    if problem is None:
        return seconds, None
    told = "".join(traceback.format_exception(problem)).replace(str(folder), "FOLDER")
    said = " ".join(f"{type(problem).__name__}: {problem}".split()).replace(str(folder), "FOLDER")
    cause = problem.__cause__ if problem.__cause__ is not None and problem.__cause__.__traceback__ else problem
    frames = traceback.extract_tb(cause.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else f"too slow: {number}"
    return seconds, Failure(kind, seed, number, said[:300], place, told[-6000:])


def _tried(
    kind: str, seed: int, number: int, folder: Path, limit: float = 0.0
) -> tuple[float, int, Optional[BaseException]]:
    """Seconds, the size of the input (negative if it took too long), and what was raised."""
    chance = random.Random(f"{seed}/{kind}/{number}")
    watch = Stopwatch()
    try:
        with within(limit or HARD_LIMIT):
            size = KINDS[kind].attack(chance, folder)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        return watch.seconds(), 0, error
    return watch.seconds(), -max(1, size) if watch.is_too_slow(size) else size, None


def prepare(kinds: Iterable[str]) -> None:
    """No log and no warnings, which are many; and what the first of these kinds would wait for."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    if "lines" in kinds:
        compile_kernels()
