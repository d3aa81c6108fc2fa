"""`allennlp ner-sweep`: many trainings from one file, one after the other or one on each GPU."""

import argparse
import sys
from pathlib import Path
from typing import Any

from allennlp.commands.subcommand import Subcommand

from ner_plugins.commands.gpus_option import check_gpus, offer_gpus
from ner_plugins.commands.output_names import output_name
from ner_plugins.errors import ConfigError

DESCRIPTION = "Train many variants: a grid, or a search by optuna, over configs, overrides, settings and seeds."
_DETAILS = (
    "Repeat the command to go on with a sweep that was stopped: runs that have finished are not repeated, runs that "
    "were interrupted continue from their last checkpoint, runs that failed are tried again, and runs that are new in "
    "the file are added. `allennlp ner-compare DIR` compares the models."
)


class NerSweepCommand(Subcommand):
    """Does the runs of a sweep's file."""

    def add_subparser(self, parser: Any) -> argparse.ArgumentParser:
        """The arguments. Every command builds this parser, so slow imports wait until the command runs."""
        subparser: argparse.ArgumentParser = parser.add_parser(
            "ner-sweep", description=f"{DESCRIPTION} {_DETAILS}", help=DESCRIPTION
        )
        subparser.add_argument("sweep_file", metavar="SWEEP.jsonnet", help="the sweep: see docs/experiments.md")
        subparser.add_argument(
            "-s", "--output", type=output_name, required=True, metavar="DIR", help="folder for runs and their records"
        )
        offer_gpus(subparser, "run")
        subparser.add_argument("--dry-run", action="store_true", help="list the runs with their state, and do nothing")
        subparser.add_argument("--debug", action="store_true", help="show the traceback of an error")
        subparser.set_defaults(func=sweep_from_args)
        return subparser


def sweep_from_args(args: argparse.Namespace) -> None:
    """
    Check all runs, do those that have not finished, and print a summary. If any has failed, the exit status is 1.

    # Raises

    `ConfigError` about a mistake in the sweep's file or in a config, before the first run; about a folder in which
    something has changed.
    """
    from allennlp.common.util import SigTermReceived

    from ner_plugins.commands.ner_data.arguments import print_report
    from ner_plugins.commands.sweep_planning import Planner
    from ner_plugins.sweeps.folder import SweepFolder
    from ner_plugins.sweeps.search import check_unchanged
    from ner_plugins.sweeps.sweep_file import read_sweep

    sweep = read_sweep(args.sweep_file)
    packages = tuple(dict.fromkeys([*(getattr(args, "include_package", None) or ()), *sweep.include_package]))
    check_gpus(args.gpus)
    folder = SweepFolder(Path(args.output))
    _check_folder(folder)
    if folder.exists():
        check_unchanged(folder.facts(), sweep, folder)
    planner = Planner(sweep, folder, packages)
    if args.dry_run:
        print_report("\n".join(planner.listed()))
        return
    try:
        with folder.locked() as lock:
            _do(args, planner, lock)
    except (KeyboardInterrupt, SigTermReceived):
        print("\nstopped; to continue, repeat the command", file=sys.stderr)
        raise
    print_report("\n".join(planner.summary()))
    sys.exit(0 if planner.all_finished() else 1)


def _do(args: argparse.Namespace, planner: Any, lock: int) -> None:
    from ner_plugins.sweeps.runner import Runner

    source = planner.source(args.sweep_file)
    Runner(planner.folder, source, args.gpus or (None,), planner.sweep.keep, lock).run()


def _check_folder(folder: Any) -> None:
    """Check that a folder is new, or that of a sweep."""
    from ner_plugins.sweeps.folder import LOCK, RECORDS, RUNS

    path = folder.path
    if path.exists() and not path.is_dir():
        raise ConfigError(f"-s {path} is a file: name a folder")
    left = {one.name for one in path.iterdir()} if path.is_dir() else set()
    if left - {LOCK, RECORDS, RUNS} and not folder.exists():
        raise ConfigError(f"-s {path} is not empty, and is not the folder of a sweep: name another one")
