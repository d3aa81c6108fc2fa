"""The commands: `train`, `evaluate` and `predict` as AllenNLP has them, with what their users miss."""

# Importing AllenNLP's commands registers ours (`ner_plugins.commands.command_line`), which imports the modules of this
# package: first here, so that none of them is half imported then.
import allennlp.commands  # noqa: F401
