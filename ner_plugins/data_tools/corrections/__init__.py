"""Corrections of labels: `decisions` reads what was decided about suspected errors, `apply` changes a corpus by it."""

from ner_plugins.data_tools.corrections.apply import Corrections, Outcome
from ner_plugins.data_tools.corrections.decisions import Decision, read_decisions

__all__ = ["Corrections", "Decision", "Outcome", "read_decisions"]
