"""
Problems in corpora.

`corpora` reads corpora and compares sentences and splits, `sentences` checks one sentence, and `findings` collects
what they report. The kinds of problems are in `ner_plugins.data_tools.problem_kinds`.
"""

from ner_plugins.data_tools.checks.corpora import check_corpora
from ner_plugins.data_tools.checks.findings import Findings, Problem, format_findings
from ner_plugins.data_tools.checks.sentences import LONG_TEXT, check_sentence

__all__ = ["LONG_TEXT", "Findings", "Problem", "check_corpora", "check_sentence", "format_findings"]
