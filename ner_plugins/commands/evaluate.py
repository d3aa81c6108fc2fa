"""`allennlp evaluate`: on the GPU where there is one, with a table per type."""

import argparse
import contextlib
from pathlib import Path
from typing import Any, Iterator, Mapping

from allennlp.commands import evaluate as stock
from allennlp.common.checks import check_for_gpu
from allennlp.models.archival import Archive, load_archive

from ner_plugins.commands.devices import choose_device, is_ours, offer_default_device
from ner_plugins.metrics.report import format_table


class EvaluateCommand(stock.Evaluate):  # type: ignore[misc]
    """The stock command, and a table on stdout if the model is one of ours."""

    def add_subparser(self, parser: Any) -> argparse.ArgumentParser:
        """The stock arguments; the device has a default."""
        subparser: argparse.ArgumentParser = super().add_subparser(parser)
        offer_default_device(subparser)
        subparser.add_argument("--debug", action="store_true", help="show the traceback of an error")
        subparser.set_defaults(func=evaluate_from_args)
        return subparser


def evaluate_from_args(args: argparse.Namespace) -> dict[str, Any]:
    """Evaluate as the arguments say, print the tables, and return the metrics that `--output-file` gets as JSON."""
    check_for_gpu(-1 if args.cuda_device is None else args.cuda_device)
    archive = load_archive(args.archive_file, weights_file=args.weights_file, overrides=args.overrides)
    args.cuda_device = choose_device(archive, args.cuda_device)
    with _already_loaded(archive):
        metrics: dict[str, Any] = stock.evaluate_from_args(args)
    if is_ours(archive):
        print_tables(metrics, args.input_file.split(","))
    return metrics


def print_tables(metrics: Mapping[str, Any], files: list[str]) -> None:
    """Print a table for each evaluated file; with several, AllenNLP puts `<stem>_` before a file's metrics."""
    for file in files:
        prefix = f"{Path(file).stem}_" if len(files) > 1 else ""
        own = {name[len(prefix) :]: value for name, value in metrics.items() if name.startswith(prefix)}
        print(f"{file}\n{format_table(own)}")


@contextlib.contextmanager
def _already_loaded(archive: Archive) -> Iterator[None]:
    """Give the stock command an archive that is loaded already: it would choose the device before knowing the model."""
    original = stock.load_archive
    stock.load_archive = lambda *args, **kwargs: archive
    try:
        yield
    finally:
        stock.load_archive = original
