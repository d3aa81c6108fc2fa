"""Arguments, progress and summary shared by the actions that read one corpus and write another."""

import argparse
import json
import os
import shlex
import sys
from typing import Any, Iterable, Iterator, TypeVar

from ner_plugins.commands.ner_data.arguments import add_encoding, encoding_option

T = TypeVar("T")

# The same as data_tools.formats.FORMATS, which is slow to import.
FORMATS = "cluener, bio, iob1, bioes, bmes, bmeo, bioul, brackets, datasets, docbin, doccano, label_studio"
BY_NAME = "by the name: .json is cluener, .jsonl datasets, .spacy docbin, and .bio, .bmes, .brackets and so on"


def add_input(parser: argparse.ArgumentParser) -> None:
    """`INPUT` and `--reader`."""
    parser.add_argument("input", metavar="INPUT", help="a file, folder, archive or URL, with #train, #dev or #test")
    parser.add_argument(
        "--reader",
        metavar="SPEC",
        help="a reader's name, or a JSON object with its options, '{\"type\": NAME, …}' (default: guessed)",
    )
    add_encoding(parser)


def add_writing(parser: argparse.ArgumentParser, format_default: str) -> None:
    """`--to` and the options of the output."""
    parser.add_argument("--to", metavar="FORMAT", help=f"one of {FORMATS} (default: {format_default})")
    parser.add_argument(
        "--tokens",
        choices=("characters", "words"),
        default="characters",
        help="the tokens of columns and docbin; words are separated by one space",
    )
    parser.add_argument(
        "--overlaps",
        choices=("raise", "longest"),
        default="raise",
        help="if the format cannot hold all of some overlapping entities, keep the longest, or stop",
    )
    parser.add_argument(
        "--on-error",
        choices=("raise", "skip"),
        help="stop at what cannot be read or written, or list, count and skip it (default: raise)",
    )
    parser.add_argument(
        "--offsets",
        choices=("characters", "utf16"),
        default="characters",
        help="what the offsets of doccano and label_studio count; doccano's page counts units of UTF-16",
    )
    parser.add_argument("--force", action="store_true", help="replace files that exist")


class Input:
    """
    The corpus that the arguments name.

    # Parameters

    args : `argparse.Namespace`

    # Raises

    `NerError` when there is none, or no reader for it.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        from ner_plugins.data_tools.corpora import make_reader

        overrides = encoding_option(args)
        if args.on_error:
            overrides["on_error"] = args.on_error
        self.path = args.input
        self.reader = make_reader(args.reader, args.input, **overrides)

    def sentences(self) -> Iterator[Any]:
        """The sentences of the input, with a progress bar if they take long."""
        return with_progress(self.reader.sentences(self.path))

    def refuse_as_output(self, path: str) -> None:
        """Raise a `ConfigError` if `path` is the input file."""
        from ner_plugins.errors import ConfigError
        from ner_plugins.files.data_paths import DataPath

        source = DataPath.parse(self.path).path
        if os.path.isfile(path) and os.path.isfile(source) and os.path.samefile(path, source):
            raise ConfigError(f"{path} is the input itself: name another file to write")

    def notes(self) -> str:
        """The reader's skipped and repaired records, for the end of the summary."""
        counts = self.reader.counts
        words = {
            "skipped": "unreadable records skipped",
            "repaired": "entities with illegal tags repaired",
            "dropped": "entities with illegal tags dropped",
        }
        return "".join(f"; of the input {counts[key]:,} {what}" for key, what in words.items() if counts[key])


def writing_options(args: argparse.Namespace) -> dict[str, Any]:
    """The options of `open_corpus_writer`."""
    return {
        "tokens": args.tokens,
        "overlaps": args.overlaps,
        "on_error": args.on_error or "raise",
        "offsets": args.offsets,
        "force": args.force,
    }


def with_progress(items: Iterable[T]) -> Iterator[T]:
    """Pass `items` on, with progress on stderr: after two seconds on a terminal."""
    from ner_plugins.progress import is_redrawn, progress

    yield from progress(items, desc="sentences", **({"delay": 2} if is_redrawn() else {}))


def print_summary(line: str, output: str) -> None:
    """Print a line on stderr if the output goes to standard output, else on stdout."""
    print(line, file=sys.stderr if output == "-" else sys.stdout)


def how_to_read(format: str, tokens: str, offsets: str = "characters") -> str:
    """The `--reader` argument for reading the output."""
    from ner_plugins.data_tools.formats import reader_for

    spec = reader_for(format, tokens, offsets)
    return f"--reader {spec['type'] if len(spec) == 1 else shlex.quote(json.dumps(spec))}"
