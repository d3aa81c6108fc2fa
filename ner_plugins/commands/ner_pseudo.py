"""`allennlp ner-pseudo`: labels unlabelled text, and keeps what the models are sure of, as training data."""

import argparse
from typing import Any

from allennlp.commands.subcommand import Subcommand

from ner_plugins.commands.output_names import output_name
from ner_plugins.commands.trust_option import offer_trust

DESCRIPTION = "Label unlabelled text, and keep the sentences that one or several models are sure of, as training data."
_DETAILS = (
    "How sure a score has to be is found for each type on out-of-fold predictions (ner-folds) or development data, for "
    "a precision that is wanted; or it is given."
)


class NerPseudoCommand(Subcommand):
    """Writes pseudo labels."""

    def add_subparser(self, parser: Any) -> argparse.ArgumentParser:
        """The arguments. Every command builds this parser, so slow imports wait until the command runs."""
        subparser: argparse.ArgumentParser = parser.add_parser(
            "ner-pseudo", description=f"{DESCRIPTION} {_DETAILS}", help=DESCRIPTION
        )
        subparser.add_argument("archives", nargs="+", metavar="ARCHIVE", help="archives with the same entity types")
        subparser.add_argument("input_file", metavar="TEXTS", help="JSON lines or lines of plain text")
        subparser.add_argument(
            "-o", "--output", type=output_name, required=True, metavar="OUT.jsonl", help="the corpus to write"
        )
        subparser.add_argument("--force", action="store_true", help="replace OUT.jsonl")
        _add_sureness(subparser)
        subparser.add_argument("--keep-empty", action="store_true", help="keep sentences without an entity too")
        subparser.add_argument(
            "--weight", type=float, default=1.0, help="factor of the sentences' weights (default: 1)"
        )
        subparser.add_argument(
            "--input-format",
            choices=("json", "text"),
            help="JSON lines or plain text lines (default: JSON where the name ends in .json or .jsonl, else text)",
        )
        subparser.add_argument(
            "--encoding", help="of the input, such as gb18030 (default: UTF-8, or UTF-16 with a byte order mark)"
        )
        subparser.add_argument("--on-error", choices=("raise", "skip"), default="raise", help="for an unreadable line")
        subparser.add_argument(
            "--cuda-device", type=int, help="id of the GPU to use, -1 for the CPU (default: the first GPU, if any)"
        )
        subparser.add_argument("--debug", action="store_true", help="show the traceback of an error")
        offer_trust(subparser, pseudo_from_args)
        return subparser


def _add_sureness(subparser: argparse.ArgumentParser) -> None:
    """The arguments about what is kept."""
    data = subparser.add_mutually_exclusive_group()
    data.add_argument("--out-of-fold", metavar="DIR", help="find thresholds on the predictions of ner-folds")
    data.add_argument("--dev", metavar="DATA", help="find thresholds on labelled data: PATH or PATH#SPLIT")
    data.add_argument("--threshold", help='the lowest score: a number, or a JSON object like {"PER": 0.9}')
    subparser.add_argument("--reader", metavar="NAME", help="reader of --dev, or its JSON (default: by content)")
    subparser.add_argument(
        "--precision", type=float, help="wanted of the entities, with --out-of-fold or --dev (default: 0.9)"
    )
    subparser.add_argument(
        "--min-agreement",
        type=int,
        metavar="N",
        help="how many of the archives have to predict an entity, more than half (default: all)",
    )


def pseudo_from_args(args: argparse.Namespace) -> None:
    """
    Label the texts, write those that are kept, and print what was kept of each type.

    # Raises

    `ConfigError` about the arguments, or archives that do not fit together; `DataError` about the texts, or the data
    for thresholds.
    """
    from ner_plugins.commands.ner_data.arguments import print_report
    from ner_plugins.commands.pseudo_labelling import Labelling

    labelling = Labelling(args)
    labelling.run()
    print_report("\n".join(labelling.summary()))
