"""`allennlp ner-report`: the strengths and mistakes of a trained model on one page."""

import argparse
import os
import re
from pathlib import Path
from typing import Any

from allennlp.commands.subcommand import Subcommand

from ner_plugins.commands.output_names import output_name
from ner_plugins.commands.trust_option import offer_trust
from ner_plugins.errors import ConfigError

PAGE, FIGURES, TABLE = "report.html", "report.json", "confusion.csv"
PICTURE, DRAWING = "confusion.png", "confusion.svg"
DESCRIPTION = "Compare a model's predictions with the gold: figures, confusion matrix, mistakes, one HTML page."


class NerReportCommand(Subcommand):
    """Figures, plots and highlighted sentences of a model of this package on labelled data."""

    def add_subparser(self, parser: Any) -> argparse.ArgumentParser:
        """The arguments. Every command builds this parser, so slow imports wait until the command runs."""
        subparser: argparse.ArgumentParser = parser.add_parser("ner-report", description=DESCRIPTION, help=DESCRIPTION)
        subparser.add_argument("archive_file", help="path to an archived trained model")
        subparser.add_argument(
            "input_file",
            help="labelled data for the model's reader: PATH or PATH#SPLIT; several separated by commas, each with a "
            "report in its own folder in DIR",
        )
        written = ", ".join((PAGE, FIGURES, TABLE, PICTURE, DRAWING))
        subparser.add_argument(
            "-o", "--output", type=output_name, required=True, metavar="DIR", help=f"folder for {written}"
        )
        subparser.add_argument("--force", action="store_true", help="write into DIR even if it is not empty")
        subparser.add_argument(
            "--examples",
            type=int,
            default=1000,
            metavar="N",
            help="maximum number of sentences to show, those with the most mistakes first",
        )
        subparser.add_argument("--batch-size", type=int, default=32, help="sentences in a batch")
        subparser.add_argument(
            "--cuda-device", type=int, help="id of the GPU to use, -1 for the CPU (default: the first GPU, if any)"
        )
        subparser.add_argument("--weights-file", help="weights to use instead of the archive's")
        subparser.add_argument("--overrides", default="", help="JSON that overrides the archive's configuration")
        subparser.add_argument("--debug", action="store_true", help="show the traceback of an error")
        offer_trust(subparser, report_from_args)
        return subparser


def report_from_args(args: argparse.Namespace) -> None:
    """
    For each file, run the model, write the report, and print a table and the report's path.

    # Raises

    `ConfigError` if the model is not of this package, or if the folder is not empty and there is no `--force`.
    """
    from ner_plugins.commands.loading import load_ours, mention_max_instances
    from ner_plugins.commands.ner_data.arguments import print_report
    from ner_plugins.files.data_paths import listed_paths
    from ner_plugins.metrics.report import format_table
    from ner_plugins.reports.collect import run_model

    check_folder(Path(args.output), args.force)
    if args.examples < 0:
        raise ConfigError(f"--examples is {args.examples}; it must be >= 0")
    files = listed_paths(args.input_file)
    folders = _folders(Path(args.output), files)
    archive = load_ours(args.archive_file, args.cuda_device, args.overrides, args.weights_file)
    mention_max_instances(archive, "--overrides")
    for file, folder in zip(files, folders, strict=True):
        run = run_model(archive.model, archive.validation_dataset_reader, file, args.batch_size)
        about = {"archive": args.archive_file, "data": file, "model": archive.config.params["model"].get("type")}
        write_report(run, about, folder, args.examples)
        print_report(f"{file}\n{format_table(run.metrics)}\n\nreport: {folder / PAGE}")


def write_report(run: Any, about: dict[str, Any], folder: Path, examples: int) -> None:
    """
    Write the files of a report.

    # Parameters

    run : `Run`
    about : `dict[str, Any]`
        The names of `archive`, `data` and `model` to show.
    folder : `Path`
        Created if missing; files of an earlier report are replaced.
    examples : `int`
        Number of sentences that the page shows.
    """
    import json

    from ner_plugins.files.output_files import open_output
    from ner_plugins.reports.confusion_files import confusion_csv, confusion_png, confusion_svg
    from ner_plugins.reports.figures import report_figures
    from ner_plugins.reports.page import report_page

    figures = report_figures(run, about)
    # UTF-8 cannot hold a lone surrogate: write JSON's escape.
    as_json = json.dumps(figures, ensure_ascii=False, indent=2).encode("utf-8", "backslashreplace")
    contents = {
        PAGE: report_page(figures, run.sentences, examples).encode("utf-8"),
        FIGURES: as_json + b"\n",
        TABLE: confusion_csv(figures["confusion"]),
        PICTURE: confusion_png(figures["confusion"], str(folder / PICTURE)),
        DRAWING: confusion_svg(figures["confusion"]),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        with open_output(str(folder / name), force=True) as stream:
            stream.write(content)


def check_folder(folder: Path, force: bool) -> None:
    """
    Check an output folder before a model runs.

    # Raises

    `ConfigError` if it is a file, is not empty and there is no `force`, or cannot be written.
    """
    if str(folder).lstrip().startswith("{"):
        raise ConfigError(f"-o {folder}: -o is the folder for the report; use --overrides to change the config")
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"-o {folder} is a file: name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise ConfigError(f"-o {folder} is not empty: name another folder, or add --force to replace the report in it")
    parent = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    if not (parent.is_dir() and os.access(parent, os.W_OK | os.X_OK)):
        raise ConfigError(f"-o {folder}: {parent} is not writable")


def _folders(folder: Path, files: list[str]) -> list[Path]:
    """The folder of each file's report: `folder` for one file, else numbered folders in it, named like the files."""
    if len(files) == 1:
        return [folder]
    names = [re.sub(r"[^\w.]+", "-", Path(file).name).strip("-") for file in files]
    return [folder / f"{number}-{name}" for number, name in enumerate(names, start=1)]
