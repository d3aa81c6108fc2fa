"""The commands: `train`, `evaluate` and `predict` as AllenNLP has them, with what their users miss."""

from ner_plugins.commands.evaluate import EvaluateCommand
from ner_plugins.commands.predict import PredictCommand
from ner_plugins.commands.train import TrainCommand

# Registered under these names by `ner_plugins.compat.command_line`, before the command line is parsed.
COMMANDS = {"train": TrainCommand, "evaluate": EvaluateCommand, "predict": PredictCommand}

__all__ = ["COMMANDS", "EvaluateCommand", "PredictCommand", "TrainCommand"]
