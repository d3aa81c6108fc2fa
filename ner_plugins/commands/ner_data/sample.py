"""`allennlp ner-data sample`: draws a random part of a corpus."""

import argparse
import sys

from ner_plugins.commands.ner_data import transfer
from ner_plugins.commands.output_names import output_name

NAME = "sample"
HELP = "Write a random part of a corpus, in the order of the corpus."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of this action."""
    transfer.add_input(parser)
    parser.add_argument(
        "output", type=output_name, metavar="OUTPUT", help="the file to write, - for standard output; .gz compresses"
    )
    parser.add_argument("-n", "--number", type=int, required=True, metavar="N", help="number of sentences")
    parser.add_argument("--seed", type=int, default=0, help="random seed")
    parser.add_argument(
        "--each-type",
        type=int,
        default=0,
        metavar="K",
        help="at least K sentences with each entity type, if there are that many, even beyond N",
    )
    transfer.add_writing(parser, transfer.BY_NAME)


def run(args: argparse.Namespace) -> None:
    """Draw and write the sample, and print a summary line."""
    from ner_plugins.data_tools.formats import format_of, open_corpus_writer
    from ner_plugins.data_tools.sampling import sample_sentences

    source = transfer.Input(args)
    source.refuse_as_output(args.output)
    format = args.to or format_of(args.output)
    # Open the writer first, so that an output error is raised before the input is read.
    with open_corpus_writer(args.output, format, **transfer.writing_options(args)) as writer:
        for sentence in sample_sentences(source.sentences(), args.number, args.seed, args.each_type):
            writer.write(sentence)
    if writer.summary.sentences < args.number:
        print(f"warning: {writer.summary.sentences:,} sentences, though -n is {args.number:,}: there are no more "
              "that can be written", file=sys.stderr)  # fmt: skip
    reader = transfer.how_to_read(format, args.tokens, args.offsets)
    transfer.print_summary(f"{writer.summary}{source.notes()}; to read it: {reader}", args.output)
