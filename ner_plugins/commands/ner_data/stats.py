"""`allennlp ner-data stats`: figures about corpora."""

import argparse

from ner_plugins.commands.ner_data.arguments import add_paths, encoding_option, print_report
from ner_plugins.commands.output_names import output_name

NAME = "stats"
HELP = "Count sentences, entities and types, their lengths and overlaps, and the texts that splits share."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of this action."""
    add_paths(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument(
        "--plot", type=output_name, metavar="FILE", help="draw lengths and types into this .png, .svg or .pdf file"
    )


def run(args: argparse.Namespace) -> None:
    """Read every corpus and print its figures."""
    import json

    from ner_plugins.data_tools.corpora import open_corpora
    from ner_plugins.data_tools.statistics import (
        Comparison,
        check_plot_file,
        collect_statistics,
        format_statistics,
        plot_statistics,
    )

    if args.plot:
        check_plot_file(args.plot)
    corpora = open_corpora(args.paths, args.reader, **encoding_option(args))
    comparison = Comparison([collect_statistics(corpus) for corpus in corpora])
    print_report(json.dumps(comparison.to_json(), indent=2) if args.json else format_statistics(comparison))
    if args.plot:
        plot_statistics(comparison.corpora, args.plot)
