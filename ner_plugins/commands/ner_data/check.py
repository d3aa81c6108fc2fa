"""`allennlp ner-data check`: finds problems in corpora."""

import argparse

from ner_plugins.commands.ner_data.arguments import add_paths, encoding_option, print_report
from ner_plugins.data_tools.problem_kinds import KINDS

NAME = "check"
HELP = "List every problem of corpora with file:line; exit status 1 if there are errors (warnings and notes: 0)."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of this action."""
    add_paths(parser)
    parser.add_argument("--kinds", metavar="KIND,…", help="look for these kinds only")
    parser.add_argument("--limit", type=int, default=10, metavar="N", help="maximum lines of each kind, 0 for all")
    parser.add_argument(
        "--max-length", type=int, metavar="N", help="longer texts, in characters, are noted as long-text (default: 510)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    width = max(map(len, KINDS))
    listed = "\n".join(f"  {kind.severity:<7}  {name:<{width}}  {kind.meaning}" for name, kind in KINDS.items())
    parser.epilog = f"kinds of problems:\n{listed}"
    parser.formatter_class = argparse.RawDescriptionHelpFormatter


def run(args: argparse.Namespace) -> None:
    """Check all corpora together, print the problems, and exit with status 1 if there are errors."""
    import json
    import sys

    from ner_plugins.data_tools.checks import LONG_TEXT, check_corpora, format_findings
    from ner_plugins.data_tools.corpora import open_corpora

    kinds = None if args.kinds is None else [kind.strip() for kind in args.kinds.split(",")]
    corpora = open_corpora(args.paths, args.reader, on_error="skip", **encoding_option(args))
    long_text = LONG_TEXT if args.max_length is None else args.max_length
    findings = check_corpora(corpora, kinds, args.limit, long_text)
    print_report(json.dumps(findings.to_json(), indent=2) if args.json else format_findings(findings))
    if findings.by_severity()["error"]:
        sys.exit(1)
