"""`allennlp ner-data convert`: writes a corpus in another format."""

import argparse

from ner_plugins.commands.ner_data import transfer
from ner_plugins.commands.output_names import output_name

NAME = "convert"
HELP = "Write a corpus in another format; reading it gives the same texts and entities."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of this action."""
    transfer.add_input(parser)
    parser.add_argument(
        "output", type=output_name, metavar="OUTPUT", help="the file to write, - for standard output; .gz compresses"
    )
    transfer.add_writing(parser, transfer.BY_NAME)


def run(args: argparse.Namespace) -> None:
    """Convert the corpus, and print a summary line."""
    from ner_plugins.data_tools.formats import write_corpus

    source = transfer.Input(args)
    source.refuse_as_output(args.output)
    summary = write_corpus(source.sentences(), args.output, args.to, **transfer.writing_options(args))
    reader = transfer.how_to_read(summary.format, args.tokens, args.offsets)
    transfer.print_summary(f"{summary}{source.notes()}; to read it: {reader}", args.output)
