"""`allennlp ner-bulk`: the entities of millions of lines, with Ray."""

import argparse
from typing import Any

from allennlp.commands.subcommand import Subcommand

from ner_plugins.commands.output_names import output_name
from ner_plugins.commands.trust_option import offer_trust
from ner_plugins.errors import ConfigError, shown
from ner_plugins.files.json_files import parsed_json

DESCRIPTION = "Tag millions of lines with Ray, on this machine or a cluster; a stopped run goes on where it was."


class NerBulkCommand(Subcommand):
    """Predictions for files of any size."""

    def add_subparser(self, parser: Any) -> argparse.ArgumentParser:
        """The arguments. Every command builds this parser, so slow imports wait until the command runs."""
        subparser: argparse.ArgumentParser = parser.add_parser("ner-bulk", description=DESCRIPTION, help=DESCRIPTION)
        subparser.add_argument("archive_file", help="path to an archived trained model")
        subparser.add_argument(
            "input", nargs="+", help="files, folders or patterns: JSON lines, plain text or Parquet, perhaps compressed"
        )
        subparser.add_argument("output", type=output_name, help="the folder of the results")
        subparser.add_argument(
            "--format", choices=("parquet", "json"), default="parquet", help="of the results (default: parquet)"
        )
        subparser.add_argument(
            "--input-format", choices=("json", "text", "parquet"), help="of all files (default: by each file's name)"
        )
        subparser.add_argument("--text-column", default="text", help="field or column of the text (default: text)")
        subparser.add_argument(
            "--keep", nargs="*", metavar="NAME", help="other fields or columns to keep (default: all of them)"
        )
        subparser.add_argument("--thresholds", type=_thresholds, help="lowest probability: a number or a JSON object")
        subparser.add_argument("--types", nargs="+", metavar="TYPE", help="entity types to keep (default: all)")
        subparser.add_argument("--actors", type=int, help="copies of the model (default: one per GPU, or per core)")
        subparser.add_argument("--threads", type=int, default=1, help="cores of each copy, without a GPU (default: 1)")
        subparser.add_argument("--cpu", action="store_true", help="do not use GPUs")
        subparser.add_argument("--address", help="of a Ray cluster (default: Ray is started on this machine)")
        subparser.add_argument("--weights-file", help="weights to use instead of the archive's")
        subparser.add_argument(
            "-o", "--overrides", default="", help="JSON that overrides the archive's configuration"
        )
        subparser.add_argument("--debug", action="store_true", help="show Ray's messages and the traceback of an error")
        offer_trust(subparser, bulk_from_args)
        return subparser


def bulk_from_args(args: argparse.Namespace) -> None:
    """
    Run the job of the arguments, and print what came of it.

    # Raises

    Errors of `run_bulk`.
    """
    from ner_plugins.bulk.run import BulkOptions, run_bulk

    options = BulkOptions(
        archive=args.archive_file, inputs=args.input, output=args.output, output_format=args.format,
        input_format=args.input_format, text_column=args.text_column, keep=args.keep, thresholds=args.thresholds,
        types=args.types, overrides=args.overrides, weights_file=args.weights_file,
        packages=getattr(args, "include_package", None) or (), actors=args.actors, threads=args.threads, cpu=args.cpu,
        address=args.address, debug=args.debug, trust_archive=args.trust_archive,
    )  # fmt: skip
    result = run_bulk(options)
    new = result.rows - result.before
    parts = [f"{result.rows:,} rows"]
    if result.before:
        parts.append(f"{result.before:,} of them done before" if new else "all of them done before")
    if result.errors:
        parts.append(f"{result.errors:,} with an error")
    if new:
        parts.append(f"{new / max(result.seconds, 1e-9):,.1f} rows/s")
    print(f"{args.output}: {', '.join(parts)}")


def _thresholds(value: str) -> Any:
    try:
        return parsed_json(value)
    except ValueError as error:
        expected = 'a number, or an object like {"TYPE": 0.5}'
        raise ConfigError(f"--thresholds is {shown(value)}, but must be {expected}") from error
