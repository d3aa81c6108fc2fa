"""`allennlp ner-data ACTION`: inspects, converts and downloads corpora."""

import argparse
from typing import Any

from allennlp.commands.subcommand import Subcommand

from ner_plugins.commands.ner_data import apply, check, convert, download, sample, split, stats

# Each has NAME, HELP, add_arguments and run. Every command of AllenNLP builds this parser, so slow imports wait until
# an action runs.
ACTIONS = (stats, check, convert, split, sample, apply, download)


class NerDataCommand(Subcommand):
    """Tools for corpora in any format that a reader of this package reads."""

    def add_subparser(self, parser: Any) -> argparse.ArgumentParser:
        """A parser with a subparser for each action."""
        description = "Tools for corpora of named entities, in every format that there is a reader for."
        subparser: argparse.ArgumentParser = parser.add_parser("ner-data", description=description, help=description)
        actions = subparser.add_subparsers(title="Actions", metavar="ACTION", dest="action", required=True)
        for module in ACTIONS:
            action = actions.add_parser(module.NAME, description=module.HELP, help=module.HELP)
            module.add_arguments(action)
            action.add_argument("--debug", action="store_true", help="show the traceback of an error")
            action.add_argument(
                "--include-package",
                action="append",
                metavar="PACKAGE",
                help="import this package first, for the readers that it registers",
            )
            # The command has an option of this name too; keep its value where this one is not given.
            action._actions[-1].default = argparse.SUPPRESS
            action.set_defaults(func=module.run)
        return subparser
