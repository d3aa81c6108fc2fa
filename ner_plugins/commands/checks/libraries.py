"""Libraries that only some callbacks need."""

import importlib.util
from collections.abc import Iterator

from allennlp.training.callbacks import TrainerCallback

from ner_plugins.commands.checks.mistakes import Mistake
from ner_plugins.commands.checks.walk import Walk
from ner_plugins.training.tracking import missing_library


def missing_libraries(walk: Walk) -> Iterator[Mistake]:
    """The libraries of callbacks, `wandb` and `mlflow`, that are not installed."""
    for place in walk.of(TrainerCallback):
        library = getattr(place.cls, "library", None)
        if library is not None and importlib.util.find_spec(library) is None:
            yield Mistake(place.key, f"{place.key}: {missing_library(library)}")
