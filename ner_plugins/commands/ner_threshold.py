"""`allennlp ner-threshold`: stores in an archive the thresholds with the best micro F1 on development data."""

import argparse
import os
import shutil
import tempfile
from contextlib import contextmanager
from typing import Any, Iterator, Mapping, Optional

from allennlp.commands.subcommand import Subcommand

from ner_plugins.commands.archive_target import archive_target
from ner_plugins.commands.output_names import output_name
from ner_plugins.commands.trust_option import offer_trust
from ner_plugins.errors import ConfigError
from ner_plugins.files.atomic import atomic_path

DESCRIPTION = "Find the best probability threshold for each type, and store the thresholds in an archive."
_F1 = "typed_span_f1/micro_f1"


class NerThresholdCommand(Subcommand):
    """Finds a threshold for each type on development data."""

    def add_subparser(self, parser: Any) -> argparse.ArgumentParser:
        """The arguments. Every command builds this parser, so slow imports wait until the command runs."""
        subparser: argparse.ArgumentParser = parser.add_parser(
            "ner-threshold",
            description=f"{DESCRIPTION} Without -o and --force nothing is written.",
            help=DESCRIPTION,
        )
        subparser.add_argument("archive_file", help="path to an archived trained model")
        subparser.add_argument("input_file", help="labelled development data: PATH or PATH#SPLIT")
        subparser.add_argument("-o", "--output", type=output_name, metavar="NEW.tar.gz", help="the archive to write")
        subparser.add_argument(
            "--force", action="store_true", help="replace NEW.tar.gz; without -o, change the archive itself"
        )
        subparser.add_argument(
            "--guarantee",
            metavar="recall=R",
            help="instead of the best F1: the highest threshold at which this recall is guaranteed for new sentences",
        )
        subparser.add_argument("--batch-size", type=int, default=32, help="sentences in a batch")
        subparser.add_argument(
            "--cuda-device", type=int, help="id of the GPU to use, -1 for the CPU (default: the first GPU, if any)"
        )
        subparser.add_argument("--debug", action="store_true", help="show the traceback of an error")
        offer_trust(subparser, threshold_from_args)
        return subparser


def threshold_from_args(args: argparse.Namespace) -> None:
    """
    Find thresholds, write an archive that has them, run it, and print a table of before and after.

    The figures "after" come from running the new archive: a flat decoder drops candidates before it chooses among those
    that overlap, so a threshold can also change which prediction is chosen. If the new archive is no better than the
    one given, the thresholds stay as they were.

    # Raises

    `ConfigError` if the output may not be written, or the model is not of this package or has no scores; `DataError` if
    the data have no gold, or the recall of `--guarantee` cannot be guaranteed.
    """
    from allennlp.common.file_utils import cached_path

    from ner_plugins.commands.ner_data.arguments import print_report
    from ner_plugins.commands.threshold_guarantee import guarantee, statement
    from ner_plugins.reports.guarantees import parse_guarantee

    recall = None if args.guarantee is None else parse_guarantee(args.guarantee)
    target = _target(args)
    archive = args.archive_file if os.path.exists(args.archive_file) else str(cached_path(args.archive_file))
    if os.path.isdir(archive):
        raise ConfigError(f"{args.archive_file} is a folder: name the model.tar.gz in it")
    with _output_file(target) as output:
        if recall is None:
            before, after, thresholds, changed = _improve(args, archive, output)
        else:
            (before, after, thresholds), changed = guarantee(args, archive, output, recall), True
        shutil.copymode(archive, output)
    lines = format_comparison(before, after, thresholds)
    if not changed:
        lines.append("no thresholds are better on these data than the archive's")
    if recall is not None:
        lines.append(statement(recall))
    unwritten = "nothing was written: add -o NEW.tar.gz, or --force to change the archive itself"
    lines.append(unwritten if target is None else f"archive: {args.output or args.archive_file}")
    print_report("\n".join(lines))


def _improve(
    args: argparse.Namespace, archive: str, output: str
) -> tuple[dict[str, float], dict[str, float], dict[str, float], bool]:
    """
    Write the best archive to `output`.

    # Returns

    `tuple[dict[str, float], dict[str, float], dict[str, float], bool]`
        The metrics of the archive given, those of the one written, its thresholds, and whether the thresholds changed.
    """
    from ner_plugins.archives.copying import copy_with_thresholds
    from ner_plugins.commands.loading import load_ours, mention_max_instances
    from ner_plugins.reports.collect import run_model
    from ner_plugins.reports.thresholds import best_thresholds

    loaded = load_ours(archive, args.cuda_device)
    mention_max_instances(loaded, None)
    model, reader = loaded.model, loaded.validation_dataset_reader
    # The model keeps them in float32, which has seven digits.
    current = {type_: round(value, 7) for type_, value in zip(model.types, model.thresholds.tolist(), strict=True)}
    before = unlimited = run_model(model, reader, args.input_file, args.batch_size)
    if any(current.values()):
        # Predictions below a threshold would be missing from the search.
        model.thresholds.zero_()
        unlimited = run_model(model, reader, args.input_file, args.batch_size)
    attempts = [best_thresholds(unlimited.sentences, model.types)]
    if unlimited.metrics[_F1] > before.metrics[_F1]:
        attempts.append(dict.fromkeys(model.types, 0.0))
    del loaded, model
    for thresholds in attempts:
        if thresholds == current:
            continue
        copy_with_thresholds(archive, output, thresholds)
        written = load_ours(output, args.cuda_device)
        after = run_model(written.model, written.validation_dataset_reader, args.input_file, args.batch_size)
        if after.metrics[_F1] > before.metrics[_F1] and after.metrics[_F1] >= unlimited.metrics[_F1]:
            return before.metrics, after.metrics, thresholds, True
    shutil.copyfile(archive, output)
    return before.metrics, before.metrics, current, False


def format_comparison(
    before: Mapping[str, float], after: Mapping[str, float], thresholds: Mapping[str, float]
) -> list[str]:
    """A table of each type's threshold and figures, before and after."""
    from ner_plugins.data_tools.statistics.tables import format_columns
    from ner_plugins.metrics.report import display_width, type_name

    rates = ("precision", "recall", "f1")
    header = [f"{rate} {when}" for rate in ("P", "R", "F1") for when in ("before", "after")]
    rows = [["", "threshold", *header, "support"]]
    support: dict[str, float] = {
        key.split("/", 1)[1].rpartition("/")[0]: value
        for key, value in before.items()
        if key.startswith("typed_span_f1/") and key.endswith("/support")
    }
    for type_ in sorted({*thresholds, *support}):
        figures = [
            f"{metrics.get(f'typed_span_f1/{type_}/{rate}', 0.0):.4f}" for rate in rates for metrics in (before, after)
        ]
        threshold = f"{thresholds[type_]:.4f}" if type_ in thresholds else "-"
        rows.append([type_name(type_), threshold, *figures, f"{support.get(type_, 0.0):,.0f}"])
    for average in ("micro", "macro"):
        figures = [f"{metrics[f'typed_span_f1/{average}_{rate}']:.4f}" for rate in rates for metrics in (before, after)]
        rows.append([average, "", *figures, f"{sum(support.values()):,.0f}"])
    lines = format_columns(rows)
    rule = "-" * max(map(display_width, lines))
    return [lines[0], rule, *lines[1:-2], rule, *lines[-2:]]


def _target(args: argparse.Namespace) -> Optional[str]:
    """The file to write, with links resolved; `None` if there is none."""
    if args.output is None:
        if args.force and not os.path.exists(args.archive_file):
            raise ConfigError(f"{args.archive_file} is not a local file, so it cannot be changed: add -o NEW.tar.gz")
        return os.path.realpath(str(args.archive_file)) if args.force else None
    return archive_target(str(args.output), args.force)


@contextmanager
def _output_file(target: Optional[str]) -> Iterator[str]:
    """A path to write the archive at, which becomes `target` at the end; without a target it is deleted."""
    if target is not None:
        with atomic_path(target) as partial:
            yield partial
        return
    with tempfile.TemporaryDirectory(prefix="ner-threshold-") as folder:
        yield os.path.join(folder, "model.tar.gz")
