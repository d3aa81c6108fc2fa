"""`allennlp ner-export`: an archive's model as a folder for another runtime."""

import argparse
from typing import Any

from allennlp.commands.subcommand import Subcommand

from ner_plugins.commands.output_names import output_name
from ner_plugins.commands.trust_option import offer_trust
from ner_plugins.exports.registry import TARGETS

DESCRIPTION = "Export an archive's model to a folder for another runtime."


class NerExportCommand(Subcommand):
    """Exports a model."""

    def add_subparser(self, parser: Any) -> argparse.ArgumentParser:
        """The arguments. Every command builds this parser, so slow imports wait until the command runs."""
        summaries = "; ".join(f"{name}: {target.summary}" for name, target in sorted(TARGETS.items()))
        subparser: argparse.ArgumentParser = parser.add_parser(
            "ner-export", description=f"{DESCRIPTION} Targets: {summaries}.", help=DESCRIPTION
        )
        subparser.add_argument("archive_file", help="path to an archived trained model")
        subparser.add_argument(
            "-o", "--output", type=output_name, required=True, metavar="FOLDER", help="a new folder to write"
        )
        subparser.add_argument("--to", choices=sorted(TARGETS), required=True, help="the target")
        subparser.add_argument(
            "--dev", metavar="PATH", help="labelled data to measure on: PATH or PATH#SPLIT, for the archive's reader"
        )
        subparser.add_argument("--quantize", choices=("int8",), help="store weights as integers: smaller and faster")
        subparser.add_argument(
            "--max-loss", type=float, default=0.3, metavar="POINTS",
            help="refuse a quantized model that loses more micro F1 on the --dev data (default: 0.3 points)",
        )  # fmt: skip
        subparser.add_argument(
            "--language", metavar="CODE", help="the texts' language, such as zh (default: that of the reader's corpus)"
        )
        subparser.add_argument("--overrides", default="", help="JSON that overrides the archive's configuration")
        subparser.add_argument("--debug", action="store_true", help="show the traceback of an error")
        offer_trust(subparser, export_from_args)
        return subparser


def export_from_args(args: argparse.Namespace) -> None:
    """
    Export an archive.

    # Raises

    `ConfigError` for a folder that is not empty, an option that has no effect with the target, or a model that it
    cannot represent; and whatever loading an archive raises.
    """
    from allennlp.common.file_utils import cached_path

    from ner_plugins.commands.loading import load_ours
    from ner_plugins.exports.run import check_folder, check_options, export
    from ner_plugins.exports.target import ExportOptions, ExportSource

    options = ExportOptions(args.dev, args.quantize, args.max_loss, args.language)
    check_folder(args.output)
    check_options(args.to, options)
    path = str(cached_path(args.archive_file))
    archive = load_ours(path, -1, args.overrides)
    config = archive.config.as_dict(quiet=True)
    source = ExportSource(path, archive.model.eval(), archive.validation_dataset_reader, config, args.overrides)
    manifest = export(source, args.output, args.to, options)
    measured = manifest.details.get("measured", {})
    for kind, value in measured.get("micro_f1", {}).items():
        print(f"micro F1 of {kind} on {measured['data']}: {value:.4f}")
    print(f"{args.to}: {args.output} ({len(manifest.types)} types)")
