"""`allennlp ner-data split`: splits a corpus into training, development and test files."""

import argparse

from ner_plugins.commands.ner_data import transfer
from ner_plugins.commands.output_names import output_name

NAME = "split"
HELP = "Split a corpus into train, dev and test files, the same on every machine. Equal texts stay together."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of this action."""
    transfer.add_input(parser)
    parser.add_argument(
        "-o", "--output", type=output_name, required=True, metavar="DIR", help="the folder for the files"
    )
    parser.add_argument("--dev", type=float, default=0.1, metavar="SHARE", help="share of the texts, 0 for none")
    parser.add_argument("--test", type=float, default=0.0, metavar="SHARE", help="share of the texts, 0 for none")
    parser.add_argument("--seed", type=int, default=0, help="random seed")
    parser.add_argument("--compress", choices=("gz", "bz2", "xz"), help="compress the files")
    transfer.add_writing(parser, "cluener")


def run(args: argparse.Namespace) -> None:
    """Write the files, and print a summary line for each."""
    from ner_plugins.data_tools.formats import DEFAULT_FORMAT, split_file
    from ner_plugins.data_tools.sampling import split_corpus

    source = transfer.Input(args)
    suffix = f".{args.compress}" if args.compress else ""
    format = args.to or DEFAULT_FORMAT
    for split in ("train", "dev", "test"):
        source.refuse_as_output(f"{args.output}/{split_file(format, split)}{suffix}")
    options = transfer.writing_options(args)
    summaries = split_corpus(
        source.sentences(), args.output, args.dev, args.test, args.seed, format, suffix, **options
    )
    for summary in summaries.values():
        print(summary)
    paths = " ".join(f"{args.output}#{split}" for split in summaries)
    print(f"to read them: {paths} {transfer.how_to_read(format, args.tokens, args.offsets)}{source.notes()}")
