"""What the actions share that look at corpora: their arguments and their output."""

import argparse
import sys


def add_paths(parser: argparse.ArgumentParser) -> None:
    """`PATH …` and `--reader`."""
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="a file, folder, archive or URL; PATH#train, #dev or #test is one split, a folder or archive all of them",
    )
    parser.add_argument(
        "--reader",
        metavar="SPEC",
        help="a reader's name, or a JSON object with its options, '{\"type\": NAME, …}' (default: guessed)",
    )


def print_report(text: str) -> None:
    """Print in UTF-8 whatever the locale is; what UTF-8 cannot hold (a file name of other bytes) is escaped."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    print(text, flush=True)
