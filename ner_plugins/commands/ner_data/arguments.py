"""Arguments and output shared by the actions that inspect corpora."""

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
    """Print in UTF-8 in any locale, escaping what UTF-8 cannot hold (such as a file name in another encoding)."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    print(text, flush=True)
