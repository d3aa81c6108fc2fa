"""Learning-rate schedules that do not fit the number of updates."""

import math
import random
from collections.abc import Iterator
from typing import Any, Optional

from allennlp.training.gradient_descent_trainer import GradientDescentTrainer
from allennlp.training.learning_rate_schedulers import LearningRateScheduler

from ner_plugins.commands.checks.walk import Walk
from ner_plugins.training.trainer_access import accumulated_batches, number_of_epochs

_STEPS = ("warmup_steps", "warmup")


def late_warm_ups(walk: Walk, trainer: Any) -> Iterator[str]:
    """A warning about warm-up that takes more updates than training has, so that the full rate is never reached."""
    if not isinstance(trainer, GradientDescentTrainer):
        return
    for place in walk.of(LearningRateScheduler):
        for option in _STEPS:
            steps = place.options.get(option)
            # Below 1, `warmup` is a share of all updates.
            if not place.is_known or not isinstance(steps, (int, float)) or steps <= 1:
                continue
            updates = updates_of(trainer)
            if updates is not None and steps > updates:
                key = place.place(option)
                yield f"{key} is {steps:,}, but training has {updates:,} updates: the rate never reaches its full value"


def updates_of(trainer: GradientDescentTrainer) -> Optional[int]:
    """The number of updates of all epochs; `None` if the data are streamed. Draws no random number."""
    state = random.getstate()  # some samplers draw batches to count them
    try:
        batches = len(trainer.data_loader)
    except TypeError:
        return None
    finally:
        random.setstate(state)
    return math.ceil(batches / accumulated_batches(trainer)) * number_of_epochs(trainer)
