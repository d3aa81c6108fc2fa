"""`allennlp ner-data apply`: changes the labels of a corpus as was decided on the page of `ner-audit`."""

import argparse
import sys

from ner_plugins.commands.ner_data import transfer
from ner_plugins.commands.ner_data.arguments import add_encoding
from ner_plugins.commands.output_names import output_name

NAME = "apply"
HELP = "Apply the decisions that were made on the page of ner-audit to a corpus, and write the corrected one."

_LISTED = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of this action."""
    parser.add_argument("decisions", metavar="DECISIONS", help="decisions.jsonl, as the page saves it")
    parser.add_argument(
        "data",
        nargs="+",
        metavar="DATA",
        help="the data that were audited: files, folders, archives or URLs, with #train, #dev or #test",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=output_name,
        required=True,
        metavar="FILE",
        help="the file to write, - for standard output; .gz compresses; with several DATA it has all their sentences",
    )
    parser.add_argument(
        "--reader",
        metavar="SPEC",
        help="a reader's name, or a JSON object with its options, '{\"type\": NAME, …}' (default: guessed)",
    )
    add_encoding(parser)
    parser.add_argument("--new-types", metavar="TYPE,…", help="types that decisions may add though the data lack them")
    transfer.add_writing(parser, transfer.BY_NAME)


def run(args: argparse.Namespace) -> None:
    """
    Check the decisions against the data, write the corrected corpus, and print what was done.

    # Raises

    `DataError` for decisions that cannot be applied, unless with `--on-error skip`: they are listed and counted.
    """
    from ner_plugins.data_tools.corrections import Corrections, read_decisions
    from ner_plugins.data_tools.formats import format_of, write_corpus
    from ner_plugins.errors import DataError

    format = args.to or format_of(args.output)
    sources = [transfer.Input(argparse.Namespace(**{**vars(args), "input": path})) for path in args.data]
    for source in sources:
        source.refuse_as_output(args.output)
    errors: list[DataError] = []
    on_bad = errors.append if args.on_error == "skip" else None
    decisions = read_decisions(args.decisions, on_bad)
    unread = len(errors)
    corrections = Corrections(decisions, on_bad)
    sentences = [sentence for source in sources for sentence in source.sentences()]
    new_types = [type_.strip() for type_ in (args.new_types or "").split(",") if type_.strip()]
    corrected = corrections.apply(sentences, new_types)
    summary = write_corpus(corrected, args.output, format, **transfer.writing_options(args))
    for error in errors[:_LISTED]:
        print(f"left out: {error}", file=sys.stderr)
    if len(errors) > _LISTED:
        print(f"left out: {len(errors) - _LISTED:,} more", file=sys.stderr)
    parts = [str(summary), str(corrections.outcome), *([f"{unread:,} unreadable lines"] if unread else [])]
    reader = transfer.how_to_read(format, args.tokens, args.offsets)
    notes = "".join(source.notes() for source in sources)
    transfer.print_summary(f"{'; '.join(parts)}{notes}; to read it: {reader}", args.output)
