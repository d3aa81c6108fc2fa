"""`allennlp ner-data download`: fetches public corpora from their publishers."""

import argparse
import json
import shlex
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Iterable, Iterator

from ner_plugins.commands.output_names import output_name

if TYPE_CHECKING:
    from ner_plugins.data_tools.download import PublicCorpus

NAME = "download"
HELP = "Fetch public corpora, from their documented addresses, with a check of every byte."

_CONFIG = "training_config/biaffine.jsonnet"
_READER_OF_CONFIG = "cluener"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of this action."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="corpora to fetch; --list shows them")
    parser.add_argument(
        "-o",
        "--output",
        type=output_name,
        default="data",
        metavar="DIR",
        help="where each corpus gets a folder (default: data)",
    )
    parser.add_argument("--list", action="store_true", help="show the corpora (of these names), and fetch nothing")
    parser.add_argument(
        "--accept-licence",
        action="append",
        default=[],
        metavar="NAME",
        help="accept this corpus's licence, or that it states none; once for each corpus that asks for it",
    )
    parser.add_argument("--catalogue", metavar="FILE", help="JSON file with corpora of your own: see catalogue.py")


def run(args: argparse.Namespace) -> None:
    """
    Fetch what the arguments name, and say what can be done with it.

    # Raises

    `ConfigError` for names that are not there and licences not accepted, before anything is fetched. `DownloadError`.
    """
    from ner_plugins.data_tools.download import check_permission, choose_corpora, download, load_catalogue
    from ner_plugins.errors import ConfigError

    catalogue = load_catalogue(args.catalogue)
    corpora = choose_corpora(catalogue, args.names or (catalogue if args.list else ()))
    if args.list:
        print("\n".join(map(_entry, corpora)))
        return
    if not corpora:
        raise ConfigError(f"name a corpus to fetch: {', '.join(catalogue)} (--list describes them)")
    check_permission(corpora, args.accept_licence)
    for corpus in corpora:
        done = download(corpus, Path(args.output) / corpus.name)
        print(f"{corpus.name}: {corpus.files} files, {_megabytes(corpus.size)}, in {done.folder} ", end="")
        print(f"({done.fetched} fetched, {done.present} there already)")
        print(_indented(_after(corpus, done.folder)), flush=True)


def _after(corpus: "PublicCorpus", folder: Path) -> Iterator[str]:
    """The message about a downloaded corpus."""
    yield from _terms(corpus)
    options = "" if corpus.reader == _READER_OF_CONFIG else json.dumps({"dataset_reader.type": corpus.reader})
    override = f" -o {shlex.quote(options)}" if options else ""
    data = shlex.quote(str(folder))
    yield f"Train: NER_DATA={data} allennlp train {_CONFIG}{override} --include-package ner_plugins"


def _terms(corpus: "PublicCorpus") -> Iterator[str]:
    if corpus.licence is None:
        yield f"Not fetched: {corpus.unavailable}. Where to ask: {corpus.ask}"
    else:
        yield f"Licence: {corpus.licence.terms}. See {corpus.licence.stated}"
    if corpus.notes:
        yield f"Note: {corpus.notes}"


def _entry(corpus: "PublicCorpus") -> str:
    """The description of a corpus in the list."""
    size = f", {corpus.files} files, {_megabytes(corpus.size)}" if corpus.sources else ""
    lines = [corpus.description, f"Types: {' '.join(corpus.types)}" if corpus.types else "", *_terms(corpus)]
    if corpus.licence is not None and corpus.licence.accept:
        lines.append(f"Needs --accept-licence {corpus.name}")
    return f"{corpus.name} (reader {corpus.reader}{size})\n{_indented(line for line in lines if line)}\n"


def _indented(paragraphs: Iterable[str]) -> str:
    # Do not break commands and addresses, so that they can be copied.
    wrapper = textwrap.TextWrapper(
        100, initial_indent="  ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(f"  {text}" if text.startswith("Train: ") else wrapper.fill(text) for text in paragraphs)


def _megabytes(size: int) -> str:
    return f"{max(size / 1e6, 0.1):.1f} MB"
