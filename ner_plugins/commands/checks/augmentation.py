"""Augmentations of a reader that nothing applies."""

from collections.abc import Iterator

from ner_plugins.commands.checks.mistakes import Mistake
from ner_plugins.commands.checks.walk import Walk
from ner_plugins.dataset_readers.ner_reader import NerDatasetReader
from ner_plugins.training.trainer import NerTrainer


def without_effect(walk: Walk) -> Iterator[Mistake]:
    """Those of the reader of validation data, and those of any reader with a trainer that does not augment."""
    trainer = walk.at("trainer")
    for place in walk.of(NerDatasetReader):
        key = place.place("augmentation")
        if not place.options.get("augmentation"):
            continue
        if place.key == "validation_dataset_reader":
            yield Mistake(key, f"{key} has no effect, since only training data are augmented: remove it")
        elif trainer is not None and trainer.is_known and not issubclass(trainer.cls, NerTrainer):
            yield Mistake(key, f'{key} needs "type": "ner" in trainer')
        elif place.options.get("context_sentences") is not None:
            context = place.place("context_sentences")
            yield Mistake(key, f"{key} changes sentences, which {context} gives neighbours: leave out one of the two")
