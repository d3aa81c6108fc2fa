"""`allennlp ner-folds`: a model for each fold of the training data, which predicts the fold that it has not seen."""

import argparse
import sys
from pathlib import Path
from typing import Any, Iterable, Optional

from allennlp.commands.subcommand import Subcommand

from ner_plugins.commands.gpus_option import check_gpus, offer_gpus
from ner_plugins.commands.output_names import output_name
from ner_plugins.errors import ConfigError

DESCRIPTION = "Train a model without each fold of the training data, and predict the folds: out-of-fold predictions."
_DETAILS = (
    "Repeat the command to go on with folds that were stopped: what has been trained stays, what was interrupted "
    "continues from its last checkpoint. docs/experiments.md describes the files."
)


class NerFoldsCommand(Subcommand):
    """Trains folds, and writes out-of-fold predictions."""

    def add_subparser(self, parser: Any) -> argparse.ArgumentParser:
        """The arguments. Every command builds this parser, so slow imports wait until the command runs."""
        subparser: argparse.ArgumentParser = parser.add_parser(
            "ner-folds", description=f"{DESCRIPTION} {_DETAILS}", help=DESCRIPTION
        )
        subparser.add_argument("config", metavar="CONFIG", help="the config of a training")
        subparser.add_argument(
            "-o", "--output", type=output_name, required=True, metavar="DIR", help="folder for folds and predictions"
        )
        subparser.add_argument("-k", type=int, default=5, help="number of folds (default: 5)")
        subparser.add_argument("--seed", type=int, default=0, help="of the folds, not of the trainings (default: 0)")
        subparser.add_argument(
            "--floor", type=float, default=0.01, help="lowest probability of a candidate (default: 0.01)"
        )
        subparser.add_argument(
            "--overrides", default="", metavar="JSON", help="changes of the config, as the -o of `allennlp train`"
        )
        offer_gpus(subparser, "fold")
        subparser.add_argument("--parquet", action="store_true", help="also write out_of_fold.parquet")
        subparser.add_argument("--dry-run", action="store_true", help="show the sizes of the folds, and do nothing")
        subparser.add_argument("--debug", action="store_true", help="show the traceback of an error")
        subparser.set_defaults(func=folds_from_args)
        return subparser


def folds_from_args(args: argparse.Namespace) -> None:
    """
    Train the folds that have not been trained, predict, and print the figures of the out-of-fold predictions.

    # Raises

    `ConfigError` about a mistake in the arguments or in the config, and about a folder of other folds; `DataError`
    about the training data. `SystemExit` with status 1 if a training has failed.
    """
    from allennlp.common.util import SigTermReceived

    from ner_plugins.commands.fold_planning import FoldPlan
    from ner_plugins.folds.folder import FoldsFolder

    _check_numbers(args)
    check_gpus(args.gpus)
    folder = FoldsFolder(Path(args.output))
    folder.check_new_or_own()
    plan = FoldPlan(args.config, args.overrides, folder, args.k, args.seed, args.floor)
    plan.check_same()
    if args.dry_run:
        plan.assign()
        _print_folds(plan)
        return
    try:
        with folder.locked() as lock:
            plan.check_same()  # another may have begun in the meantime
            plan.assign()
            _print_folds(plan)
            plan.record()
            if not _trained(args, plan, lock):
                sys.exit(1)
            _predict(args, plan)
    except (KeyboardInterrupt, SigTermReceived):
        print("\nstopped; to continue, repeat the command", file=sys.stderr)
        raise
    _finish(args, plan)


def _check_numbers(args: argparse.Namespace) -> None:
    if args.k < 2:
        raise ConfigError(f"-k is {args.k}, but there have to be at least 2 folds")
    if not 0.0 <= args.floor <= 1.0:
        raise ConfigError(f"--floor is {args.floor}, but must be a probability from 0 to 1")
    if args.parquet:
        from ner_plugins.folds.parquet import needs_pyarrow

        needs_pyarrow()


def _trained(args: argparse.Namespace, plan: Any, lock: int) -> bool:
    """Train what has not been trained; whether all folds are."""
    from ner_plugins.commands.ner_data.arguments import print_report
    from ner_plugins.sweeps.folder import was_finished
    from ner_plugins.sweeps.runner import Runner, summary

    if all(was_finished(plan.folder.run_folder(str(fold))) for fold in range(args.k)):
        return True
    planner = plan.planner(tuple(getattr(args, "include_package", None) or ()))
    source = planner.source(args.config)
    Runner(plan.folder, source, args.gpus or (None,), "archive", lock).run()
    print_report(summary(plan.folder, planner.names))
    return bool(planner.all_finished())


def _predict(args: argparse.Namespace, plan: Any) -> None:
    """Write the out-of-fold predictions, unless they are there."""
    if plan.is_predicted():
        return
    from ner_plugins.files.folds_file import write_records
    from ner_plugins.folds.predicting import FoldPredictions
    from ner_plugins.progress import progress

    predictions = FoldPredictions(plan.sentences, plan.folds.of, args.floor)
    device: Optional[int] = args.gpus[0] if args.gpus else None
    with progress(total=len(plan.sentences), desc="out of fold", unit=" sentences") as bar:
        for fold in range(args.k):
            for number in predictions.predict(fold, plan.archive(fold), device):
                bar.update(number)
    manifest = plan.finished_manifest(predictions.types, predictions.nested)
    write_records(plan.folder.path, predictions.records(), manifest)


def _finish(args: argparse.Namespace, plan: Any) -> None:
    """Write Parquet if it is asked for, and print the figures."""
    from ner_plugins.commands.ner_data.arguments import print_report
    from ner_plugins.files.folds_file import read_records

    if args.parquet:
        from ner_plugins.folds.parquet import write_parquet

        write_parquet(plan.folder.path, read_records(plan.folder.path)[1])
    manifest, records = read_records(plan.folder.path)
    assert manifest.out_of_fold is not None
    print_report(f"out-of-fold predictions of {manifest.out_of_fold.records} sentences\n\n{_figures(records)}")
    print_report(f"\npredictions: {plan.folder.path / manifest.out_of_fold.file}")


def _figures(records: Iterable[Any]) -> str:
    """A table of precision, recall and F1 of each type."""
    from ner_plugins.metrics import TypedSpanF1
    from ner_plugins.metrics.report import format_table

    metric = TypedSpanF1()
    for record in records:
        metric([record.predicted], [record.gold], [record.text])
    figures = {f"{metric.name}/{name}": value for name, value in metric.get_metric(reset=True).items()}
    return format_table(figures, metric.name)


def _print_folds(plan: Any) -> None:
    from ner_plugins.commands.ner_data.arguments import print_report
    from ner_plugins.data_tools.statistics.tables import format_columns

    print_report("\n".join([f"folds by {plan.folds.grouped_by}", *format_columns(plan.table()), ""]))
