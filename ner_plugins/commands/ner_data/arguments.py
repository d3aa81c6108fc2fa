"""Arguments and output shared by the actions."""

import argparse
import sys
from typing import Any


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
    add_encoding(parser)


def add_encoding(parser: argparse.ArgumentParser) -> None:
    """`--encoding`."""
    parser.add_argument(
        "--encoding", help="of the text files, such as gb18030 (default: UTF-8, or UTF-16 with a byte order mark)"
    )


def encoding_option(args: argparse.Namespace) -> dict[str, Any]:
    """The option of readers that `--encoding` gives. Raises `ConfigError` for an unknown encoding."""
    from ner_plugins.files.recoding import check_encoding

    check_encoding("--encoding", args.encoding)
    return {"encoding": args.encoding} if args.encoding else {}


def print_report(text: str) -> None:
    """Print in UTF-8 in any locale, escaping what UTF-8 cannot hold (such as a file name in another encoding)."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    print(text, flush=True)
