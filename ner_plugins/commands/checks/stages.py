"""Stages before training that a config or a model makes impossible."""

from collections.abc import Iterator
from typing import Any

from allennlp.training.callbacks import TrainerCallback
from allennlp.training.gradient_descent_trainer import GradientDescentTrainer

from ner_plugins.commands.checks.mistakes import Mistake
from ner_plugins.commands.checks.walk import Walk
from ner_plugins.errors import NerError
from ner_plugins.token_embedders.transformer_embedder import TransformerEmbedder
from ner_plugins.training.masked_lm.callback import MaskedLanguageModelCallback
from ner_plugins.training.stages.callback import StagedTraining
from ner_plugins.training.trainer_access import callbacks_of


def without_transformer(walk: Walk) -> Iterator[Mistake]:
    """Callbacks that train a transformer, which the config's model does not have or freezes."""
    model = walk.at("model")
    if model is None or "text_field_embedder" not in model.options:  # such as a model from an archive
        return
    embedders = list(walk.of(TransformerEmbedder))
    for place in walk.of(TrainerCallback):
        if not issubclass(place.cls, MaskedLanguageModelCallback) or place.options.get("epochs") == 0:
            continue
        if not embedders:
            what = "the model has none: give it a token embedder ner_transformer"
            yield Mistake(place.key, f"{place.key} (ner_mlm) trains a transformer, but {what}")
        elif all(one.options.get("train_parameters") is False for one in embedders):
            what = f"{embedders[0].place('train_parameters')} is false"
            yield Mistake(place.key, f"{place.key} (ner_mlm) trains the transformer, but {what}: set it to true")


def failing(trainer: Any) -> Iterator[Mistake]:
    """What the stages of a trainer would stumble over."""
    if not isinstance(trainer, GradientDescentTrainer):
        return
    for callback in callbacks_of(trainer):
        if isinstance(callback, StagedTraining):
            try:
                callback.check(trainer)
            except NerError as error:
                yield Mistake("", str(error))
