"""`allennlp predict`: one line of JSON for each line of input."""

import argparse
import contextlib
import logging
import os
import sys
from typing import Any, Iterator

from allennlp.commands import predict as stock
from allennlp.commands.predict import Predict
from allennlp.models.archival import load_archive
from allennlp.predictors import Predictor

from ner_plugins.commands.devices import choose_device, has_ner_model, offer_default_device
from ner_plugins.commands.output_names import output_name
from ner_plugins.commands.trust_option import offer_trust
from ner_plugins.errors import ConfigError
from ner_plugins.files.json_files import parsed_json
from ner_plugins.files.output_files import STDOUT, open_output
from ner_plugins.predictors.line_prediction import LinePrediction
from ner_plugins.predictors.ner_predictor import NerPredictor
from ner_plugins.predictors.output_formats import OUTPUT_FORMATS
from ner_plugins.predictors.text_lines import guess_input_format

logger = logging.getLogger(__name__)


class PredictCommand(Predict):
    """The stock command; models of this package are run by `LinePrediction` instead."""

    def add_subparser(self, parser: Any) -> argparse.ArgumentParser:
        """The stock arguments, and those of `LinePrediction`."""
        subparser: argparse.ArgumentParser = super().add_subparser(parser)
        offer_default_device(subparser)
        for action in subparser._actions:
            if action.dest == "output_file":
                action.type = output_name
            elif action.dest == "batch_size":
                action.default = None
                action.help = "highest number of lines in a batch (default: as many as a number of tokens allows)"
        ours = subparser.add_argument_group("models of ner_plugins")
        ours.add_argument(
            "--input-format",
            choices=("json", "text"),
            help="JSON lines or plain text lines (default: JSON where the name ends in .json or .jsonl, else text)",
        )
        ours.add_argument(
            "--encoding", help="of the input, such as gb18030 (default: UTF-8, or UTF-16 with a byte order mark)"
        )
        ours.add_argument("--on-error", choices=("raise", "skip"), default="raise", help="for an unreadable line")
        ours.add_argument("--format", choices=sorted(OUTPUT_FORMATS), default="entities", help="layout of the output")
        ours.add_argument("--debug", action="store_true", help="show the traceback of an error")
        offer_trust(subparser, predict_from_args)
        return subparser


def predict_from_args(args: argparse.Namespace) -> None:
    """Predict the input file of the arguments."""
    archive = load_archive(args.archive_file, weights_file=args.weights_file, overrides=args.overrides)
    args.cuda_device = choose_device(archive, args.cuda_device)
    predictor = Predictor.from_archive(
        archive,
        args.predictor,
        dataset_reader_to_load=args.dataset_reader_choice,
        extra_args=parsed_json(args.predictor_args.strip() or "{}"),
    )
    if not (has_ner_model(archive) and isinstance(predictor, NerPredictor)):
        _predict_as_stock(args, predictor)
        return
    if args.silent and not args.output_file:
        raise ConfigError("--silent without --output-file would discard every prediction: name a file")
    _predict_lines(args, predictor)


def _predict_as_stock(args: argparse.Namespace, predictor: Predictor) -> None:
    args.batch_size = args.batch_size or 1
    original = stock._get_predictor
    stock._get_predictor = lambda _: predictor
    try:
        stock._predict(args)
    finally:
        stock._get_predictor = original


def _predict_lines(args: argparse.Namespace, predictor: NerPredictor) -> None:
    prediction = LinePrediction(
        predictor,
        input_format=args.input_format or guess_input_format(args.input_file),
        batch_size=args.batch_size,
        on_error=args.on_error,
        to_line=OUTPUT_FORMATS[args.format](predictor.tagger.backend.tokens),
        encoding=args.encoding,
    )
    names = dict.fromkeys([] if args.silent else [STDOUT])
    if args.output_file:
        _refuse_as_output(args.output_file, args.input_file)
        names[args.output_file] = None
    with contextlib.ExitStack() as stack:
        # Bytes: the locale may lack characters of a text. (JSON escapes lone surrogates, which UTF-8 lacks.)
        outputs = [stack.enter_context(open_output(name, force=True)) for name in names]
        lines = prediction.run_corpus(args.input_file) if args.use_dataset_reader else prediction.run(args.input_file)
        for line in _with_progress(lines, shown=not sys.stdout.isatty() or args.silent):
            for output in outputs:
                output.write(f"{line}\n".encode())
                if args.input_file == "-":  # the user or the next program waits for each line
                    output.flush()
    if prediction.skipped:
        logger.warning("%d of %d lines could not be read and were skipped", prediction.skipped, prediction.lines)


def _refuse_as_output(name: str, input_file: str) -> None:
    if os.path.isfile(name) and os.path.isfile(input_file) and os.path.samefile(name, input_file):
        raise ConfigError(f"--output-file {name} is the input file: name another")


def _with_progress(lines: Iterator[str], shown: bool) -> Iterator[str]:
    """Progress on stderr, unless the predictions scroll by."""
    from ner_plugins.progress import progress

    yield from progress(lines, desc="predicting", unit=" lines", disable=not shown)
