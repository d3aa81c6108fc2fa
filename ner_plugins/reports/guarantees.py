"""A threshold with a guaranteed recall, by conformal risk control."""

import math
import re
from typing import Callable, Sequence

from ner_plugins.errors import ConfigError, DataError
from ner_plugins.reports.collect import SentenceResult

_ROUNDING = 1e-6
"""Scores are rounded to six digits: one that is this close to a threshold may be below it in the model."""

Losses = Callable[[float], Sequence[float]]
"""From a threshold to 1 - recall of each sentence that has gold."""


def parse_guarantee(given: str) -> float:
    """
    The recall of `recall=0.95`.

    # Raises

    `ConfigError` for anything else, also for precision: conformal risk control needs a risk that only grows with the
    threshold, and precision may fall when a correct prediction is dropped.
    """
    name, _, value = given.partition("=")
    if name.strip() == "precision":
        raise ConfigError(
            f"--guarantee {given}: a precision cannot be guaranteed this way, as it may fall when a threshold rises. "
            "Without --guarantee, ner-threshold finds thresholds for the best F1"
        )
    number = float(value) if re.fullmatch(r"\s*0?\.\d+\s*", value) else 0.0
    if name.strip() != "recall" or not 0.0 < number < 1.0:
        raise ConfigError(f"--guarantee is {given!r}, but has to be recall=R with R between 0 and 1, as in recall=0.95")
    return number


def losses_at(sentences: Sequence[SentenceResult], threshold: float) -> list[float]:
    """
    1 - recall of each sentence that has gold, of exact typed spans, if predictions with a lower score are dropped.

    # Raises

    `ConfigError` if a prediction has no score.
    """
    losses = []
    for sentence in sentences:
        if any(entity.score is None for entity in sentence.predicted):
            raise ConfigError("the model's predictions have no scores, so thresholds cannot apply to them")
        kept = {e for e in sentence.predicted if threshold == 0 or (e.score or 0.0) >= threshold + _ROUNDING}
        if sentence.gold:
            losses.append(1.0 - len(kept & set(sentence.gold)) / len(sentence.gold))
    return losses


def risk_bound(losses: Sequence[float]) -> float:
    """
    (n R + B) / (n + 1) with R the mean of n losses, and B = 1 the greatest loss that there can be: equation 4 of
    Angelopoulos, Bates, Fisch, Lei and Schuster (2022), "Conformal Risk Control", arXiv 2208.02814.
    """
    return (sum(losses) + 1.0) / (len(losses) + 1)


def guaranteed_threshold(losses_of: Losses, grid: Sequence[float], recall: float) -> float:
    """
    The highest threshold of a grid at which the recall of a new sentence is at least `recall` in expectation.

    The guarantee is Theorem 1 of the paper: if the n sentences and the new one are exchangeable, and the loss of each
    grows with the threshold, the expected loss at the highest threshold with `risk_bound` <= 1 - recall is at most
    1 - recall. A flat decoder that drops candidates before it chooses may find more at a higher threshold, so a
    sentence's loss here is the greatest at this or any lower threshold of the grid. It grows, and bounds the true one.

    # Parameters

    losses_of : `Losses`
        Called for thresholds of the grid in order, until the bound is too high.
    grid : `Sequence[float]`
        Ascending from 0, and chosen without looking at the data.
    recall : `float`
        Between 0 and 1.

    # Raises

    `DataError` if no threshold gives the guarantee; it says which one can be had.
    """
    chosen = None
    highest: list[float] = []
    for threshold in grid:
        losses = losses_of(threshold)
        highest = [max(pair) for pair in zip(highest, losses, strict=True)] if highest else list(losses)
        # Differences of the last digits are no reason to refuse n = 19 and 0.95.
        if risk_bound(highest) > 1.0 - recall + 1e-12:
            if chosen is None:
                raise DataError(_unreachable(losses, recall))
            break
        chosen = threshold
    assert chosen is not None
    return chosen


def _unreachable(losses: Sequence[float], recall: float) -> str:
    """Why there is no guarantee, from the losses without a threshold."""
    number = len(losses)
    if number == 0:
        return "the data have no gold entity, so no recall can be guaranteed"
    reachable = max(0.0, int((1.0 - risk_bound(losses)) * 1e4 + 1e-6) / 1e4)
    found = 1.0 - sum(losses) / number
    reason = f"without any threshold the model's mean recall on {number:,} sentences with gold is {found:.4f}"
    allowed = 1.0 - recall
    if found > recall:
        enough = f"about {math.ceil((1.0 - allowed) / (allowed - 1.0 + found) - 1e-9):,} such sentences would do"
    else:
        enough = "more data would not change that: the model or its decoder has to find more"
    return (
        f"a recall of {recall:g} cannot be guaranteed: {reason}, of which {reachable:.4f} can be guaranteed "
        f"(recall={reachable:.4f}); {enough}"
    )
