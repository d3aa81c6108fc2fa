"""`allennlp ner-runs`: training runs side by side."""

import argparse
from pathlib import Path
from typing import Any

from allennlp.commands.subcommand import Subcommand

DESCRIPTION = "Compare training runs: what differs in versions, data and config, and their figures side by side."


class NerRunsCommand(Subcommand):
    """Compares the `run.json` and `config.json` of runs."""

    def add_subparser(self, parser: Any) -> argparse.ArgumentParser:
        """The arguments."""
        subparser: argparse.ArgumentParser = parser.add_parser("ner-runs", description=DESCRIPTION, help=DESCRIPTION)
        subparser.add_argument("runs", nargs="+", metavar="RUN", help="the folder of a run: the -s of `allennlp train`")
        subparser.add_argument("--debug", action="store_true", help="show the traceback of an error")
        subparser.set_defaults(func=compare_from_args)
        return subparser


def compare_from_args(args: argparse.Namespace) -> None:
    """
    Print the comparison.

    # Raises

    `ConfigError` if a folder has no `run.json`.
    """
    from ner_plugins.reports.run_comparison import compare, read_run

    print(compare([read_run(Path(run)) for run in args.runs]))
