"""The commands: AllenNLP's `train`, `evaluate` and `predict` with additions, and this package's own."""

# Importing AllenNLP's commands registers ours (`ner_plugins.commands.command_line`), which imports the modules of this
# package. Import them first, so that none of these modules is half imported at that time.
import allennlp.commands  # noqa: F401
