"""`allennlp ner-ensemble`: one archive of several."""

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from allennlp.commands.subcommand import Subcommand

from ner_plugins.commands.archive_target import archive_target
from ner_plugins.commands.output_names import output_name
from ner_plugins.commands.trust_option import offer_trust
from ner_plugins.errors import ConfigError
from ner_plugins.files.atomic import atomic_path

DESCRIPTION = "Combine archives into one that predicts by votes or mean scores, or has mean weights."
METHODS = ("votes", "scores", "soup", "greedy-soup")
DECODINGS = ("flat_greedy", "flat_optimal", "nested", "all")
_HELP = (
    "votes: spans that enough of the models predict; scores: mean scores of models with one kind of head; soup: mean "
    "weights of models with one architecture, as fast as one; greedy-soup: of those that help on --data"
)


class NerEnsembleCommand(Subcommand):
    """Combines archives."""

    def add_subparser(self, parser: Any) -> argparse.ArgumentParser:
        """The arguments. Every command builds this parser, so slow imports wait until the command runs."""
        subparser: argparse.ArgumentParser = parser.add_parser(
            "ner-ensemble", description=DESCRIPTION, help=DESCRIPTION
        )
        subparser.add_argument("archive_files", nargs="+", metavar="ARCHIVE", help="archives of trained models")
        subparser.add_argument(
            "-o", "--output", type=output_name, required=True, metavar="NEW.tar.gz", help="the archive to write"
        )
        subparser.add_argument("--force", action="store_true", help="replace NEW.tar.gz")
        subparser.add_argument("--method", choices=METHODS, default="votes", help=f"{_HELP} (default: votes)")
        subparser.add_argument(
            "--weights", type=float, nargs="+", metavar="W", help="how much each archive counts (default: all the same)"
        )
        subparser.add_argument(
            "--agreement", type=float, metavar="SHARE", help="lowest share of votes for an entity (default: 0.5)"
        )
        subparser.add_argument(
            "--decoding",
            choices=DECODINGS,
            help="how votes choose among spans that exclude each other (default: as the members predict)",
        )
        subparser.add_argument(
            "--find-weights", action="store_true", help="find the weights of votes on --data, and leave out what gets 0"
        )
        subparser.add_argument(
            "--data",
            metavar="PATH",
            help="labelled development data, PATH or PATH#SPLIT, to measure on; votes find thresholds on them",
        )
        subparser.add_argument("--batch-size", type=int, default=32, help="sentences in a batch")
        subparser.add_argument(
            "--cuda-device", type=int, help="id of the GPU to use, -1 for the CPU (default: the first GPU, if any)"
        )
        subparser.add_argument("--debug", action="store_true", help="show the traceback of an error")
        offer_trust(subparser, ensemble_from_args)
        return subparser


def ensemble_from_args(args: argparse.Namespace) -> None:
    """
    Combine archives, and print what each is worth on the development data.

    # Raises

    `ConfigError` if the output may not be written, an option has no effect, or the archives cannot be combined so.
    """
    from ner_plugins.commands.ner_data.arguments import print_report

    target = archive_target(args.output, args.force)
    _check_options(args)

    from ner_plugins.ensembles.making import Development, make_ensemble, make_soup
    from ner_plugins.ensembles.members import check_weights, load_members
    from ner_plugins.ensembles.packing import pack_archive

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ner-ensemble-")))
        members = load_members(args.archive_files, stack, args.cuda_device)
        weights = check_weights(args.weights, members)
        data = None if args.data is None else Development(args.data, args.batch_size, args.cuda_device)
        if args.method in ("votes", "scores"):
            agreement = 0.5 if args.agreement is None else args.agreement
            options = (args.method, agreement, args.decoding, data, args.find_weights)
            made = make_ensemble(members, folder, weights, *options)
        else:
            made = make_soup(members, folder, weights, args.method == "greedy-soup", data)
        with atomic_path(target) as partial:
            pack_archive(folder, partial)
    print_report("\n".join([*format_members(args.archive_files, made), *made.remarks, f"archive: {args.output}"]))


def _check_options(args: argparse.Namespace) -> None:
    """Refuse options without effect before anything slow is done."""
    if args.method == "greedy-soup" and args.data is None:
        raise ConfigError("--method greedy-soup chooses members on labelled data: add --data PATH")
    if args.method == "greedy-soup" and args.weights is not None:
        raise ConfigError("--weights has no effect with --method greedy-soup, which weighs those that it takes alike")
    for option in ("agreement", "decoding", "find_weights"):
        if args.method != "votes" and getattr(args, option) not in (None, False):
            name = option.replace("_", "-")
            raise ConfigError(f"--{name} has no effect with --method {args.method}: it is for votes")
    if args.find_weights and args.data is None:
        raise ConfigError("--find-weights finds weights on labelled data: add --data PATH")
    if args.find_weights and args.weights is not None:
        raise ConfigError("--weights and --find-weights exclude each other: remove one")
    if args.agreement is not None and not 0 <= args.agreement <= 1:
        raise ConfigError(f"--agreement is {args.agreement:g}, but must be a share from 0 to 1")
    if args.batch_size < 1:
        raise ConfigError(f"--batch-size must be >= 1, got {args.batch_size}")


def format_members(paths: list[str], made: Any) -> list[str]:
    """A table of the members and the ensemble with their figures."""
    from ner_plugins.data_tools.statistics.tables import format_columns
    from ner_plugins.metrics.report import display_width
    from ner_plugins.visible import in_one_line

    rates = ("precision", "recall", "f1") if made.ensemble else ()
    rows = [["", "weight", *{"precision": "P", "recall": "R", "f1": "F1"}.values()][: 2 + len(rates)]]
    for place, path in enumerate(paths):
        figures = [f"{made.members[place][f'typed_span_f1/micro_{rate}']:.4f}" for rate in rates]
        rows.append([in_one_line(path), f"{made.weights[place]:g}", *figures])
    if not rates:
        return format_columns(rows)
    every = [made.members, [made.ensemble]]
    for name, runs in zip(("mean of the members", "ensemble"), every, strict=True):
        means = [sum(run[f"typed_span_f1/micro_{rate}"] for run in runs) / len(runs) for rate in rates]
        rows.append([name, "", *(f"{mean:.4f}" for mean in means)])
    lines = format_columns(rows)
    rule = "-" * max(map(display_width, lines))
    return [lines[0], rule, *lines[1:-2], rule, *lines[-2:]]
